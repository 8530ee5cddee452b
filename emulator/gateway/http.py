"""The edge: HTTP from clients to the Worker's `fetch` and back (design 4.3; flow "HTTP request" in emulator/README.md).

aiohttp parses requests and keeps connections; everything after that is bytes: header lines go to the host as they came and the
response is written as the host sent it, in order and with repetitions, a chunk of a stream as one chunk. A client that goes away is
noticed at once (the handler is cancelled) and the host hears of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.web_request import BaseRequest

from emulator.core import routing
from emulator.core.routing import AssetRules, Attributor
from emulator.gateway import error_page, rfc6455
from emulator.gateway.dispatcher import Dispatcher, NoHost, Overloaded
from emulator.gateway.exchange import Request as ServiceRequest
from emulator.gateway.exchange import Response
from emulator.gateway.journal import Journal
from emulator.gateway.sockets import SocketBook
from emulator.wire.exchange import Answer, BodyBroken, BodyReader, LinkLost, Outgoing, RemoteError

CLIENT_GONE = "The client has disconnected"
"""The message of `request.signal`'s reason (durable-objects.md 7)."""

# Of one connection only, so neither side's business; and what only the runtime itself may set, because the SDKs trust it.
_NOT_TO_HOST = frozenset(
    b"connection keep-alive proxy-connection te trailer transfer-encoding expect"
    b" cf-connecting-ip x-agents-lifecycle-props x-cf-agents-subagent-url".split()
)
_NOT_TO_CLIENT = frozenset((b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"content-length"))
_NOT_IN_HANDSHAKE = _NOT_TO_CLIENT | {b"sec-websocket-accept", b"sec-websocket-extensions"}

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus if status.value >= 200}

EdgeAssets = Callable[[ServiceRequest], Awaitable[Response | None]]
Reserved = Callable[[BaseRequest], Awaitable[web.StreamResponse]]


