"""Watches the chat streams of every object through the journal and writes down what breaks a promise (core/resumable_streams.py).

It costs a search in each text, and nothing more as long as nobody speaks the chat protocol.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from emulator.core.lifecycle import State
from emulator.core.resumable_streams import MARK, StreamChecker, chat_frame
from emulator.core.stream_violations import Violation
from emulator.gateway.journal import Entry, Journal
from emulator.gateway.sockets import ObjectRef

KINDS = frozenset({"socket.end", "object", "host.serving", "host.crashed"})
"""The entries that it reads; frames come as they are, to `frame`."""
MAX_OBJECTS = 1_000
"""So many objects' streams are remembered; the one that was quiet the longest is forgotten first."""
MAX_VIOLATIONS = 500

_MARK = MARK.encode()
_SUB_AGENT = "/sub/"
_NEW = frozenset({State.STARTING.value, State.HIBERNATED.value, State.INACTIVE.value})
"""An object in one of these has no instance, or one that knows only what is stored."""


class Socket(Protocol):
    """What is asked of a client's socket: its URL and its object (client_socket.py)."""

    url: str
    object: ObjectRef | None


class _Watched:
    """The checker of one object (or of one of its sub-agents, which share its sockets), and whose it is."""

    def __init__(self, about: dict[str, Any] | None) -> None:
        self.about = about
        self.checker = StreamChecker()


class StreamWatch:
    """`violations` are the newest, oldest first, as `{code, what, socket, client, request, object?, frames}`."""

    def __init__(self, journal: Journal, sockets: Mapping[int, Socket], redact: Callable[[str], str]) -> None:
        """`sockets` are the open ones by number. `redact` takes secret values out of what is shown of a frame."""
        self._journal = journal
        self._redact = redact
        self._sockets = sockets
        self._watched: OrderedDict[tuple[str, ...], _Watched] = OrderedDict()
        self._of: dict[int, _Watched] = {}
        self._clients: dict[int, str | None] = {}
        self.violations: deque[dict[str, Any]] = deque(maxlen=MAX_VIOLATIONS)

    def __call__(self, entry: Entry) -> None:
        """One entry of the journal."""
        kind = entry["kind"]
        if kind == "socket.end":
            self._end(entry["socket"])
        elif kind == "object":
            self._instance(entry)
        elif kind in ("host.serving", "host.crashed"):
            for watched in self._watched.values():
                watched.checker.interrupted()

    def frame(self, socket: int, out: bool, binary: bool, payload: bytes) -> None:
        """A message between a client and its object (a journal's FrameWatcher)."""
        watched = self._of.get(socket)
        if watched is None:
            watched = self._open(socket)
        if watched is None or binary or _MARK not in payload:
            return
        text = payload.decode("utf-8", "replace")
        frame = chat_frame(text)
        if frame is None:
            return
        at = self._journal.last_seq
        for violation in (watched.checker.told if out else watched.checker.heard)(socket, frame, text, at):
            row = self._row(violation, watched)
            self.violations.append(row)
            self._journal.add("violation", **row)

    def unfinished(self) -> list[dict[str, Any]]:
        """What more is wrong if nothing comes any more: requests without an end, as rows like `violations`."""
        return [self._row(violation, watched) for watched in self._watched.values() for violation in watched.checker.unfinished()]

    def restart(self) -> None:
        """As at the start of the server."""
        self._watched.clear()
        self._of.clear()
        self._clients.clear()
        self.violations.clear()

    # -- which object

    def _open(self, ident: int) -> _Watched | None:
        socket = self._sockets.get(ident)
        if socket is None:
            return None
        url = urlsplit(socket.url)
        below = url.path.partition(_SUB_AGENT)[2]
        owner = socket.object
        key = (owner.class_name, owner.id, below) if owner is not None else (url.path,)
        watched = self._watched.get(key)
        if watched is None:
            about = {"class": owner.class_name, "id": owner.id, "name": owner.name} if owner is not None else None
            watched = self._watched[key] = _Watched(about)
            self._bound()
        else:
            self._watched.move_to_end(key)
        client = parse_qs(url.query).get("_pk", [None])[0]
        watched.checker.opened(ident, client)
        watched.checker.ready(ident)
        self._of[ident], self._clients[ident] = watched, client
        return watched

    def _end(self, ident: int) -> None:
        watched = self._of.pop(ident, None)
        self._clients.pop(ident, None)
        if watched is not None:
            watched.checker.ended(ident)

    def _instance(self, entry: Entry) -> None:
        """An object is in memory anew: what it had not stored is gone."""
        if entry.get("state") not in _NEW:
            return
        for key, watched in self._watched.items():
            if key[:2] == (entry.get("class"), entry.get("id")):
                watched.checker.interrupted()

    def _bound(self) -> None:
        if len(self._watched) <= MAX_OBJECTS:
            return
        for key, watched in self._watched.items():
            if watched.checker.idle:
                del self._watched[key]
                return

    def _row(self, violation: Violation, watched: _Watched) -> dict[str, Any]:
        row = violation.as_json()
        for frame in row["frames"]:
            frame["text"] = self._redact(frame["text"])
        row["client"] = self._clients.get(violation.socket)
        if watched.about is not None:
            row["object"] = watched.about
        return row
