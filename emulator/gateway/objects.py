"""What the gateway knows of the objects from their hosts' notes: good for looking without waking anybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulator.core.lifecycle import State


class ObjectBook:
    """The last note of each object that is in memory or has sockets, by class and id. One that is neither is forgotten: whatever is
    left of it is on disk (object_files.py)."""

    def __init__(self) -> None:
        self._notes: dict[tuple[str, str], dict[str, Any]] = {}

    def note(self, note: dict[str, Any]) -> None:
        """`{class, id, name, state, generation, sockets}` as the host sent it."""
        key = note["class"], note["id"]
        if note["state"] == State.INACTIVE.value:
            self._notes.pop(key, None)
        else:
            self._notes[key] = {name: value for name, value in note.items() if name != "op"}

    def host_ended(self) -> None:
        """No instance is left: those with sockets sleep, the others are gone."""
        self._notes = {key: {**note, "state": State.HIBERNATED.value} for key, note in self._notes.items() if note.get("sockets")}

    def forget(self, covers: Callable[[str, str], bool]) -> None:
        """Objects, by class and id, that are not what they were."""
        self._notes = {key: note for key, note in self._notes.items() if not covers(*key)}

    def restart(self) -> None:
        """There are none."""
        self._notes.clear()

    def all(self) -> list[dict[str, Any]]:
        """Every object of the book, as copies."""
        return [dict(note) for note in self._notes.values()]
