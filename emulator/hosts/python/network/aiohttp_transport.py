"""Connections of aiohttp's client: its own protocol, on a transport whose other end is a Peer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from emulator.hosts.python.network.dialer import Dialer
from emulator.hosts.python.network.peer import Peer


def adapt_aiohttp(module: ModuleType, dialer: Dialer) -> None:
    """`aiohttp.connector`: where a TCPConnector makes a connection. WebSockets take the way they always took."""
    original = module.TCPConnector._create_connection

    async def create_connection(self: Any, request: Any, traces: Any, timeout: Any) -> Any:
        if request.headers.get("Upgrade"):
            return await original(self, request, traces, timeout)
        secure = request.url.scheme in ("https", "wss")
        protocol = self._factory()
        PeerTransport(dialer.dial(request.url.raw_host, request.url.port, secure=secure), protocol)
        return protocol

    module.TCPConnector._create_connection = create_connection


class PeerTransport(asyncio.Transport):
    """Feeds the peer what the protocol writes, and the protocol what the peer answers, piece by piece."""

    def __init__(self, peer: Peer, protocol: Any) -> None:
        super().__init__({"peername": peer.address})
        self._peer = peer
        self._protocol = protocol
        self._closing = False
        self._paused = False
        self._resumed: asyncio.Future[None] | None = None
        self._room: asyncio.Task[None] | None = None
        protocol.connection_made(self)
        self._reading = asyncio.get_running_loop().create_task(self._read())

    def write(self, data: bytes | bytearray | memoryview[int]) -> None:
        if self._closing:
            return
        try:
            self._peer.feed(bytes(data))
        except ConnectionError as error:
            self._lost(error)
            return
        if self._peer.is_full and self._room is None:
            self._protocol.pause_writing()
            self._room = asyncio.get_running_loop().create_task(self._wait_for_room())

    def writelines(self, pieces: Iterable[bytes | bytearray | memoryview[int]]) -> None:
        self.write(b"".join(pieces))

    async def _wait_for_room(self) -> None:
        await self._peer.drain()
        self._room = None
        if not self._closing:
            self._protocol.resume_writing()

    async def _read(self) -> None:
        try:
            while data := await self._peer.receive():
                while self._paused:
                    self._resumed = asyncio.get_running_loop().create_future()
                    await self._resumed
                if self._closing:
                    return
                self._protocol.data_received(data)
        except ConnectionError as error:
            self._lost(error)
        else:
            self._lost(None)

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        if self._resumed is not None and not self._resumed.done():
            self._resumed.set_result(None)

    def is_reading(self) -> bool:
        return not self._paused

    def is_closing(self) -> bool:
        return self._closing

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self._lost(None)

    def abort(self) -> None:
        self._lost(None)

    def _lost(self, error: ConnectionError | None) -> None:
        if self._closing:
            return
        self._closing = True
        self._peer.close()
        self.resume_reading()
        asyncio.get_running_loop().call_soon(self._protocol.connection_lost, error)
