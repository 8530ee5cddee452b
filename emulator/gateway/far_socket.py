"""One WebSocket that user code opened to the outside: aiohttp connects, then frames flow under the exchange's id like a client's.

The roles are turned: what the far server sends goes to the host, what the host sends goes to the far server. It dies with the host.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import aiohttp
from aiohttp import WSMsgType

from emulator.core import sockets as rules
from emulator.gateway.journal import Journal
from emulator.gateway.sockets import SocketBook
from emulator.wire import frames
from emulator.wire.exchange import Incoming
from emulator.wire.frames import Frame, Kind, RawHeaders
from emulator.wire.link import Link

_TEXT, _BINARY, _CLOSE, _CREDIT = int(Kind.TEXT), int(Kind.BINARY), int(Kind.CLOSE), int(Kind.CREDIT)
_GONE = int(Kind.GONE)

CONNECT_WITHIN_S = 30.0
CLOSE_WITHIN_S = 10.0
# aiohttp makes these itself.
_HANDSHAKE = frozenset(("connection", "upgrade", "host", "content-length", "transfer-encoding"))
_OFFER = "sec-websocket-"
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
# Of the connection, and of a body that has been unpacked.
_NOT_PASSED = frozenset((b"connection", b"keep-alive", b"transfer-encoding", b"content-length", b"content-encoding"))


class Refused(Exception):
    """The far side answered the handshake with a response, which user code gets like any other (observed on workerd)."""

    def __init__(self, status: int, reason: str, headers: RawHeaders, body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = body


class HandshakeResponse(aiohttp.ClientResponse):
    """What a handshake is answered with. aiohttp drops the body of one that is no upgrade: it is read before aiohttp looks at it."""

    async def start(self, connection: Any) -> HandshakeResponse:
        await super().start(connection)
        if self.status != 101 and self.status not in _REDIRECTS:
            headers = [pair for pair in self.raw_headers if pair[0].lower() not in _NOT_PASSED]
            raise Refused(self.status, self.reason or "", headers, await self.read())
        return self


class FarSocket:
    """One of them: a task that reads from the far side, and a queue to it."""

    def __init__(self, book: SocketBook, incoming: Incoming) -> None:
        self._book = book
        self._incoming = incoming
        self._link: Link = incoming.link
        self.id = incoming.id
        self._to_far: asyncio.Queue[Frame | None] = asyncio.Queue()
        self._credit = frames.SOCKET_WINDOW
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._overdue: asyncio.TimerHandle | None = None  # runs once we have said Close and the far side has not

    async def run(self, session: aiohttp.ClientSession, journal: Journal) -> None:
        """Connect for the REQUEST, then carry frames until one side has ended."""
        head = self._incoming.head
        assert head is not None
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers]
        offered = [item.strip() for name, value in headers if name.lower() == "sec-websocket-protocol" for item in value.split(",")]
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                far = await session.ws_connect(
                    head.url,
                    headers=[
                        (name, value) for name, value in headers if name.lower() not in _HANDSHAKE and not name.lower().startswith(_OFFER)
                    ],
                    protocols=offered,
                    autoclose=False,
                    max_msg_size=rules.MAX_MESSAGE_RAISED,
                    decode_text=False,
                )
        except Refused as refused:
            journal.add("egress", method="GET", url=head.url.split("?", 1)[0], status=refused.status)
            self._incoming.respond(refused.status, refused.reason.encode("latin-1", "replace"), refused.headers, refused.body)
            return
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            journal.add("egress", method="GET", url=head.url.split("?", 1)[0], status=0, problem=str(error) or type(error).__name__)
            self._incoming.fail({"name": "Error", "message": "Network connection lost.", "props": {"retryable": True}})
            return
        journal.add("egress", method="GET", url=head.url.split("?", 1)[0], status=101)
        self._book.outgoing[self.id] = self
        self._incoming.upgrade(
            [(b"upgrade", b"websocket")] + ([(b"sec-websocket-protocol", far.protocol.encode())] if far.protocol else [])
        )
        sender = asyncio.get_running_loop().create_task(self._send(far))
        try:
            await self._receive(far)
            self._to_far.put_nowait(None)
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await sender
        except TimeoutError:
            pass  # the host never answered the far side's Close; the connection ends anyway
        finally:
            sender.cancel()
            if self._overdue is not None:
                self._overdue.cancel()
            self._book.outgoing.pop(self.id, None)
            await far.close()
            self._link.send(_GONE, self.id)

    async def _receive(self, far: Any) -> None:
        while True:
            await self._may_read.wait()
            message = await far.receive()
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                self._link.send(_TEXT if message.type is WSMsgType.TEXT else _BINARY, self.id, message.data)
                self._credit -= len(message.data)
                if self._credit <= 0:
                    self._may_read.clear()
            elif message.type is WSMsgType.CLOSE:
                payload = frames.write_close(message.data or None, message.extra or "")
                self._link.send(_CLOSE, self.id, payload, frames.CLEAN)
                return
            else:
                self._link.send(_CLOSE, self.id, frames.write_close(rules.ABNORMAL, rules.ABNORMAL_REASON))
                return

    async def _send(self, far: Any) -> None:
        while (frame := await self._to_far.get()) is not None:
            if frame.kind == _TEXT:
                await far.send_frame(frame.payload, WSMsgType.TEXT)
            elif frame.kind == _BINARY:
                await far.send_frame(frame.payload, WSMsgType.BINARY)
            elif frame.kind == _CLOSE and not frame.flags & frames.CUT:
                # Not by aiohttp's `close`: it would swallow the far side's own Close, which user code is to hear.
                code, reason = frames.read_close(frame.payload)
                await far.send_frame(b"" if code is None else struct.pack("!H", code) + reason.encode(), WSMsgType.CLOSE)
                self._overdue = asyncio.get_running_loop().call_later(CLOSE_WITHIN_S, lambda: self._link.spawn(far.close()))
                return
            else:
                await far.close()
                return

    def take(self, frame: Frame) -> None:
        """A frame from the host."""
        if frame.kind == _CREDIT:
            self._credit += frames.read_credit(frame.payload)
            if self._credit > 0:
                self._may_read.set()
        elif frame.kind in (_TEXT, _BINARY, _CLOSE):
            self._to_far.put_nowait(frame)

    def host_lost(self) -> None:
        """The task ends with the link's other tasks; nothing more is sent."""
        self._to_far.put_nowait(None)
        self._may_read.set()
