"""Verbs on the clients' sockets: cut one off, in any of the ways a network has, now or exactly when it is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from emulator.core.sockets import close_code_error, close_reason_error
from emulator.errors import UsageError
from emulator.gateway.client_socket import ClientSocket
from emulator.gateway.drops import Drop, Mode
from emulator.gateway.sockets import SocketBook
from emulator.gateway.verbs.asking import ObjectNames
from emulator.gateway.verbs.route import Call, Route

_DIGITS = re.compile(r"[0-9]{1,18}")
_FIELDS = frozenset({"mode", "code", "reason", "after_frames", "after_chunks"})
_SHAPE = (
    'a drop is {"mode": "close", "reset" or "stall", "code": number, "reason": text, "after_frames": number or "after_chunks": number}, '
    "all of them optional"
)


class SocketVerbs:
    """Sockets are chosen by id, by the object that accepted them, or all together. An object's *next* socket can be dropped before there
    is one."""

    def __init__(self, book: SocketBook, names: ObjectNames) -> None:
        self._book = book
        self._names = names

    def routes(self) -> Sequence[Route]:
        """Where they are."""
        return [
            Route("GET", "sockets", lambda call: self.sockets()),
            Route("POST", "sockets/drop", lambda call: self.drop(self._open(), call.body)),
            Route("DELETE", "sockets/drop", lambda call: self.disarm(self._open(), next_too=True)),
            Route("POST", "sockets/resume", lambda call: self.resume(self._open())),
            Route("POST", "sockets/{id}/drop", lambda call: self.drop([self._one(call)], call.body)),
            Route("DELETE", "sockets/{id}/drop", lambda call: self.disarm([self._one(call)])),
            Route("POST", "sockets/{id}/resume", lambda call: self.resume([self._one(call)])),
            Route("POST", "objects/{class}/{name}/drop", self.drop_object),
            Route("POST", "objects/{class}/{name}/resume", lambda call: self.resume(self._of(*call.object))),
        ]

    async def sockets(self) -> Any:
        """Every open client socket with what is armed for it, and what is armed for sockets that do not exist yet."""
        coming = [
            {"class": class_name, "id": ident, **drop.fields()}
            for (class_name, ident), drops in self._book.drops.waiting()
            for drop in drops
        ]
        return {"sockets": list(self._book.describe()), "next": coming}

    async def drop(self, sockets: list[ClientSocket], body: Mapping[str, Any]) -> Any:
        """Drop each of these as the body says: `close` sends a Close frame, `reset` cuts the connection by a TCP reset, `stall` lets
        nothing through until `resume`. With `after_frames` or `after_chunks` each does so when it has been sent so many messages more, or
        its object so many chunks of models' answers; `armed` are those that wait for it."""
        _drop(body)
        for socket in sockets:
            self._book.drops.arm(socket, socket.object[:2] if socket.object else None, _drop(body))
        armed = [socket.id for socket in sockets if socket.drop is not None]
        return {"dropped": [socket.id for socket in sockets if socket.id not in armed], "armed": armed}

    async def drop_object(self, call: Call) -> Any:
        """All sockets of an object, or with `"next": true` the next one that it accepts."""
        fields = dict(call.body)
        coming = fields.pop("next", False)
        if not isinstance(coming, bool):
            raise UsageError("E227", '"next" is true or false')
        class_name, name = call.object
        if not coming:
            return await self.drop(self._of(class_name, name), fields)
        self._book.drops.arm_next((class_name, self._names.id(class_name, name)), _drop(fields))
        return {"dropped": [], "armed": [], "next": f"{class_name}/{name}"}

    async def disarm(self, sockets: list[ClientSocket], *, next_too: bool = False) -> Any:
        """What is armed for these shall not happen; what has happened stays."""
        disarmed = [socket.id for socket in sockets if self._book.drops.disarm(socket)]
        return {"disarmed": disarmed, "next": self._book.drops.disarm_next() if next_too else 0}

    async def resume(self, sockets: list[ClientSocket]) -> Any:
        """Let what waits in stalled ones through."""
        return {"resumed": [socket.id for socket in sockets if socket.resume()]}

    def _open(self) -> list[ClientSocket]:
        return [socket for socket in self._book.sockets.values() if socket.transport is not None]

    def _one(self, call: Call) -> ClientSocket:
        ident = call.parts["id"]
        socket = self._book.sockets.get(int(ident)) if _DIGITS.fullmatch(ident) else None
        if socket is None or socket.transport is None:
            raise UsageError("E228", f"there is no open socket {ident}", hint="agents-emu sockets lists them")
        return socket

    def _of(self, class_name: str, name: str) -> list[ClientSocket]:
        found = [one for one in self._book.of(class_name, self._names.id(class_name, name)) if one.transport is not None]
        if not found:
            hint = 'agents-emu sockets lists them; --next ({"next": true}) is for one that does not exist yet'
            raise UsageError("E228", f"{class_name}/{name} has no open socket", hint=hint)
        return found


def _drop(body: Mapping[str, Any]) -> Drop:
    """A new drop, as the body says. Raises UsageError E227."""
    unknown = sorted(set(body) - _FIELDS)
    if unknown:
        raise UsageError("E227", f"a drop has no {unknown[0]!r}", hint=_SHAPE)
    mode, code, reason = body.get("mode", "close"), body.get("code", 1001), body.get("reason", "")
    if mode not in list(Mode) or not _is_count(code) or not isinstance(reason, str):
        raise UsageError("E227", _SHAPE)
    if mode != Mode.CLOSE and ("code" in body or "reason" in body):
        raise UsageError("E227", f"a {mode} has no code and no reason: no frame is sent")
    problem = close_code_error(code) or close_reason_error(code, reason)
    if problem:
        raise UsageError("E227", problem)
    for name in _counts(body):
        if not _is_count(body[name]):
            raise UsageError("E227", f"{name} is a whole number, 0 or more")
    if len(list(_counts(body))) > 1:
        raise UsageError("E227", "a drop waits for frames or for chunks, not for both")
    return Drop(Mode(mode), code, reason, body.get("after_frames"), body.get("after_chunks"))


def _counts(body: Mapping[str, Any]) -> Iterator[str]:
    return (name for name in ("after_frames", "after_chunks") if body.get(name) is not None)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
