"""The edge: HTTP from clients to the Worker's `fetch` and back (design 4.3; flow "HTTP request" in emulator/README.md).

Everything is bytes: header lines go to the host as they came and the response is written as the host sent it, in order and with
repetitions, a chunk of a stream as one chunk. A client that goes away is noticed at once and the host hears of it. What can be answered
without waiting for anything but the host takes no task: `begin`, then `_answered`. The rest is `_serve`, a coroutine.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from http import HTTPStatus
from typing import Any, Protocol

from emulator.core import routing
from emulator.core.routing import Attributor
from emulator.gateway import content_coding, error_page, rfc6455
from emulator.gateway.dispatcher import Dispatcher, NoHost, Overloaded
from emulator.gateway.exchange import Request as ServiceRequest
from emulator.gateway.exchange import Response
from emulator.gateway.http_connection import ClientRequest, HttpConnection
from emulator.gateway.journal import Journal
from emulator.gateway.journal.entries import MAX_TEXT, ShownBody
from emulator.gateway.sockets import SocketBook
from emulator.wire.exchange import Answer, Body, BodyBroken, BodyReader, Outgoing, RemoteError
from emulator.wire.frames import RawHeaders

CLIENT_GONE = "The client has disconnected"
"""The message of `request.signal`'s reason (durable-objects.md 7)."""

# Of one connection only, so neither side's business; and what only the runtime itself may set, because the SDKs trust it.
_NOT_TO_HOST = frozenset(
    b"connection keep-alive proxy-connection te trailer transfer-encoding expect"
    b" cf-connecting-ip x-agents-lifecycle-props x-cf-agents-subagent-url".split()
)
_NOT_TO_CLIENT = frozenset((b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"content-length"))
_NOT_IN_HANDSHAKE = _NOT_TO_CLIENT | {b"sec-websocket-accept", b"sec-websocket-extensions"}

_NOT_TO_RESERVED = frozenset(b"connection keep-alive transfer-encoding content-length expect upgrade".split())
MAX_RESERVED_BODY = 5 * 1024 * 1024
"""Bytes of a body for the emulator's own paths, which refuse less than that."""

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus if status.value >= 200}

Reserved = Callable[[], Awaitable[asyncio.BaseProtocol]]
"""Makes the protocol that answers on a connection of the emulator's own paths."""

_NOBODY = contextvars.Context()
"""Answering is nobody's code."""


class EdgeAssets(Protocol):
    """What may answer in front of the Worker."""

    def is_workers(self, path: str) -> bool:
        """Whether the Worker runs first for this path (query and all), so that there is nothing to ask."""

    async def at_edge(self, request: ServiceRequest) -> Response | None:
        """The answer, or None when the Worker shall answer. The request comes without its body."""


class HotSockets(Protocol):
    """Whose WebSockets are carried past the Worker: the project's Vite, for hot module reload."""

    def takes(self, protocol: bytes) -> bool:
        """Whether a handshake with this `Sec-WebSocket-Protocol` is for it."""

    async def join(self, transport: asyncio.Transport, sent: bytes) -> None:
        """Take a connection, and what was read from it already."""


