"""What the gateway knows of the objects from their hosts' notes: good for looking without waking anybody."""

from __future__ import annotations

from typing import Any

from emulator.core.lifecycle import State


class ObjectBook:
    """The last note of each object, by class and id."""

    def __init__(self) -> None:
        self._notes: dict[tuple[str, str], dict[str, Any]] = {}

    def note(self, note: dict[str, Any]) -> None:
        """`{class, id, name, state, generation, sockets}` as the host sent it."""
        self._notes[note["class"], note["id"]] = {name: value for name, value in note.items() if name != "op"}

    def host_ended(self) -> None:
        """No instance is left: those with sockets sleep, the others are gone."""
        for note in self._notes.values():
            note["state"] = (State.HIBERNATED if note.get("sockets") else State.INACTIVE).value

    def all(self) -> list[dict[str, Any]]:
        """Every object heard of, as copies."""
        return [dict(note) for note in self._notes.values()]
