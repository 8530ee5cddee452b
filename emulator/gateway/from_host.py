"""Where everything a host says goes: its requests to the services, its frames to the sockets, its notes to the journal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from emulator.gateway.host_process import HostProcess
from emulator.gateway.journal import Journal
from emulator.gateway.objects import ObjectBook
from emulator.gateway.services import Services
from emulator.gateway.sockets import SocketBook
from emulator.wire.exchange import Incoming
from emulator.wire.frames import Frame


class AlarmDesk(Protocol):
    """Who takes `alarm` calls."""

    def on_call(self, incoming: Incoming, call: dict[str, Any]) -> None:
        """An object set or deleted its alarm."""


class PointDesk(Protocol):
    """Who hears of the boundaries that hosts pass."""

    def on_point(self, host: HostProcess, payload: bytes) -> None:
        """One was passed, or stopped at."""


class FromHost:
    """A HostListener (host_process.py)."""

    def __init__(
        self,
        journal: Journal,
        book: SocketBook,
        objects: ObjectBook,
        services: Services,
        alarms: AlarmDesk,
        points: PointDesk,
        on_denied: Callable[[str], None] = lambda what: None,
    ) -> None:
        """`on_denied`: a host has refused user code a socket, which the mode does not allow."""
        self._journal = journal
        self._book = book
        self._objects = objects
        self._services = services
        self._alarms = alarms
        self._points = points
        self._on_denied = on_denied

    def on_request(self, host: HostProcess, incoming: Incoming) -> None:
        """Egress, AI, assets."""
        self._services.serve(incoming)

    def on_call(self, host: HostProcess, incoming: Incoming, call: dict[str, Any]) -> None:
        """The only operation towards the gateway is `alarm`."""
        if call.get("op") == "alarm":
            self._alarms.on_call(incoming, call)
        else:
            incoming.fail({"name": "Error", "message": f"the gateway has no operation {call.get('op')}", "props": {}})

    def on_socket(self, host: HostProcess, frame: Frame) -> None:
        """Only a host that was started has sockets."""
        if host.started and host.link is not None:
            self._book.on_frame(host.link, frame)

    def on_turn(self, payload: bytes) -> None:
        """Kept as it is: the journal decodes it when somebody reads."""
        self._journal.turn(payload)

    def on_point(self, host: HostProcess, payload: bytes) -> None:
        """Points come only when they were asked for."""
        self._points.on_point(host, payload)

    def on_output(self, host: HostProcess, stream: str, line: str) -> None:
        """A line that did not come through the console of user code: print in a thread, a C library, the interpreter itself."""
        if line.strip():
            self._journal.add("log", level="info" if stream == "stdout" else "warn", text=line, stream=stream)

    def on_note(self, host: HostProcess, note: dict[str, Any], now_ms: int) -> None:
        """Unknown notes are kept: a newer host may know more than we do."""
        match note.get("op"):
            case "log":
                self._journal.add("log", level=note.get("level", "info"), text=str(note.get("text", "")), **_subject(note))
            case "object":
                self._objects.note(note)
                self._journal.add("object", **{name: value for name, value in note.items() if name != "op"})
            case "exception":
                self._journal.add("exception", where=note.get("where"), error=note.get("error", {}), **_subject(note))
            case "auto_response":
                self._book.auto_response(note["class"], note["id"], note.get("request"), note.get("response") or "")
            case "denied":
                self._on_denied(str(note.get("what")))
                self._journal.add("denied", what=note.get("what"), where=note.get("where"))
            case "stall":
                self._journal.add("stall", where=note.get("where"), ms=note.get("ms"), **_subject(note))
            case "debugger":
                host.debugged = bool(note.get("attached"))
            case other:
                self._journal.add("note", op=str(other))


def _subject(note: dict[str, Any]) -> dict[str, Any]:
    return {"object": note["object"]} if note.get("object") else {}