class _Written:
    """What a handler gives aiohttp when it has written the response itself."""

    def __init__(self, keep_alive: bool) -> None:
        self.keep_alive = keep_alive

    async def prepare(self, request: BaseRequest) -> None:
        """Nothing is left to do."""

    async def write_eof(self) -> None:
        """Nothing is left to do."""


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
        asset_rules: AssetRules | None = None,
    ) -> None:
        """`reserved` answers the emulator's own paths. `assets` answers before the Worker, unless `asset_rules` say otherwise; None
        from it is a miss, which the Worker answers. `address` is the Host for clients that send none."""
        self._dispatcher = dispatcher
        self._book = book
        self._journal = journal
        self._reserved = reserved
        self.attributor = attributor
        self.assets = assets
        self.asset_rules = asset_rules
        self._address = address.encode()

    def server(self) -> web.Server:
        """aiohttp's protocol factory. Limits are those of the platform's edge: 128 KiB of headers."""
        return web.Server(
            self.handle,
            handler_cancellation=True,
            access_log=None,
            auto_decompress=False,
            max_line_size=65536,
            max_field_size=65536,
            max_headers=512,
            lingering_time=2.0,
        )

    async def handle(self, request: BaseRequest) -> Any:
        """One request."""
        path = request.raw_path
        if not path.startswith("/"):
            path = _origin_form(request)
        if path.startswith("/cdn-cgi/") and routing.is_reserved(path.split("?", 1)[0]):
            return await self._reserved(request)
        began = time.perf_counter()
        status = 0
        try:
            status, done = await self._answer(request, path)
        finally:
            self._log(request.method, path, status, time.perf_counter() - began)
        return done

    def _log(self, method: str, path: str, status: int, seconds: float) -> None:
        """`status` 0: the client went away before there was one."""
        subject = self._subject(path)
        about = {"object": subject} if subject else {}
        self._journal.add("request", method=method, path=path.split("?", 1)[0], status=status, ms=round(seconds * 1000, 2), **about)

    def _subject(self, path: str) -> dict[str, str] | None:
        """The agent that a path names, as the journal says it."""
        target = self.attributor.of(path)
        return {"class": target.agent, "name": target.name} if target else None

    # -- to the host

    async def _answer(self, request: BaseRequest, path: str) -> tuple[int, _Written]:
        headers, host, upgrade, expects = self._request_headers(request)
        url = b"http://" + host + path.encode("utf-8", "surrogateescape")
        if self.assets is not None and not upgrade and request.method in ("GET", "HEAD"):
            found = await self._try_assets(request, path, url)
            if found is not None:
                return found
        if expects:
            request.writer.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")  # type: ignore[union-attr]
        exchange: Outgoing | None = None
        try:
            exchange = await self._dispatcher.request(b"worker", request.method.encode(), url, headers, _body(request), upgrade=upgrade)
            answer: Answer = await exchange.answer
            if answer.upgraded:
                return 101, self._upgrade(request, exchange, answer)
            if upgrade:
                self._book.refuse(answer.id)
            return answer.status, await self._respond(request, answer.status, answer.reason, answer.headers, answer.body)
        except asyncio.CancelledError:
            if exchange is not None:
                exchange.cancel(CLIENT_GONE)
                if upgrade:
                    self._book.abandon(exchange)
            raise
        except (RemoteError, LinkLost, NoHost, Overloaded) as error:
            if upgrade and exchange is not None:
                self._book.refuse(exchange.id)
            return await self._failed(request, path, error)
        finally:
            # The response is over; nobody passes on what the client may still be sending.
            if exchange is not None:
                exchange.break_body(CLIENT_GONE)

    def _request_headers(self, request: BaseRequest) -> tuple[list[tuple[bytes, bytes]], bytes, bool, bool]:
        """Header lines for the host, the Host, whether a WebSocket is asked for, whether the client waits for `100 Continue`."""
        headers = []
        host, upgrade, expects = self._address, False, False
        for pair in request.raw_headers:
            name = pair[0].lower()
            if name in _NOT_TO_HOST:
                expects = expects or (name == b"expect" and pair[1].lower() == b"100-continue")
                continue
            if name == b"host":
                host = pair[1] or host
            elif name == b"upgrade":
                upgrade = pair[1].lower() == b"websocket" and request.method == "GET"
            headers.append(pair)
        headers.append((b"cf-connecting-ip", (request.remote or "127.0.0.1").encode()))
        return headers, host, upgrade, expects

    # -- to the client

    def _upgrade(self, request: BaseRequest, exchange: Outgoing, answer: Answer) -> _Written:
        """Complete the handshake and take the connection away from aiohttp."""
        socket = self._book.sockets.get(answer.id)
        transport = request.transport
        key = request.headers.get("Sec-WebSocket-Key", "").encode()
        if socket is None or transport is None:
            self._book.abandon(exchange)
            return _Written(False)
        lines = [b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: "]
        lines += [rfc6455.accept_key(key), b"\r\n"]
        for name, value in answer.headers:
            if name.lower() not in _NOT_IN_HANDSHAKE:
                lines += [name, b": ", value, b"\r\n"]
        lines.append(b"\r\n")
        protocol, tail = request.protocol, _Tail()
        protocol.set_parser(tail)  # type: ignore[arg-type]
        protocol.transport = None
        protocol.connection_lost(None)
        if tail.paused_by(protocol):
            transport.resume_reading()
        socket.open(transport, b"".join(lines), b"".join(tail.data))
        self._journal.add("socket.open", socket=socket.id, url=socket.url.split("?", 1)[0])
        return _Written(True)

    async def _respond(
        self,
        request: BaseRequest,
        status: int,
        reason: str,
        headers: list[tuple[bytes, bytes]],
        body: bytes | BodyReader | AsyncIterator[bytes],
    ) -> _Written:
        transport = request.transport
        keep_alive = request.keep_alive
        if transport is None or transport.is_closing():
            await _close(body)
            return _Written(False)
        line = _STATUS_LINES.get(status)
        if line is None or reason not in line.decode():
            line = f"HTTP/1.1 {status} {reason}\r\n".encode("latin-1", "replace")
        out = [line]
        announced: int | None = None
        for name, value in headers:
            lower = name.lower()
            if lower not in _NOT_TO_CLIENT:
                out += (name, b": ", value, b"\r\n")
            elif lower == b"content-length" and value.isdigit():
                announced = int(value)
        if not keep_alive:
            out.append(b"connection: close\r\n")
        elif request.version < (1, 1):
            out.append(b"connection: keep-alive\r\n")
        bodiless = status == 204 or status == 304 or request.method == "HEAD"
        if isinstance(body, bytes):
            if request.method == "HEAD" or status == 304:
                if announced is not None or body:
                    out.append(b"content-length: %d\r\n" % (len(body) if announced is None else announced))
            elif status != 204:
                out.append(b"content-length: %d\r\n" % len(body))
            out.append(b"\r\n")
            if not bodiless:
                out.append(body)
            transport.write(b"".join(out))
            await _drained(request)
            return _Written(keep_alive)
        if bodiless:
            if announced is not None and status != 204:
                out.append(b"content-length: %d\r\n" % announced)
            out.append(b"\r\n")
            transport.write(b"".join(out))
            await _close(body)
            return _Written(keep_alive)
        chunked = announced is None and request.version >= (1, 1)
        if announced is not None:
            out.append(b"content-length: %d\r\n" % announced)
        elif chunked:
            out.append(b"transfer-encoding: chunked\r\n")
        out.append(b"\r\n")
        transport.write(b"".join(out))
        whole = await self._stream(request, transport, body, announced, chunked)
        return _Written(keep_alive and whole and (chunked or announced is not None))

    async def _stream(
        self,
        request: BaseRequest,
        transport: asyncio.Transport,
        body: BodyReader | AsyncIterator[bytes],
        announced: int | None,
        chunked: bool,
    ) -> bool:
        """Write a body as it comes. Gives whether it came whole; when not, the connection is closed short of its end, because that is
        how HTTP tells the client."""
        sent = 0
        try:
            async for chunk in body:
                sent += len(chunk)
                if announced is not None and sent > announced:
                    raise BodyBroken("the response is longer than its content-length")
                transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
                await _drained(request)
        except asyncio.CancelledError:
            await _close(body)
            raise
        except ConnectionError as error:
            await _close(body)
            if request.transport is not None:
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

    async def _failed(self, request: BaseRequest, path: str, error: Exception) -> tuple[int, _Written]:
        """No response from the Worker."""
        if isinstance(error, RemoteError):
            status, text = 500, error_page.render(error.fields)
            if not error.fields.get("shown"):
                about = error.fields.get("object") or self._subject(path)
                self._journal.add("exception", where="fetch", error=error.fields, object=about)
        elif isinstance(error, NoHost):
            status, text = 503, error_page.not_loaded(error.error)
        elif isinstance(error, Overloaded):
            status, text = 503, f"{error}\n".encode()
        else:
            status, text = 500, f"Error: {error}\n".encode()
        headers = [(b"content-type", error_page.CONTENT_TYPE), (b"cache-control", b"no-store")]
        return status, await self._respond(request, status, HTTPStatus(status).phrase, headers, text)

    async def _try_assets(self, request: BaseRequest, path: str, url: bytes) -> tuple[int, _Written] | None:
        assert self.assets is not None
        if self.asset_rules is not None and self.asset_rules.worker_first(path.split("?", 1)[0]):
            return None
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers]
        response = await self.assets(ServiceRequest(request.method, url.decode("latin-1"), headers))
        if response is None:
            return None
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
        reason = HTTPStatus(response.status).phrase
        return response.status, await self._respond(request, response.status, reason, raw, response.body)


