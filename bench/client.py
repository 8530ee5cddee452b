"""Clients that cost little, so that what is measured is the server: asyncio protocols over bytes, one exchange in flight each."""

from __future__ import annotations

import asyncio
import base64
import os
import struct
from collections.abc import Callable
from typing import Self

CONNECT_BOUND_S = 30.0


class Broken(ConnectionError):
    """The server ended the connection, or answered with what no server may send here."""


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self.open = False

    @classmethod
    async def connect(cls, port: int) -> Self:
        """Connect to the server on this port. Raises OSError."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self.open = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False

    def write(self, data: bytes) -> None:
        """Send bytes."""
        assert self._transport is not None
        self._transport.write(data)

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


class Requests(_Connection):
    """GET requests on one connection that is kept open. `on_response` gets status and body."""

    on_response: Callable[[int, bytes], None]
    on_lost: Callable[[], None]

    def get(self, path: str) -> None:
        """Ask; the answer goes to `on_response`."""
        self.write(request(path))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, blank, rest = self._buffer.partition(b"\r\n\r\n")
        if not blank:
            return
        fields = head.lower()
        at = fields.find(b"content-length:")
        if at >= 0:
            size = int(fields[at + 15 :].split(b"\r\n", 1)[0])
            if len(rest) < size:
                return
            body, self._buffer = rest[:size], rest[size:]
        elif rest.endswith(b"0\r\n\r\n"):
            body, self._buffer = _joined(rest), b""
        else:
            return
        self.on_response(int(head[9:12]), body)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.on_lost()


class WebSocket(_Connection):
    """A WebSocket after its handshake; `on_message` gets the payload of each message. Servers send unfragmented frames here."""

    def __init__(self) -> None:
        super().__init__()
        self.on_message: Callable[[bytes], None] = lambda payload: None
        self._upgraded: asyncio.Future[None] | None = asyncio.get_running_loop().create_future()
        self._closed = False

    @classmethod
    async def upgrade(cls, port: int, path: str, on_message: Callable[[bytes], None] | None = None) -> Self:
        """Connect and shake hands; `on_message` also gets what comes together with the handshake. Raises Broken, OSError or
        TimeoutError."""
        async with asyncio.timeout(CONNECT_BOUND_S):
            socket = await cls.connect(port)
            if on_message is not None:
                socket.on_message = on_message
            key = base64.b64encode(os.urandom(16)).decode()
            socket.write(request(path, f"upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n", "Upgrade"))
            assert socket._upgraded is not None
            await socket._upgraded
            socket._upgraded = None
        return socket

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        if self._upgraded is not None and not self._upgraded.done():
            head, blank, rest = buffer.partition(b"\r\n\r\n")
            if not blank:
                self._buffer = buffer
                return
            if not head.startswith(b"HTTP/1.1 101 "):
                self._upgraded.set_exception(Broken(head.split(b"\r\n", 1)[0].decode("latin-1")))
                return
            self._upgraded.set_result(None)
            buffer = rest
        at = 0
        while len(buffer) - at >= 2:
            size, start = buffer[at + 1], at + 2
            if size == 126:
                if len(buffer) - at < 4:
                    break
                size, start = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
            end = start + size
            if end > len(buffer):
                break
            if buffer[at] & 0x0F == 8:
                self.close()
            else:
                self.on_message(buffer[start:end])
            at = end
        self._buffer = buffer[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._upgraded is not None and not self._upgraded.done():
            self._upgraded.set_exception(Broken("hung up during the handshake"))


def request(path: str, more: str = "", connection: str = "keep-alive") -> bytes:
    """The bytes of a GET."""
    return f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: {connection}\r\n{more}\r\n".encode()


def text_frame(payload: bytes) -> bytes:
    """A masked text frame of at most 64 KiB."""
    mask = os.urandom(4)
    size = len(payload)
    head = struct.pack("!BB", 0x81, 0x80 | size) if size < 126 else struct.pack("!BBH", 0x81, 0x80 | 126, size)
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def _joined(chunks: bytes) -> bytes:
    """The body in a chunked encoding that is complete."""
    body = b""
    while True:
        size, _, chunks = chunks.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return body
        body, chunks = body + chunks[:length], chunks[length + 2 :]


async def fetch(port: int, path: str) -> tuple[int, bytes]:
    """Status and body of one GET on a connection of its own. Raises OSError or Broken."""
    connection = await Requests.connect(port)
    answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()

    def lost() -> None:
        if not answer.done():
            answer.set_exception(Broken("hung up before its answer"))

    connection.on_response = lambda status, body: answer.set_result((status, body))
    connection.on_lost = lost
    connection.get(path)
    try:
        return await answer
    finally:
        connection.close()
