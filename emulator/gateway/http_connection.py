"""One client's HTTP/1.1 connection: bytes become requests, one at a time, in order; httptools (llhttp) does the parsing.

It has no task of its own and none for a request that is answered at once: on this path a task costs more than the request. What a
request means is the Edge's business (http.py). A client that goes away is noticed at once, and so is one that sends faster than its
request is read: then nothing more is read from it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from typing import Protocol

import httptools

from emulator.gateway.journal.entries import MAX_TEXT, ShownBody
from emulator.wire.exchange import Outgoing

MAX_HEAD = 128 * 1024
"""Bytes of a request's first line and headers, as at the platform's edge."""
MAX_AHEAD = 256 * 1024
"""Bytes of a request's body that may wait here for its reader."""
MAX_PIPELINED = 64
LINGER_S = 2.0
"""How long a client may go on sending a body that nobody reads before it is cut: cutting at once would destroy the response."""

_OWN_HEADERS = frozenset((b"connection", b"upgrade", b"http2-settings"))


class RequestHandler(Protocol):
    """Who answers requests (the Edge)."""

    def connected(self, connection: HttpConnection) -> None:
        """A client has connected."""

    def begin(self, request: ClientRequest) -> None:
        """Answer this one, now or later: write to its connection, then call `connection.answered`."""

    def client_gone(self, request: ClientRequest) -> None:
        """The client has left before its request was answered."""

    def disconnected(self, connection: HttpConnection) -> None:
        """The connection is over, or another protocol's."""


class ClientGone(ConnectionError):
    """The client left while its body was being read."""


