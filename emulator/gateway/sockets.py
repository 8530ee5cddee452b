"""The client sockets of the objects: who they belong to, what survives a host, and the road of each frame (wire/README.md, Sockets).

A socket accepted for hibernation outlives hosts: while there is none, its messages wait in order, and `START` hands it to the next
one. Auto-responses are given here, so that nobody wakes (durable-objects.md 5.6).
"""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

from emulator.core import sockets as rules
from emulator.core.sockets import AutoResponse
from emulator.gateway.client_socket import ClientSocket
from emulator.gateway.clocks import Clock
from emulator.gateway.drops import Drop, Drops
from emulator.gateway.journal import Journal
from emulator.gateway.rfc6455 import Opcode
from emulator.wire import frames
from emulator.wire.exchange import Outgoing
from emulator.wire.frames import Frame, Kind
from emulator.wire.link import Link

_TEXT, _BINARY, _CLOSE, _CREDIT = int(Kind.TEXT), int(Kind.BINARY), int(Kind.CLOSE), int(Kind.CREDIT)
_ACCEPTED, _ATTACHMENT, _RESPONSE = int(Kind.ACCEPTED), int(Kind.ATTACHMENT), int(Kind.RESPONSE)
_FAULT, _GONE, _ANSWERED = int(Kind.FAULT), int(Kind.GONE), int(Kind.ANSWERED)
_FROM_HOST = {_TEXT: int(Opcode.TEXT), _BINARY: int(Opcode.BINARY)}

MAX_WAITING = 64 * 1024 * 1024
"""Bytes of messages that may wait while there is no host; beyond it each further sender is no longer read from."""
_PASS_ON_TURNS = 3
"""Turns of a host's loop: what user code makes of a chunk at once is with us by then."""
_PASS_ON_WITHIN_S = 1.0


class ObjectRef(NamedTuple):
    """An object: class name, 64 hex digits, and its name when it is known."""

    class_name: str
    id: str
    name: str | None


class OutgoingSocket(Protocol):
    """A WebSocket that user code opened; its frames share the link with the clients'."""

    def take(self, frame: Frame) -> None:
        """A frame from the host."""

    def host_lost(self) -> None:
        """Nobody is at the other end any more."""