class _Tail:
    """Takes what a client sent behind its handshake, in the place of a parser."""

    def __init__(self) -> None:
        self.data: list[bytes] = []

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Bytes that were waiting."""
        self.data.append(data)
        return False, b""

    def feed_eof(self) -> None:
        """aiohttp lets go of the connection."""

    def paused_by(self, protocol: Any) -> bool:
        """Whether aiohttp had stopped reading for lack of room."""
        return bool(protocol._reading_paused or protocol._buffer_paused)


def _body(request: BaseRequest) -> bytes | AsyncIterator[bytes] | None:
    """The request's body: bytes when it is here already, else chunks as they arrive, None when there is none."""
    if not request.body_exists:
        return None
    content = request.content
    if content.is_eof():
        return content.read_nowait()
    return _chunks(content)


async def _chunks(content: Any) -> AsyncIterator[bytes]:
    while chunk := await content.readany():
        yield chunk


async def _drained(request: BaseRequest) -> None:
    if request.protocol.writing_paused:
        await request.writer.drain()


async def _close(body: Any) -> None:
    close = getattr(body, "aclose", None)
    if close is not None:
        await close()


def _origin_form(request: BaseRequest) -> str:
    """The path of a request that names a whole URL (as to a proxy) or `*`."""
    _, _, rest = request.raw_path.partition("://")
    slash = rest.find("/")
    return rest[slash:] if slash >= 0 else "/"