class RequestBody:
    """A body as it arrives: an async iterator of chunks."""

    __slots__ = ("_chunks", "_connection", "_waiter", "ahead", "beginning", "broken", "finished", "size")

    def __init__(self, connection: HttpConnection) -> None:
        self._connection = connection
        self._chunks: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self.ahead = 0
        self.finished = False
        self.broken = False
        self.size = 0
        self.beginning: list[bytes] = []
        """What the journal shows of it."""

    def feed(self, chunk: bytes) -> None:
        """The client sent more."""
        if self.size < MAX_TEXT:
            self.beginning.append(chunk)
        self.size += len(chunk)
        self._chunks.append(chunk)
        self.ahead += len(chunk)
        self._wake()

    def finish(self, *, broken: bool = False) -> None:
        """The client sent its end, or (`broken`) has gone."""
        self.finished = True
        self.broken = self.broken or broken
        self._wake()

    @property
    def is_whole(self) -> bool:
        """Everything has come."""
        return self.finished and not self.broken

    def whole(self) -> bytes:
        """All of a body that is whole."""
        data = b"".join(self._chunks)
        self._chunks.clear()
        self.ahead = 0
        return data

    def __aiter__(self) -> RequestBody:
        return self

    async def __anext__(self) -> bytes:
        """The next chunk. Raises ClientGone."""
        while not self._chunks:
            if self.broken:
                raise ClientGone("the client left before its body was whole")
            if self.finished:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        chunk = self._chunks.popleft()
        self.ahead -= len(chunk)
        self._connection.body_read(self)
        return chunk

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class ClientRequest:
    """One request. `target` is the request line's, `path` its path and query; `headers` are as sent, `body` is None without one;
    `upgrade` asks for a WebSocket. What answers it, whether the journal has it, and what that shows of the answer, belong to the handler:
    `work`, `exchange`, `noted` and `answered`."""

    __slots__ = (
        "answered",
        "began",
        "body",
        "connection",
        "exchange",
        "headers",
        "keep_alive",
        "method",
        "noted",
        "path",
        "target",
        "upgrade",
        "version",
        "work",
    )

    def __init__(self, connection: HttpConnection, method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        self.connection = connection
        self.method = method
        self.target = target
        # llhttp lets no byte above 0x7f pass.
        self.path = (target if target.startswith(b"/") else _origin_form(target)).decode("ascii")
        self.headers = headers
        self.version = "1.1"
        self.keep_alive = True
        self.upgrade = False
        self.body: RequestBody | None = None
        self.began = time.perf_counter()
        self.work: asyncio.Task[None] | None = None
        self.exchange: Outgoing | None = None
        self.noted = False
        self.answered: ShownBody | None = None

    def header(self, name: bytes) -> bytes:
        """The first value of a header (lower case name), empty when there is none."""
        return next((value for key, value in self.headers if key.lower() == name), b"")


class HttpConnection(asyncio.Protocol):
    """`peer` is the client's address, `paused` says that it does not read what is written to it."""

    __slots__ = (
        "_bad", "_current", "_drained", "_handler", "_headers", "_lingering", "_parser", "_parsing", "_queue", "_reading",
        "_refused", "_tail", "_target", "_unended", "paused", "peer", "transport",
    )  # fmt: skip

    def __init__(self, handler: RequestHandler) -> None:
        self._handler = handler
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[ClientRequest] = deque()
        self._current: ClientRequest | None = None
        self._parsing: ClientRequest | None = None
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._unended = 0
        self._tail: bytes | None = None
        self._bad: int | None = None
        self._refused = False
        self._lingering = False
        self._reading = True
        self._drained: asyncio.Future[None] | None = None
        self.paused = False
        self.peer = b"127.0.0.1"
        self.transport: asyncio.Transport | None = None

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # uvloop's does what asyncio.Transport says without being one
        peer = transport.get_extra_info("peername")
        if peer:
            self.peer = str(peer[0]).encode()
        self._handler.connected(self)

    def data_received(self, data: bytes) -> None:
        if self._tail is not None:
            self._keep_tail(data)
        elif self._bad is None:
            self._parse(data)
        if self._current is None:
            self._next()

    def eof_received(self) -> bool | None:
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self._drained is not None and not self._drained.done():
            self._drained.set_exception(ConnectionResetError("the client has gone"))
            self._drained.exception()
        if self._parsing is not None and self._parsing.body is not None:
            self._parsing.body.finish(broken=True)
        self._queue.clear()
        current, self._current = self._current, None
        if current is not None:
            self._handler.client_gone(current)
        self._handler.disconnected(self)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    # -- parsing

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._after_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._bad = self._bad or 400
            self._break_off()
        # Between `on_message_begin` and the end of the headers nothing else bounds what the parser gathers.
        if self._unended:
            self._unended += len(data)
            if self._unended > MAX_HEAD:
                self._bad = 431
        self._throttle()

    def _break_off(self) -> None:
        """The client broke the protocol within a body: as if it had left, for nobody can tell what it wanted."""
        broken = self._parsing
        if broken is None:
            return
        if broken.body is not None:
            broken.body.finish(broken=True)
        if self._queue and self._queue[-1] is broken:
            self._queue.pop()
        elif broken is self._current and self.transport is not None:
            self._current = None
            self._handler.client_gone(broken)
            self.transport.close()

    def on_message_begin(self) -> None:
        """httptools: a request begins."""
        self._unended = 1
        self._target = b""
        self._headers = []

    def on_url(self, url: bytes) -> None:
        """httptools: (a part of) the request's target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: one header; a folded or repeated one comes as often as it was sent."""
        self._headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """httptools: the head is whole."""
        self._unended = 0
        parser = self._parser
        request = ClientRequest(self, parser.get_method(), self._target, self._headers)
        request.version = parser.get_http_version()
        request.keep_alive = parser.should_keep_alive()
        request.upgrade = parser.should_upgrade()
        if request.version not in ("1.1", "1.0"):
            self._bad = 505
            return
        self._parsing = request
        self._queue.append(request)

    def on_body(self, chunk: bytes) -> None:
        """httptools: a part of the body."""
        request = self._parsing
        if request is not None:
            if request.body is None:
                request.body = RequestBody(self)
            request.body.feed(chunk)

    def on_message_complete(self) -> None:
        """httptools: the request is whole."""
        request, self._parsing = self._parsing, None
        if request is not None and request.body is not None:
            request.body.finish()

    def _after_upgrade(self, tail: bytes) -> None:
        """The parser stops behind a request for another protocol. WebSockets are ours; of others the edge of the platform takes no
        notice (an HTTP/2 client asks for `h2c` with each first request), so the request is read again without its wish."""
        request = self._queue[-1] if self._queue else None
        if request is None or self._bad is not None:
            self._bad = self._bad or 400
        elif request.method == b"GET" and request.header(b"upgrade").lower() == b"websocket":
            self._tail = tail
        elif request.method == b"CONNECT":
            self._queue.pop()
            self._bad = 400
        else:
            self._queue.pop()
            lines = [b"%b %b HTTP/%b\r\n" % (request.method, request.target, request.version.encode())]
            lines += [b"%b: %b\r\n" % pair for pair in request.headers if pair[0].lower() not in _OWN_HEADERS]
            self._parser = httptools.HttpRequestParser(self)
            self._parse(b"".join([*lines, b"\r\n", tail]))

    def _keep_tail(self, data: bytes) -> None:
        """What a client sends behind a handshake that has no answer yet."""
        assert self._tail is not None
        self._tail += data
        if len(self._tail) > MAX_AHEAD:
            self._pause_reading()

    # -- one request after the other

    def _next(self) -> None:
        while self._current is None and not self._lingering and self._queue and self.transport is not None:
            request = self._current = self._queue.popleft()
            if request is self._parsing and request.body is None:
                # Its body is still to come; without one it would have been whole by now.
                request.body = RequestBody(self)
            self._handler.begin(request)
        if self._current is None and not self._lingering and self._bad is not None and self.transport is not None:
            self._refuse(self._bad)

    def _refuse(self, status: int) -> None:
        """Not HTTP as we take it: say so, and look at nothing more. The client gets a moment to read it."""
        words = {400: "Bad Request", 431: "Request Header Fields Too Large", 505: "HTTP Version Not Supported"}[status]
        text = f"{words}\n"
        head = f"HTTP/1.1 {status} {words}\r\ncontent-type: text/plain\r\ncontent-length: {len(text)}\r\nconnection: close\r\n\r\n"
        transport = self.transport
        if transport is not None and not self._refused:
            self._refused = True
            transport.write((head + text).encode())
            transport.write_eof()
            asyncio.get_running_loop().call_later(LINGER_S, transport.close)

    def answered(self, request: ClientRequest, *, keep_alive: bool) -> None:
        """The handler has written the whole response to this request."""
        if request is not self._current:
            return  # the client has gone meanwhile
        self._current = None
        if self.transport is None:
            return
        if request is self._parsing:
            self._lingering = True
            request.work = asyncio.get_running_loop().create_task(self._linger(request, keep_alive))
        elif keep_alive:
            self._go_on()
        else:
            self.transport.close()

    async def _linger(self, request: ClientRequest, keep_alive: bool) -> None:
        """The response is out but the request is not whole: read on, for the client may not look at it before it has sent everything."""
        whole = False
        assert request.body is not None
        with contextlib.suppress(TimeoutError, ClientGone):
            async with asyncio.timeout(LINGER_S):
                async for _ in request.body:
                    pass
                whole = True
        self._lingering = False
        if whole and keep_alive:
            self._go_on()
        elif self.transport is not None:
            self.transport.close()

    def _go_on(self) -> None:
        """The next request, if there is one already."""
        if self._tail is not None and not self._queue:
            # A handshake was refused: what follows is HTTP again.
            tail, self._tail = self._tail, None
            self._parser = httptools.HttpRequestParser(self)
            if tail:
                self._parse(tail)
        self._throttle()
        if self._queue or self._bad is not None:
            self._next()

    def body_read(self, body: RequestBody) -> None:
        """A reader has taken a part of a body."""
        if not self._reading and body.ahead <= MAX_AHEAD // 2:
            self._throttle()

    def _throttle(self) -> None:
        """Read on while what waits here is little."""
        waiting = len(self._queue) > MAX_PIPELINED
        if not waiting:
            ahead = 0
            for request in self._queue:
                ahead += request.body.ahead if request.body is not None else 0
            if self._parsing is not None and self._parsing.body is not None and self._parsing is self._current:
                ahead += self._parsing.body.ahead
            waiting = ahead > MAX_AHEAD
        if waiting:
            self._pause_reading()
        elif not self._reading and self.transport is not None:
            self._reading = True
            self.transport.resume_reading()

    def _pause_reading(self) -> None:
        if self._reading and self.transport is not None:
            self._reading = False
            self.transport.pause_reading()

    # -- for the handler

    async def drained(self) -> None:
        """Wait while the client does not read. Raises ConnectionResetError when it leaves."""
        if self.transport is None:
            raise ConnectionResetError("the client has gone")
        if self.paused:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained

    def take_over(self) -> tuple[asyncio.Transport | None, bytes]:
        """Give the connection to another protocol: its transport (None when the client has gone) and what was read ahead."""
        transport, self.transport, self._current = self.transport, None, None
        tail, self._tail = self._tail or b"", b""
        if transport is not None:
            if not self._reading:
                transport.resume_reading()
            self._handler.disconnected(self)
        return transport, tail


def _origin_form(target: bytes) -> bytes:
    """The path of a request that names a whole URL (as to a proxy) or `*`."""
    _, _, rest = target.partition(b"://")
    slash = rest.find(b"/")
    return rest[slash:] if slash >= 0 else b"/"