class SocketBook:
    """All sockets by id. `link` is the serving host's, None while there is none."""

    def __init__(self, clock: Clock, journal: Journal, *, max_message: int = rules.MAX_MESSAGE) -> None:
        self._clock = clock
        self.journal = journal
        self.max_message = max_message
        self.link: Link | None = None
        self.sockets: dict[int, ClientSocket] = {}
        self.outgoing: dict[int, OutgoingSocket] = {}
        self.drops = Drops()
        self._auto: dict[tuple[str, str], AutoResponse] = {}
        self._waiting: deque[tuple[ClientSocket, int, bytes, int]] = deque()
        self._waiting_bytes = 0
        self._held: list[ClientSocket] = []

    # -- life of a socket

    def expect(self, ident: int, url: str) -> ClientSocket:
        """A handshake has been passed to the host under this exchange id; its frames may arrive before its answer."""
        socket = self.sockets[ident] = ClientSocket(self, ident, url, self._clock.now_ms())
        return socket

    def refuse(self, ident: int) -> None:
        """The handshake was not answered by an upgrade."""
        self.sockets.pop(ident, None)

    def abandon(self, exchange: Outgoing) -> None:
        """The client went away during its handshake; if the host had answered already, it hears of the end like of any other."""
        self.sockets.pop(exchange.id, None)
        answer = exchange.answer
        if answer.done() and not answer.cancelled() and answer.exception() is None and answer.result().upgraded:
            _say_gone(exchange.link, exchange.id)

    def struck(self, socket: ClientSocket, drop: Drop) -> None:
        """A drop is under way."""
        self.drops.disarm(socket)
        self.journal.add("socket.drop", socket=socket.id, **_label(socket), **drop.fields())

    async def chunk_delivered(self, key: tuple[str, str]) -> None:
        """A chunk of a model's answer has gone to an object. Sockets that are dropped behind it are dropped when its host has had time to
        pass on what the object makes of it: there is no saying when it has."""
        due = self.drops.chunk_delivered(key)
        for _ in range(_PASS_ON_TURNS if due else 0):
            if self.link is not None:
                await self.link.ping(_PASS_ON_WITHIN_S)
        for socket in due:
            socket.strike()

    def of(self, class_name: str, object_id: str) -> list[ClientSocket]:
        """The sockets accepted by one object, oldest first."""
        return [s for s in self.sockets.values() if s.object and s.object.class_name == class_name and s.object.id == object_id]

    # -- client to host

    def deliver(self, socket: ClientSocket, kind: int, payload: bytes) -> None:
        """A message from a client."""
        self.journal.frame(socket.id, socket.object, False, kind == _BINARY, payload)
        if self._auto and kind == _TEXT and socket.object is not None and self._answer(socket, payload):
            return
        if self.link is not None:
            self.link.send(kind, socket.id, payload)
            socket.spend(len(payload))
            if self.link.congested:
                # Credit counts bytes; this bounds a flood of empty messages to a host that does not read.
                socket.hold()
                self._held.append(socket)
        else:
            self._wait(socket, kind, payload, 0)
            # Beyond the bound even a socket with credit left is not read from.
            socket.spend(len(payload) if self._waiting_bytes <= MAX_WAITING else max(socket.credit, len(payload)))

    def closed(self, socket: ClientSocket, code: int | None, reason: str, *, clean: bool) -> None:
        """The client said Close (`clean`), or its connection ended without one."""
        self.journal.add("socket.close", socket=socket.id, **_subject(socket), by="client", code=code, reason=reason, clean=clean)
        self._pass(socket, _CLOSE, frames.write_close(code, reason), frames.CLEAN if clean else 0)

    def faulted(self, socket: ClientSocket, text: str) -> None:
        """The client broke the protocol."""
        self.journal.add("socket.fault", socket=socket.id, text=text)
        self._pass(socket, _FAULT, text.encode(), 0)

    def gone(self, socket: ClientSocket) -> None:
        """The connection has ended."""
        self.drops.disarm(socket)
        self.journal.add("socket.end", socket=socket.id, **_label(socket), **_subject(socket))
        if socket.id in self.sockets:
            self._pass(socket, _GONE, b"", 0)

    def _pass(self, socket: ClientSocket, kind: int, payload: bytes, flags: int) -> None:
        if self.sockets.get(socket.id) is not socket:
            return
        if self.link is not None:
            self.link.send(kind, socket.id, payload, flags)
            if kind == _GONE:
                del self.sockets[socket.id]
        else:
            self._wait(socket, kind, payload, flags)

    def _wait(self, socket: ClientSocket, kind: int, payload: bytes, flags: int) -> None:
        self._waiting.append((socket, kind, payload, flags))
        self._waiting_bytes += len(payload)

    def _answer(self, socket: ClientSocket, text: bytes) -> bool:
        assert socket.object is not None
        pair = self._auto.get((socket.object.class_name, socket.object.id))
        response = pair.answer(text) if pair else None
        if response is None:
            return False
        socket.send(Opcode.TEXT, response)
        socket.answered_ms = self._clock.now_ms()
        if self.link is not None:
            self.link.send(_ANSWERED, socket.id)
        return True

    # -- host to client

    def on_frame(self, link: Link, frame: Frame) -> None:
        """A frame of a socket from a host (the serving one, or one that has just begun to)."""
        kind, ident = frame.kind, frame.id
        socket = self.sockets.get(ident)
        if kind == _RESPONSE:
            # The upgrade crossed the news that the client is gone.
            self.sockets.pop(ident, None)
            _say_gone(link, ident)
        elif socket is None:
            outgoing = self.outgoing.get(ident)
            if outgoing is not None:
                outgoing.take(frame)
        elif kind in _FROM_HOST:
            socket.send(_FROM_HOST[kind], frame.payload)
        elif kind == _CREDIT:
            socket.grant(frames.read_credit(frame.payload))
        elif kind == _CLOSE:
            if frame.flags & frames.CUT:
                socket.cut()
            else:
                code, reason = frames.read_close(frame.payload)
                self.journal.add("socket.close", socket=ident, **_subject(socket), by="server", code=code, reason=reason, clean=True)
                socket.close(code, reason)
        elif kind == _ACCEPTED:
            fields = frame.json()
            socket.object = ObjectRef(fields["class"], fields["id"], fields.get("name"))
            socket.tags = list(fields.get("tags") or ())
            self.journal.add("socket.accept", socket=ident, **_label(socket), **_subject(socket), tags=socket.tags)
            self.drops.accepted(socket, socket.object[:2])
        elif kind == _ATTACHMENT:
            socket.attachment = frame.payload

    def auto_response(self, class_name: str, object_id: str, request: str | None, response: str) -> None:
        """The object's pair; `request` None removes it."""
        if request is None:
            self._auto.pop((class_name, object_id), None)
        else:
            self._auto[class_name, object_id] = AutoResponse(request, response)

    # -- hosts come and go

    def handover(self) -> dict[str, Any]:
        """What the next host is told at START (wire/README.md): the sockets that survive, and the auto-responses."""
        return {
            "sockets": [_surviving(socket) for socket in self.sockets.values() if socket.object is not None],
            "auto_responses": [
                {"class": key[0], "id": key[1], "request": pair.request.decode(), "response": pair.response.decode()}
                for key, pair in self._auto.items()
            ],
        }

    def resume(self, link: Link) -> None:
        """A host serves: give it what waited, in order."""
        self.link = link
        waiting, self._waiting, self._waiting_bytes = self._waiting, deque(), 0
        spent: dict[ClientSocket, int] = {}
        for socket, kind, payload, flags in waiting:
            if self.sockets.get(socket.id) is not socket:
                continue
            link.send(kind, socket.id, payload, flags)
            if kind == _GONE:
                del self.sockets[socket.id]
            elif kind in _FROM_HOST:
                spent[socket] = spent.get(socket, 0) + len(payload)
        for socket in self.sockets.values():
            socket.grant(frames.SOCKET_WINDOW - spent.get(socket, 0) - socket.credit)
        link.on_drained = self._drained

    def _drained(self) -> None:
        held, self._held = self._held, []
        for socket in held:
            socket.go_on()

    def suspend(self) -> None:
        """No host serves for now: messages wait."""
        self.link = None

    def host_ended(self, *, keep: bool = True) -> int:
        """The host is gone: sockets it had not accepted for hibernation are cut, and all of them without `keep`. Gives how many
        stay open."""
        self.link = None
        outgoing, self.outgoing = self.outgoing, {}
        for other in outgoing.values():
            other.host_lost()
        kept = 0
        waiting = {entry[0].id for entry in self._waiting if entry[1] == _CLOSE}
        for socket in list(self.sockets.values()):
            if socket.object is None or not keep:
                del self.sockets[socket.id]
                socket.cut()
            elif socket.client_closed and socket.id not in waiting:
                # The dead host had heard the Close and cannot answer it any more.
                del self.sockets[socket.id]
                socket.close(1000, "")
            else:
                kept += not socket.ended
        # Without a socket a pair lives no longer than its object's instance: the next constructor sets it again.
        owners = {socket.object[:2] for socket in self.sockets.values() if socket.object is not None}
        self._auto = {key: pair for key, pair in self._auto.items() if key in owners}
        return kept

    def cut_objects(self, covers: Callable[[str, str], bool]) -> int:
        """End the sockets of objects, by class and id, without a Close frame, as when they are reset by a deploy; gives how many."""
        ended = [socket for socket in self.sockets.values() if socket.object is not None and covers(*socket.object[:2])]
        for socket in ended:
            del self.sockets[socket.id]
            socket.cut()
        return len(ended)

    def restart(self) -> None:
        """As at the server's start; there is no socket."""
        self.drops.disarm_next()
        self._auto.clear()

    def close_all(self, code: int, reason: str) -> None:
        """The server ends: a Close frame for everybody, and no waiting for theirs."""
        for socket in list(self.sockets.values()):
            socket.close(code, reason)
            if socket.transport is not None:
                socket.transport.close()

    # -- looking

    def describe(self) -> Iterator[dict[str, Any]]:
        """Each open socket for the control API."""
        for socket in self.sockets.values():
            if socket.transport is not None:
                yield {
                    "id": socket.id,
                    **_label(socket),
                    "object_id": socket.object.id if socket.object else None,
                    "tags": socket.tags,
                    "url": socket.url,
                    "attachment_bytes": len(socket.attachment) if socket.attachment is not None else None,
                    "opened_ms": socket.opened_ms,
                    "hibernatable": socket.object is not None,
                    "unread_bytes": socket.transport.get_write_buffer_size(),
                    "armed": socket.drop.fields() if socket.drop is not None else None,
                    "stalled": socket.held is not None,
                }


def _say_gone(link: Link, ident: int) -> None:
    link.send(_CLOSE, ident, frames.write_close(rules.ABNORMAL, rules.ABNORMAL_REASON))
    link.send(_GONE, ident)


def _label(socket: ClientSocket) -> dict[str, Any]:
    return {"class": socket.object.class_name, "name": socket.object.name} if socket.object else {"class": None, "name": None}


def _subject(socket: ClientSocket) -> dict[str, Any]:
    """The object as entries have it; nothing for a socket that is not (yet) accepted for hibernation."""
    about = socket.object
    return {"object": {"class": about.class_name, "id": about.id, "name": about.name}} if about else {}


def _surviving(socket: ClientSocket) -> dict[str, Any]:
    assert socket.object is not None
    return {
        "socket": socket.id,
        "class": socket.object.class_name,
        "id": socket.object.id,
        "name": socket.object.name,
        "tags": socket.tags,
        "attachment": None if socket.attachment is None else base64.b64encode(socket.attachment).decode(),
        "url": socket.url,
        "answered_ms": socket.answered_ms,
        "closing": socket.server_closed,
    }