class Edge:
    """Answers every request on the public port."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        book: SocketBook,
        journal: Journal,
        *,
        reserved: Reserved,
        attributor: Attributor,
        address: str,
        assets: EdgeAssets | None = None,
        hot: HotSockets | None = None,
    ) -> None:
        """`reserved` answers the emulator's own paths. `address` is the Host for clients that send none."""
        self._dispatcher = dispatcher
        self._book = book
        self._journal = journal
        self.attributor = attributor
        self._assets = assets
        self._hot = hot
        self._address = address.encode()
        self._connections: set[HttpConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._reserved = reserved

    def connection(self) -> HttpConnection:
        """A protocol for a new connection."""
        return HttpConnection(self)

    def close(self) -> None:
        """Cut what is still connected."""
        for connection in tuple(self._connections):
            if connection.transport is not None:
                connection.transport.close()

    # -- connections (RequestHandler of http_connection.py)

    def connected(self, connection: HttpConnection) -> None:
        self._connections.add(connection)

    def disconnected(self, connection: HttpConnection) -> None:
        self._connections.discard(connection)

    def begin(self, request: ClientRequest) -> None:
        path = request.path
        if path.startswith("/cdn-cgi/") and routing.is_reserved(path.split("?", 1)[0]):
            self._spawn(request, self._hand_over(request))
        elif self._hot is not None and request.upgrade and self._hot.takes(request.header(b"sec-websocket-protocol")):
            self._spawn(request, self._pass_on(request, self._hot))
        elif self._dispatcher.link is None or (self._assets is not None and not self._assets.is_workers(path)):
            self._spawn(request, self._serve(request))
        else:
            self._await_answer(request, self._dispatcher.request_now(*self._to_host(request), upgrade=request.upgrade))

    def client_gone(self, request: ClientRequest) -> None:
        if request.work is not None:
            request.work.cancel()
        exchange = request.exchange
        if exchange is not None:
            exchange.cancel(CLIENT_GONE)
            if request.upgrade:
                self._book.abandon(exchange)
        self._log(request, 0)

    # -- one request

    def _spawn(self, request: ClientRequest, work: Coroutine[Any, Any, None]) -> None:
        task = request.work = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(lambda ended: self._ended(request, ended))

    def _ended(self, request: ClientRequest, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is None or isinstance(error, ConnectionError):
            return
        # Nobody knows what was written already: the client hears that this is not the end, and does not wait.
        self._journal.add("internal", text=f"{request.method.decode()} {request.path}: {type(error).__name__}: {error}")
        if request.connection.transport is not None:
            request.connection.transport.close()

    async def _serve(self, request: ClientRequest) -> None:
        """A request that an asset may answer, or that waits for a host."""
        if self._assets is not None and not self._assets.is_workers(request.path):
            found = await self._try(self._assets, request)
            if found is not None:
                await self._respond(request, *found)
                return
        try:
            exchange = await self._dispatcher.request(*self._to_host(request), upgrade=request.upgrade)
        except (NoHost, Overloaded) as error:
            await self._fail(request, error)
            return
        self._await_answer(request, exchange)

    def _to_host(self, request: ClientRequest) -> tuple[bytes, bytes, bytes, list[tuple[bytes, bytes]], Body]:
        """What the host gets of a request: target, method, url, header lines, body."""
        headers = []
        host, expects = self._address, False
        for pair in request.headers:
            name = pair[0].lower()
            if name in _NOT_TO_HOST:
                expects = expects or (name == b"expect" and pair[1].lower() == b"100-continue")
                continue
            if name == b"host" and pair[1]:
                host = pair[1]
            headers.append(pair)
        headers.append((b"cf-connecting-ip", request.connection.peer))
        body = request.body
        if expects and body is not None and not body.finished and request.connection.transport is not None:
            request.connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        url = b"http://" + host + request.path.encode()
        return b"worker", request.method, url, headers, body.whole() if body is not None and body.is_whole else body

    def _await_answer(self, request: ClientRequest, exchange: Outgoing) -> None:
        request.exchange = exchange
        exchange.answer.add_done_callback(lambda answer: self._answered(request, exchange, answer), context=_NOBODY)

    def _answered(self, request: ClientRequest, exchange: Outgoing, future: asyncio.Future[Any]) -> None:
        if future.cancelled() or request.connection.transport is None:
            return  # the client has gone, and everybody knows
        error = future.exception()
        if error is None:
            answer: Answer = future.result()
            if answer.upgraded:
                self._upgrade(request, exchange, answer)
                return
            if request.upgrade:
                self._book.refuse(answer.id)
            headers: RawHeaders = answer.headers
            body: bytes | AsyncIterator[bytes] = answer.body
            request.answered = ShownBody(headers, [body[:MAX_TEXT]], len(body)) if isinstance(body, bytes) else ShownBody(headers)
            packer = None if answer.encoded or not body else content_coding.encoder(headers)
            if packer is not None:
                headers = [(name, value) for name, value in headers if name.lower() != b"content-length"]
                if isinstance(body, bytes):
                    body = packer.feed(body) + packer.finish()
                else:
                    body = content_coding.packed(_shown(body, request.answered), packer)
            if isinstance(body, bytes) and not request.connection.paused:
                self._done(request, answer.status, self._write_whole(request, answer.status, answer.reason, headers, body))
            else:
                known = request.answered if packer is None else None
                self._spawn(request, self._respond(request, answer.status, answer.reason, headers, body, known))
        else:
            if request.upgrade:
                self._book.refuse(exchange.id)
            self._spawn(request, self._fail(request, error))

    def _done(self, request: ClientRequest, status: int, keep_alive: bool) -> None:
        """The response is written, as far as it will be."""
        if request.exchange is not None:
            # Nobody passes on what the client may still be sending.
            request.exchange.break_body(CLIENT_GONE)
        if request.connection.transport is not None or status == 101:
            self._log(request, status)
        request.connection.answered(request, keep_alive=keep_alive)

    async def _hand_over(self, request: ClientRequest) -> None:
        """One of the emulator's own paths: own_paths.py answers, on this connection, which ends with it."""
        body = b""
        if request.body is not None:
            chunks = []
            async for chunk in request.body:
                chunks.append(chunk)
                if sum(map(len, chunks)) > MAX_RESERVED_BODY:
                    break  # a little too much is what the handler refuses
            body = b"".join(chunks)
        handler: Any = await self._reserved()
        transport, _ = request.connection.take_over()
        if transport is None:
            return
        lines = [b"%b %b HTTP/1.1\r\n" % (request.method, request.target)]
        lines += [b"%b: %b\r\n" % pair for pair in request.headers if pair[0].lower() not in _NOT_TO_RESERVED]
        lines.append(b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body))
        transport.set_protocol(handler)
        handler.connection_made(transport)
        handler.data_received(b"".join([*lines, body]))

    async def _pass_on(self, request: ClientRequest, hot: HotSockets) -> None:
        """A WebSocket that is not the Worker's."""
        transport, tail = request.connection.take_over()
        if transport is not None:
            lines = [b"%b %b HTTP/1.1\r\n" % (request.method, request.target), *(b"%b: %b\r\n" % pair for pair in request.headers)]
            await hot.join(transport, b"".join([*lines, b"\r\n", tail]))

    def _log(self, request: ClientRequest, status: int) -> None:
        """`status` 0: the client went away before there was one."""
        if request.noted:
            return
        body = request.body
        asked = ShownBody(request.headers, body.beginning, body.size) if body is not None else None
        seconds = time.perf_counter() - request.began
        self._journal.request(request.method, request.path, status, seconds, self._subject, asked, request.answered)

    def _subject(self, path: str) -> dict[str, str] | None:
        """The agent that a path names, as the journal says it."""
        target = self.attributor.of(path)
        return {"class": target.agent, "name": target.name} if target else None

    # -- to the client

    def _upgrade(self, request: ClientRequest, exchange: Outgoing, answer: Answer) -> None:
        """Complete the handshake and give the connection to its WebSocket."""
        socket = self._book.sockets.get(answer.id)
        if socket is None:
            self._book.abandon(exchange)
            self._done(request, 500, False)
            return
        lines = [b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: "]
        lines += [rfc6455.accept_key(request.header(b"sec-websocket-key")), b"\r\n"]
        for name, value in answer.headers:
            if name.lower() not in _NOT_IN_HANDSHAKE:
                lines += [name, b": ", value, b"\r\n"]
        lines.append(b"\r\n")
        transport, tail = request.connection.take_over()
        assert transport is not None  # _answered looked
        url, _, query = socket.url.partition("?")
        subject = self._subject(request.path)
        protocols = request.header(b"sec-websocket-protocol").decode("latin-1")
        self._journal.add(
            "socket.open",
            socket=socket.id,
            url=url,
            **({"query": query} if query else {}),
            **({"protocols": protocols} if protocols else {}),
            **({"object": subject} if subject else {}),
        )
        socket.open(transport, b"".join(lines), tail)
        self._done(request, 101, True)

    def _head(self, request: ClientRequest, status: int, reason: str, headers: RawHeaders) -> tuple[list[bytes], int | None]:
        """The response's first lines, and the length that the Worker announced."""
        line = _STATUS_LINES.get(status)
        if line is None or (reason and reason not in line.decode()):
            line = f"HTTP/1.1 {status} {reason}\r\n".encode("latin-1", "replace")
        out = [line]
        announced: int | None = None
        for name, value in headers:
            lower = name.lower()
            if lower not in _NOT_TO_CLIENT:
                out += (name, b": ", value, b"\r\n")
            elif lower == b"content-length" and value.isdigit():
                announced = int(value)
        if not request.keep_alive:
            out.append(b"connection: close\r\n")
        elif request.version == "1.0":
            out.append(b"connection: keep-alive\r\n")
        return out, announced

    def _write_whole(self, request: ClientRequest, status: int, reason: str, headers: RawHeaders, body: bytes) -> bool:
        """A response that is here already; gives whether the connection goes on."""
        out, announced = self._head(request, status, reason, headers)
        if request.method == b"HEAD" or status == 304:
            if announced is not None or body:
                out.append(b"content-length: %d\r\n\r\n" % (len(body) if announced is None else announced))
            else:
                out.append(b"\r\n")
        elif status == 204:
            out.append(b"\r\n")
        else:
            out += (b"content-length: %d\r\n\r\n" % len(body), body)
        if request.connection.transport is not None:
            request.connection.transport.write(b"".join(out))
        return request.keep_alive

    async def _respond(
        self,
        request: ClientRequest,
        status: int,
        reason: str,
        headers: RawHeaders,
        body: bytes | BodyReader | AsyncIterator[bytes],
        known: ShownBody | None = None,
    ) -> None:
        """Write a response as it comes, as fast as the client reads; `known` gets to know a streamed one."""
        connection = request.connection
        transport = connection.transport
        if transport is None:
            await _close(body)
            return
        if isinstance(body, bytes):
            keep_alive = self._write_whole(request, status, reason, headers, body)
            await connection.drained()
            self._done(request, status, keep_alive)
            return
        out, announced = self._head(request, status, reason, headers)
        if status == 204 or status == 304 or request.method == b"HEAD":
            if announced is not None and status != 204:
                out.append(b"content-length: %d\r\n" % announced)
            out.append(b"\r\n")
            transport.write(b"".join(out))
            await _close(body)
            self._done(request, status, request.keep_alive)
            return
        chunked = announced is None and request.version == "1.1"
        if announced is not None:
            out.append(b"content-length: %d\r\n" % announced)
        elif chunked:
            out.append(b"transfer-encoding: chunked\r\n")
        out.append(b"\r\n")
        transport.write(b"".join(out))
        whole = await self._stream(connection, transport, body, announced, chunked, known)
        self._done(request, status, request.keep_alive and whole and (chunked or announced is not None))

    async def _stream(
        self,
        connection: HttpConnection,
        transport: asyncio.Transport,
        body: BodyReader | AsyncIterator[bytes],
        announced: int | None,
        chunked: bool,
        known: ShownBody | None,
    ) -> bool:
        """Write a body as it comes. Gives whether it came whole; when not, the connection is closed short of its end, because that is
        how HTTP tells the client."""
        sent = 0
        try:
            async for chunk in body:
                sent += len(chunk)
                if known is not None:
                    known.passed(chunk)
                if announced is not None and sent > announced:
                    raise BodyBroken("the response is longer than its content-length")
                transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
                if connection.paused:
                    await connection.drained()
        except asyncio.CancelledError:
            await _close(body)
            raise
        except ConnectionError as error:
            await _close(body)
            if connection.transport is not None:
                self._journal.add("response.broken", text=str(error))
                # Without a length or chunks only a reset tells the client that this is not the end.
                (transport.close if chunked or announced is not None else transport.abort)()
            return False
        if announced is not None and sent < announced:
            transport.close()
            return False
        if chunked:
            transport.write(b"0\r\n\r\n")
        return True

    async def _fail(self, request: ClientRequest, error: BaseException) -> None:
        """No response from the Worker."""
        if isinstance(error, RemoteError):
            status, text = 500, error_page.render(error.fields)
            if not error.fields.get("shown"):
                about = error.fields.get("object") or self._subject(request.path)
                self._journal.add("exception", where="fetch", error=error.fields, object=about)
        elif isinstance(error, NoHost):
            status, text = 503, error_page.not_loaded(error.error)
        elif isinstance(error, Overloaded):
            status, text = 503, f"{error}\n".encode()
        else:
            status, text = 500, f"Error: {error}\n".encode()
        headers = [(b"content-type", error_page.CONTENT_TYPE), (b"cache-control", b"no-store")]
        await self._respond(request, status, HTTPStatus(status).phrase, headers, text)

    async def _try(
        self, assets: EdgeAssets, request: ClientRequest
    ) -> tuple[int, str, list[tuple[bytes, bytes]], bytes | AsyncIterator[bytes]] | None:
        """What an asset answers: status, reason, headers, body."""
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers]
        host = request.header(b"host") or self._address
        response = await assets.at_edge(ServiceRequest(request.method.decode(), f"http://{host.decode('latin-1')}{request.path}", headers))
        if response is None:
            return None
        request.noted = response.noted
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
        return response.status, HTTPStatus(response.status).phrase, raw, response.body


async def _shown(body: AsyncIterator[bytes], known: ShownBody) -> AsyncIterator[bytes]:
    """A body as it comes, of which `known` gets to know."""
    try:
        async for chunk in body:
            known.passed(chunk)
            yield chunk
    finally:
        await _close(body)


async def _close(body: Any) -> None:
    close = getattr(body, "aclose", None)
    if close is not None:
        await close()
