"""Requests that leave this host: user code's `fetch`, the AI binding's calls, the assets binding. All cross the link (design 4.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from emulator.hosts.python.holds import Begun
from emulator.hosts.python.instance import Instance, WayBack, emit
from emulator.hosts.python.owner import Owner, current_owner
from emulator.hosts.python.surface.errors import JsException, js_error, python_error
from emulator.hosts.python.surface.headers import pairs_of
from emulator.hosts.python.surface.promise import JsPromise, as_exception
from emulator.hosts.python.surface.request import JsRequest
from emulator.hosts.python.surface.response import JsResponse
from emulator.hosts.python.surface.websocket import WebSocket
from emulator.wire.exchange import Answer, Body, BodyReader, LinkLost, Outgoing, RemoteError
from emulator.wire.frames import RawHeaders
from emulator.wire.link import Link

if TYPE_CHECKING:
    from emulator.hosts.python.points import Points
    from emulator.hosts.python.sockets import StandardSocket

NETWORK_LOST = "Network connection lost."
URL_HEADER = "x-emu-url"
"""Where a response came from that took a redirect (gateway/egress.py)."""

OBJECT_HEADER = b"x-emu-object"
"""Tells the gateway whose code asks (wire/README.md)."""

_OUTSIDE = (b"egress", b"ai")
"""Targets whose requests leave the project."""


class Sockets(Protocol):
    """Who keeps the host's sockets (sockets.py)."""

    def expect(self, outgoing: Outgoing, socket: WebSocket, owner: Owner | None, url: str, begun: Begun = None) -> StandardSocket:
        """A request of ours asks for an upgrade; what comes is for `socket`."""


def send(link: Link, sockets: Sockets, points: Points, target: bytes, request: JsRequest) -> JsPromise:
    """Send a request of the running code to one of the gateway's services; a promise of the response. One that asks for an upgrade to
    WebSocket and gets it is answered by a response with a `webSocket`.

    It leaves through the output gate, its answer comes back through the input gate, and until the answer's body has ended its owner does
    not hibernate (S-99).
    """
    answer = JsPromise()
    owner = current_owner.get()
    signal = request._signal
    if signal is not None and signal.aborted:
        return JsPromise.rejected(as_exception(signal.reason))
    try:
        body = request.body_source()
    except Exception as error:
        return JsPromise.rejected(python_error(error))
    headers = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in request.headers.pairs()]
    if request.redirect == "manual":
        headers.append((b"x-emu-redirect", b"manual"))
    label = f"{request.method} {request.url.partition('?')[0]}"
    back = WayBack("fetch", label)
    wanted = request.headers.get("upgrade")
    upgrade = isinstance(wanted, str) and wanted.lower() == "websocket"
    if not upgrade:
        headers += _asker(owner)

    def leave() -> None:
        outgoing = link.request(target, request.method.encode(), request.url.encode(), headers, body, upgrade=upgrade)
        standard = sockets.expect(outgoing, WebSocket(), owner, request.url, back.begun) if upgrade else None
        coming = Coming(points if target in _OUTSIDE else None, owner, label, back.begun)
        coming.reached("request")
        outgoing.answer.add_done_callback(lambda _future: back(lambda done: _settle(answer, done, request, coming, standard), outgoing))
        if signal is not None:

            def aborted(_event: Any = None) -> None:
                outgoing.cancel("aborted")
                answer.fail(as_exception(signal.reason))

            signal.addEventListener("abort", aborted)

    emit(leave)
    return answer


def _asker(owner: Owner | None) -> list[tuple[bytes, bytes]]:
    """The header that names the object whose code asks; the Worker has none."""
    if not isinstance(owner, Instance):
        return []
    return [(OBJECT_HEADER, f"{owner.handle.class_name}/{owner.handle.id}".encode())]


class Coming:
    """An answer on its way to `owner`, who asked for it at `begun`. `points` is None when nobody wants to stop there."""

    __slots__ = ("begun", "label", "owner", "points")

    def __init__(self, points: Points | None, owner: Owner | None, label: str, begun: Begun) -> None:
        self.points = points
        self.owner = owner
        self.label = label
        self.begun = begun

    def reached(self, what: str) -> None:
        """`answer` or `chunk`: it is about to reach user code."""
        points = self.points
        if points is not None and points.on:
            points.of_owner(what, self.owner, self.label)

    def body(self, source: bytes | BodyReader) -> bytes | NetworkBody:
        """The answer's body for its reader."""
        if not isinstance(source, BodyReader):
            return source
        return NetworkBody(source, self.owner, f"the body of {self.label}", self.begun, lambda: self.reached("chunk"))


def _settle(answer: JsPromise, outgoing: Outgoing, request: JsRequest, coming: Coming, standard: StandardSocket | None) -> None:
    future = outgoing.answer
    upgraded = not future.cancelled() and future.exception() is None and future.result().upgraded
    if standard is not None and not upgraded:
        standard.end()
    if future.cancelled():
        answer.fail(js_error("AbortError", "The operation was aborted"))
        return
    error = future.exception()
    if error is not None:
        answer.fail(_failure(error))
        return
    got: Answer = future.result()
    coming.reached("answer")
    if standard is not None and upgraded:
        standard.socket.attach(standard)
        answer.settle(JsResponse.received(got.status, pairs_of(got.headers), url=request.url, socket=standard.socket))
        standard.open()
        return
    body = coming.body(got.body)
    headers = pairs_of(got.headers)
    arrived = next((value for name, value in headers if name == URL_HEADER), None)
    if arrived is not None:
        headers = [pair for pair in headers if pair[0] != URL_HEADER]
    # An empty body of a status that may have one is still a body.
    answer.settle(
        JsResponse.received(got.status, headers, body, url=arrived or request.url, status_text=got.reason, redirected=arrived is not None)
    )


