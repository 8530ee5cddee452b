"""Client sockets inside the host: which object's they are, and the road of each frame to its handler (durable-objects.md 5).

A socket accepted for hibernation is a `SocketRecord` of its object's handle: it outlives instances, and its frames construct one. A
socket accepted the standard way lives and dies with the code that holds it. The gateway owns the connections of both.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
from typing import TYPE_CHECKING, Any, Protocol

from emulator.core import sockets as rules
from emulator.hosts.python.dispatch import Dispatcher
from emulator.hosts.python.holds import Begun
from emulator.hosts.python.instance import Instance, Turn
from emulator.hosts.python.owner import Owner, current_owner, current_section
from emulator.hosts.python.points import LABEL_LIMIT, Points
from emulator.hosts.python.surface.errors import JsException, js_error
from emulator.hosts.python.surface.response import JsResponse
from emulator.hosts.python.surface.websocket import WebSocket
from emulator.wire import frames
from emulator.wire.exchange import Answer, Incoming, Outgoing
from emulator.wire.frames import Frame, Kind
from emulator.wire.link import Link

if TYPE_CHECKING:
    from emulator.hosts.python.objects import ObjectHandle, ObjectTable

_TEXT, _BINARY, _CLOSE, _FAULT = int(Kind.TEXT), int(Kind.BINARY), int(Kind.CLOSE), int(Kind.FAULT)
_ANSWERED, _GONE, _CREDIT, _ATTACHMENT = int(Kind.ANSWERED), int(Kind.GONE), int(Kind.CREDIT), int(Kind.ATTACHMENT)


class SocketWorld(Protocol):
    """What the hub needs of the host."""

    objects: ObjectTable
    dispatcher: Dispatcher
    points: Points

    def user_error(self, where: str, error: BaseException, handle: ObjectHandle | None) -> None:
        """Show an error nobody else hears."""


class SocketRecord:
    """A hibernatable socket as its object's handle keeps it. `ident` is None until a client is at the other end."""

    def __init__(self, hub: SocketHub, handle: ObjectHandle, order: int, tags: list[str], url: str | None) -> None:
        self.hub = hub
        self.handle = handle
        self.order = order
        self.ident: int | None = None
        self.tags = tags
        self.url = url
        self.attachment: bytes | None = None
        self.answered_ms: int | None = None
        self.close_sent = False
        self.socket: WebSocket | None = None
        self.unacknowledged = 0

    def object_for(self, instance: Instance) -> WebSocket:
        """The JavaScript object of this socket in the instance's life; a new one after each wake (durable-objects.md 5.5)."""
        if self.socket is None:
            socket = WebSocket.restored(self, attachment=self.attachment, url=self.url, protocol="", close_sent=self.close_sent)
            socket.attach(RecordTransport(self, instance))
            self.socket = socket
        return self.socket

    def forget_object(self) -> None:
        """The instance is over: what survives is the attachment and whether Close was said."""
        if self.socket is not None:
            self.attachment = self.socket.attachment
            self.close_sent = self.socket.close_sent
            self.socket = None
        if self.ident is None:
            self.handle.sockets.pop(self.order, None)

    def cut(self) -> None:
        """Drop the connection without a Close frame."""
        if self.ident is not None:
            self.hub.link.send(_CLOSE, self.ident, frames.write_close(None, ""), frames.CUT)
            self.hub.forget(self)

    # -- SocketEvents: what arrives from an end inside this process (a facet's parent, a proxying Worker)

    def text(self, socket: WebSocket, text: str) -> None:
        """A text message."""
        self.hub.message(self, text, 0, now=False)

    def binary(self, socket: WebSocket, data: bytes) -> None:
        """A binary message."""
        self.hub.message(self, memoryview(data), 0, now=False)

    def close(self, socket: WebSocket, code: int, reason: str, was_clean: bool) -> None:
        """The other end closed."""
        self.hub.closed(self, code, reason, was_clean, now=False)

    def error(self, socket: WebSocket, error: JsException) -> None:
        """The other end failed."""
        self.hub.faulted(self, error.message)