class RawExchange:
    """A request of the running code to `egress`, for a library that speaks HTTP itself (network/peer.py): the same gates, no redirects
    followed, nothing converted. `answer` fails with ConnectionError."""

    def __init__(self, link: Link, points: Points, method: bytes, url: bytes, headers: RawHeaders, body: Body) -> None:
        self.answer: asyncio.Future[RawAnswer] = asyncio.get_running_loop().create_future()
        self._outgoing: Outgoing | None = None
        self._given_up = False
        label = f"{method.decode('latin-1')} {url.partition(b'?')[0].decode('latin-1')}"
        self._back = WayBack("fetch", label)
        owner = current_owner.get()
        self._coming = Coming(points, owner, label, self._back.begun)
        emit(lambda: self._leave(link, method, url, [*headers, (b"x-emu-redirect", b"manual"), *_asker(owner)], body))

    def _leave(self, link: Link, method: bytes, url: bytes, headers: RawHeaders, body: Body) -> None:
        if self._given_up:
            self._back(_nothing, None)
            return
        self._outgoing = outgoing = link.request(b"egress", method, url, headers, body)
        self._coming.reached("request")
        outgoing.answer.add_done_callback(lambda _future: self._back(self._settle, outgoing))

    def _settle(self, outgoing: Outgoing) -> None:
        if self.answer.done():
            return
        if outgoing.answer.cancelled():
            self.answer.set_exception(ConnectionAbortedError("the request was given up"))
        elif (error := outgoing.answer.exception()) is not None:
            self.answer.set_exception(ConnectionAbortedError(_failure(error).message))
        else:
            got: Answer = outgoing.answer.result()
            self._coming.reached("answer")
            body = self._coming.body(got.body)
            self.answer.set_result(RawAnswer(got, body))
            return
        # Whoever waits hears it; when nobody does (a library gave up first), it is no news.
        self.answer.exception()

    def cancel(self) -> None:
        """Nobody waits for the answer, or reads the rest of it."""
        self._given_up = True
        if self._outgoing is not None:
            self._outgoing.cancel("aborted")


class RawAnswer:
    """Status, headers and body as they crossed the link."""

    def __init__(self, answer: Answer, body: bytes | NetworkBody) -> None:
        self.status = answer.status
        self.reason = answer.reason.encode("latin-1", "replace")
        self.headers = answer.headers
        self.body = RawBody(body) if isinstance(body, NetworkBody) else body


class RawBody:
    """A body whose breaking off is a ConnectionError."""

    def __init__(self, body: NetworkBody) -> None:
        self._body = body

    async def read(self) -> bytes | None:
        """The next chunk, None at the end."""
        try:
            return await self._body.read()
        except JsException as error:
            raise ConnectionResetError(error.message) from None

    def drop(self) -> None:
        """Nobody reads the rest."""
        self._body.drop()


def _nothing(_value: Any) -> None:
    """A request that was given up before it left has no answer."""


def _failure(error: BaseException) -> JsException:
    if isinstance(error, RemoteError):
        fields = error.fields
        return js_error(fields.get("name") or "Error", fields.get("message") or NETWORK_LOST, **(fields.get("props") or {}))
    if isinstance(error, LinkLost):
        return js_error("Error", NETWORK_LOST, retryable=True)
    return python_error(error) if isinstance(error, Exception) else js_error("Error", NETWORK_LOST)


class NetworkBody:
    """A response body on its way in; keeps its owner awake until it ends or is cancelled."""

    def __init__(
        self,
        reader: BodyReader,
        owner: Owner | None,
        text: str,
        begun: Begun = None,
        arrived: Callable[[], None] | None = None,
    ) -> None:
        """`text` says what it is, `begun` is where it was asked for; `arrived` is called before a chunk is handed out."""
        self._reader = reader
        self._owner = owner
        self._arrived = arrived
        self._hold = None if owner is None else owner.hold("body", text, begun)

    async def read(self) -> bytes | None:
        """The next chunk, None at the end."""
        try:
            chunk = await self._reader.read()
        except ConnectionError:
            self._release()
            raise js_error("Error", NETWORK_LOST) from None
        if chunk is None:
            self._release()
        elif self._arrived is not None:
            self._arrived()
        return chunk

    async def cancel(self, _reason: Any = None) -> None:
        """Nobody reads the rest: the sender is told."""
        self.drop()

    def drop(self) -> None:
        """`cancel` for code that cannot wait."""
        self._reader.cancel()
        self._release()

    def __del__(self) -> None:
        # A response whose body nobody reads must not keep its owner awake, nor the sender sending.
        self.drop()

    def _release(self) -> None:
        owner, self._owner = self._owner, None
        if owner is not None and self._hold is not None and not owner.dead:
            owner.release(self._hold)