class RecordTransport:
    """The client's side of a hibernatable socket, as the instance that sends sees it: everything passes its output gate."""

    def __init__(self, record: SocketRecord, instance: Instance) -> None:
        self._record = record
        self._instance = instance

    def send_text(self, text: str) -> None:
        self._send(_TEXT, text.encode("utf-8", "replace"))

    def send_binary(self, data: bytes) -> None:
        self._send(_BINARY, data)

    def close(self, code: int | None, reason: str) -> None:
        self._send(_CLOSE, frames.write_close(code, reason))

    def attachment(self, data: bytes) -> None:
        record = self._record
        assert record.ident is not None
        link, ident = record.hub.link, record.ident
        self._instance.emit(lambda: link.send(_ATTACHMENT, ident, data))

    def _send(self, kind: int, payload: bytes) -> None:
        record = self._record
        ident = record.ident
        assert ident is not None, "a transport is attached once the client is known"
        hub, handle = record.hub, record.handle

        def leave() -> None:
            hub.link.send(kind, ident, payload)
            if hub.points.on:
                hub.points.reached("frame", handle, _shown(kind, payload))

        self._instance.emit(leave)


class StandardSocket:
    """A socket accepted by `accept()`, or one user code opened: bound to its owner, awake as long as it is open (S-99)."""

    def __init__(
        self,
        hub: SocketHub,
        ident: int,
        socket: WebSocket,
        owner: Owner | None,
        url: str,
        connecting: Outgoing | None = None,
        begun: Begun = None,
    ) -> None:
        """`connecting` is the handshake of one that user code opens; until `open`, frames wait. `begun` is where."""
        self._hub = hub
        self._ident = ident
        self._owner = owner
        self._connecting = connecting
        self._early: list[Frame] = []
        # A socket that a critical section opens belongs to it: what comes from it must not wait for the section's end.
        self._section = current_section.get() if connecting is not None else None
        self.socket = socket
        self._to_client = connecting is None
        what = "socket" if self._to_client else "outgoing socket"
        self._hold = None if owner is None else owner.hold(what, url.partition("?")[0], begun)

    def send_text(self, text: str) -> None:
        self._send(_TEXT, text.encode("utf-8", "replace"))

    def send_binary(self, data: bytes) -> None:
        self._send(_BINARY, data)

    def close(self, code: int | None, reason: str) -> None:
        self._send(_CLOSE, frames.write_close(code, reason))

    def attachment(self, data: bytes) -> None:
        """Attachments are for hibernation; the gateway need not know this one."""

    def _send(self, kind: int, payload: bytes) -> None:
        owner = self._owner
        if isinstance(owner, Instance):
            owner.emit(lambda: self._leave(kind, payload, owner))
        elif owner is None or not owner.dead:
            self._leave(kind, payload, owner)

    def _leave(self, kind: int, payload: bytes, owner: Owner | None) -> None:
        hub = self._hub
        hub.link.send(kind, self._ident, payload)
        if hub.points.on and self._to_client:
            hub.points.of_owner("frame", owner, _shown(kind, payload))

    def open(self) -> None:
        """The handshake is over and its listeners know: what came meanwhile comes now."""
        self._connecting = None
        for frame in self._early:
            self.take(frame)
        self._early.clear()

    def take(self, frame: Frame) -> None:
        """A frame from the gateway."""
        kind = frame.kind
        if self._connecting is not None:
            self._early.append(frame)
        elif kind == _GONE:
            self.end()
        elif kind == _TEXT:
            self.deliver(lambda: self.socket.deliver_text(frame.payload.decode("utf-8", "replace")))
            self._hub.link.send(_CREDIT, self._ident, frames.write_credit(len(frame.payload)))
        elif kind == _BINARY:
            self.deliver(lambda: self.socket.deliver_binary(frame.payload))
            self._hub.link.send(_CREDIT, self._ident, frames.write_credit(len(frame.payload)))
        elif kind == _CLOSE and frame.flags & frames.CLEAN:
            self.deliver(lambda: self.socket.deliver_close(*frames.read_close(frame.payload)))
        elif kind == _CLOSE:
            self.deliver(self.socket.deliver_lost)
        elif kind == _FAULT:
            self.deliver(lambda: self.socket.deliver_error(frame.payload.decode("utf-8", "replace")))

    def deliver(self, arrive: Any) -> None:
        """Something arrived for the listeners: it passes the input gate of the code that holds the socket."""
        owner = self._owner
        if owner is None:
            arrive()
        else:
            owner.resume(self._section, lambda: owner.fresh_context().run(arrive))

    def cut(self) -> None:
        """Its owner was reset: drop the connection."""
        if self._connecting is not None:
            self._connecting.cancel("reset")
            return
        self._hub.link.send(_CLOSE, self._ident, frames.write_close(None, ""), frames.CUT)
        self.end()

    def end(self) -> None:
        """The connection is over."""
        self._hub.standard.pop(self._ident, None)
        owner, self._owner = self._owner, None
        if owner is not None and self._hold is not None and not owner.dead:
            owner.release(self._hold)

    @property
    def is_orphan(self) -> bool:
        """Its owner is dead."""
        return self._owner is not None and self._owner.dead


class SocketHub:
    """All sockets of the host by the link's socket ids."""

    def __init__(self, world: SocketWorld, link: Link) -> None:
        self._world = world
        self.link = link
        self.points = world.points
        self.standard: dict[int, StandardSocket] = {}
        self._records: dict[int, SocketRecord] = {}
        self._orders = itertools.count(1)

    # -- accepting and binding

    def accept(self, socket: WebSocket, instance: Instance, tags: list[str]) -> None:
        """`ctx.acceptWebSocket`."""
        handle = instance.handle
        if len(handle.sockets) >= rules.MAX_SOCKETS:
            raise js_error("Error", f"A Durable Object cannot have more than {rules.MAX_SOCKETS} hibernatable WebSockets.")
        record = SocketRecord(self, handle, next(self._orders), tags, None)
        socket.accept_hibernatable(record)
        record.socket = socket
        handle.sockets[record.order] = record

    def bind(self, incoming: Incoming, response: JsResponse, owner: Owner) -> None:
        """A 101 response leaves for its client: connect the pair's other end with it."""
        client: WebSocket = response.webSocket
        server = client.peer
        if server is None or client.accepted:
            incoming.fail({"name": "TypeError", "message": "Can't return WebSocket in a Response after calling accept().", "props": {}})
            return
        incoming.upgrade([(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in response.headers.pairs()])
        url = incoming.head.url if incoming.head is not None else None
        record = self._record_of(server)
        if record is None:
            keeper = server.owner or owner
            standard = self.standard[incoming.id] = StandardSocket(self, incoming.id, server, keeper, url or "", begun=server.line)
            server.attach(standard)
            return
        instance = record.handle.instance
        record.ident, record.url = incoming.id, url
        server.url = url
        self._records[incoming.id] = record
        handle = record.handle
        if handle.parent is None:
            # The gateway keeps sockets by class and id, which facets share; theirs end with this host.
            self.link.send_json(
                Kind.ACCEPTED,
                {"class": handle.class_name, "id": handle.id, "name": handle.name, "tags": record.tags, "url": url},
                incoming.id,
            )
        if instance is None:
            # The object was reset between its answer and this moment.
            record.cut()
        else:
            server.attach(RecordTransport(record, instance))

    def _record_of(self, socket: WebSocket) -> SocketRecord | None:
        events = getattr(socket, "_events", None)
        return events if isinstance(events, SocketRecord) else None

    def restore(self, survivors: list[dict[str, Any]], auto_responses: list[dict[str, Any]]) -> None:
        """START: the sockets that outlived the host before, and the pairs their objects had set."""
        for entry in survivors:
            handle = self._world.objects.get(entry["class"], entry["id"], entry["name"])
            record = SocketRecord(self, handle, next(self._orders), list(entry["tags"]), entry["url"])
            record.ident = entry["socket"]
            record.attachment = base64.b64decode(entry["attachment"]) if entry["attachment"] is not None else None
            record.answered_ms = entry["answered_ms"]
            record.close_sent = bool(entry.get("closing"))
            handle.sockets[record.order] = record
            handle.sleep_with_sockets()
            self._records[record.ident] = record
        for entry in auto_responses:
            handle = self._world.objects.get(entry["class"], entry["id"], None)
            handle.auto_response = (entry["request"], entry["response"])

    def connect(self, socket: WebSocket, url: str, protocols: list[str]) -> None:
        """`new WebSocket(url)`: the gateway opens it; from then on it is a standard socket of the running code."""
        owner = current_owner.get()
        headers = [(b"sec-websocket-protocol", ", ".join(protocols).encode("latin-1"))] if protocols else []
        outgoing = self.link.request(b"egress", b"GET", url.encode(), headers, upgrade=True)
        standard = self.expect(outgoing, socket, owner, url)

        def connected(future: asyncio.Future[Answer]) -> None:
            error = None if future.cancelled() else future.exception()
            answer = None if error is not None or future.cancelled() else future.result()
            if answer is None or not answer.upgraded:
                text = f"WebSocket connection to {url} failed: {error or (answer and answer.status)}"
                standard.deliver(lambda: socket.deliver_error(text))
                standard.end()
                return
            chosen = next((value.decode("latin-1") for name, value in answer.headers if name.lower() == b"sec-websocket-protocol"), "")
            socket.attach(standard)
            standard.deliver(lambda: socket.deliver_open(chosen))
            standard.open()

        outgoing.answer.add_done_callback(connected)

    def expect(self, outgoing: Outgoing, socket: WebSocket, owner: Owner | None, url: str, begun: Begun = None) -> StandardSocket:
        """A request of ours asks for an upgrade. Its socket is known at once: what the other side says first may come in the same read as
        its handshake. Then `attach` and `open`, or `end` when the answer was no upgrade."""
        standard = self.standard[outgoing.id] = StandardSocket(self, outgoing.id, socket, owner, url, outgoing, begun)
        return standard

    # -- frames

    def take(self, frame: Frame) -> None:
        """A frame from the gateway."""
        record = self._records.get(frame.id)
        if record is None:
            standard = self.standard.get(frame.id)
            if standard is not None:
                standard.take(frame)
            return
        kind = frame.kind
        if kind == _TEXT:
            if not self._answered_for_facet(record, frame):
                self.message(record, frame.payload.decode("utf-8", "replace"), len(frame.payload), now=True)
        elif kind == _BINARY:
            self.message(record, memoryview(frame.payload), len(frame.payload), now=True)
        elif kind == _CLOSE:
            code, reason = frames.read_close(frame.payload)
            self.closed(record, rules.NO_CODE if code is None else code, reason, bool(frame.flags & frames.CLEAN), now=True)
        elif kind == _FAULT:
            self.faulted(record, frame.payload.decode("utf-8", "replace"))
        elif kind == _ANSWERED:
            record.answered_ms = frame.now_ms

    def _answered_for_facet(self, record: SocketRecord, frame: Frame) -> bool:
        """The gateway answers for objects; it does not know facets."""
        pair = record.handle.auto_response
        if record.handle.parent is None or pair is None or frame.payload != pair[0].encode():
            return False
        assert record.ident is not None
        self.link.send(_TEXT, record.ident, pair[1].encode())
        record.answered_ms = frame.now_ms
        self._acknowledge(record, len(frame.payload))
        return True

    def message(self, record: SocketRecord, message: Any, size: int, *, now: bool) -> None:
        """A message for `webSocketMessage`; without such a method it is dropped silently (5.3)."""

        async def work(instance: Instance) -> None:
            if size:
                self._acknowledge(record, size)
            handler = getattr(instance.user_object, "webSocketMessage", None)
            if handler is None:
                return
            call = self._world.dispatcher.call_relaxed(handler, record.object_for(instance), message)
            limit_ms = record.handle.event_timeout_ms
            if limit_ms is None:
                await call
                return
            try:
                async with asyncio.timeout(limit_ms / 1000):
                    await call
            except TimeoutError:
                # Cut off silently; object and socket live on (S-93).
                return

        record.handle.deliver(Turn("webSocketMessage", work, _nothing, self._failure("webSocketMessage", record)), now=now)

    def _acknowledge(self, record: SocketRecord, size: int) -> None:
        record.unacknowledged += size
        if record.unacknowledged >= frames.SOCKET_WINDOW // 4 and record.ident is not None:
            self.link.send(_CREDIT, record.ident, frames.write_credit(record.unacknowledged))
            record.unacknowledged = 0

    def closed(self, record: SocketRecord, code: int, reason: str, was_clean: bool, *, now: bool) -> None:
        """The client closed or vanished: `webSocketClose`, with the socket still listed (S-84); afterwards it is gone.

        Where the handler did not answer a Close, we do (S-95, an accepted difference that only helps clients).
        """

        async def work(instance: Instance) -> None:
            socket = record.object_for(instance)
            socket.peer_ended(lost=not was_clean)
            await self._world.dispatcher.handle(instance.user_object, "webSocketClose", socket, code, reason, was_clean)

        def over() -> None:
            said = record.socket.close_sent if record.socket is not None else record.close_sent
            if was_clean and not said and record.ident is not None:
                self.link.send(_CLOSE, record.ident, frames.write_close(rules.echoed_code(code), reason))
            self.forget(record)

        def failed(error: JsException, reset: bool) -> None:
            self._failure("webSocketClose", record)(error, reset)
            over()

        record.handle.deliver(Turn("webSocketClose", work, lambda _: over(), failed), now=now)

    def faulted(self, record: SocketRecord, text: str) -> None:
        """The connection broke the protocol: `webSocketError` only (S-90)."""

        async def work(instance: Instance) -> None:
            socket = record.object_for(instance)
            socket.peer_ended(lost=True)
            await self._world.dispatcher.handle(instance.user_object, "webSocketError", socket, js_error("Error", text))

        def failed(error: JsException, reset: bool) -> None:
            self._failure("webSocketError", record)(error, reset)
            self.forget(record)

        record.handle.deliver(Turn("webSocketError", work, lambda _: self.forget(record), failed), now=True)

    def forget(self, record: SocketRecord) -> None:
        """The socket is over."""
        if record.ident is not None:
            self._records.pop(record.ident, None)
        record.handle.sockets.pop(record.order, None)

    def cut_orphans(self) -> None:
        """Standard sockets whose owner has been reset drop with it (S-91)."""
        for standard in [standard for standard in self.standard.values() if standard.is_orphan]:
            standard.cut()

    def _failure(self, where: str, record: SocketRecord) -> Any:
        """A handler that throws is logged; socket and instance live on (S-86). A reset has been reported where it happened."""

        def failed(error: JsException, reset: bool) -> None:
            if not reset:
                self._world.user_error(where, error, record.handle)

        return failed


def _shown(kind: int, payload: bytes) -> str:
    """A frame in a line: the beginning of a text, the size of anything else."""
    if kind == _TEXT:
        # No character takes more than four bytes; the last one may be cut.
        return payload[: 4 * LABEL_LIMIT].decode("utf-8", "ignore")[:LABEL_LIMIT]
    if kind == _CLOSE:
        code, reason = frames.read_close(payload)
        return f"close {code or ''} {reason}".rstrip()
    return f"{len(payload)} bytes"


def _nothing(_result: Any) -> None:
    """A message has no answer."""
