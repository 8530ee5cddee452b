"""The alarm of one object as its database knows it (durable-objects.md 4.1, 4.2).

The time stands in `_cf_METADATA` row 1 in nanoseconds and is part of the transaction like every write. While the handler runs the
row stays, so that a crash leaves the alarm set, but `get` says None: its deletion is *deferred* to the end of the run,
and any `set` or `delete` meanwhile takes the decision over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from emulator.hosts.python.database import Database
from emulator.hosts.python.sql_rules import trusted

_TABLE = "_cf_METADATA"
_CREATE = trusted("CREATE TABLE IF NOT EXISTS main._cf_METADATA (key INTEGER PRIMARY KEY, value BLOB)")
_READ = trusted("SELECT value FROM main._cf_METADATA WHERE key = 1")
_WRITE = trusted("INSERT OR REPLACE INTO main._cf_METADATA (key, value) VALUES (1, ?)")
_NS_PER_MS = 1_000_000


class AlarmNote(NamedTuple):
    """What the current transaction knows of the alarm; rolled back with it (`Database.memo`)."""

    changed: bool = False
    deferred: bool = False


class AlarmRecord:
    """Reads and writes the alarm; `changed(time_ms | None)` is called once per commit that set or deleted it."""

    def __init__(self, database: Database, changed: Callable[[int | None], None]) -> None:
        self._database = database
        self._changed = changed
        database.memo = AlarmNote()

    @property
    def _note(self) -> AlarmNote:
        note = self._database.memo
        assert isinstance(note, AlarmNote)
        return note

    def get(self) -> int | None:
        """Milliseconds since 1970, None when there is none or while its own run is under way."""
        return None if self._note.deferred else self.stored()

    def stored(self) -> int | None:
        """What the row says, whether or not its run is under way."""
        if not self._database.has_table(_TABLE):
            return None
        row = self._database.read(_READ).fetchone()
        return None if row is None or row[0] is None else row[0] // _NS_PER_MS

    def set(self, time_ms: int) -> None:
        self._write(time_ms * _NS_PER_MS)

    def delete(self) -> None:
        if self.stored() is not None:
            self._write(None)
        else:
            self._database.memo = self._note._replace(deferred=False)

    def started(self, scheduled_ms: int) -> bool:
        """A run for `scheduled_ms` is about to begin. False when the object no longer has that alarm (deleted, or moved to another
        time): do not run it then. Call it outside of a turn."""
        if self.stored() != scheduled_ms:
            return False
        self._database.memo = self._note._replace(deferred=True)
        return True

    def finished(self, *, retry: bool) -> None:
        """The run ended. With `retry` the time stays for the next attempt; otherwise the alarm is over. A time set or deleted
        during the run stays as it is either way. The deletion is a write of the current turn: commit after it."""
        if not self._note.deferred:
            return
        self._database.memo = self._note._replace(deferred=False)
        if not retry:
            self._write(None)

    def drop(self) -> None:
        """No run will be tried again: the alarm is over unless a run is under way. A write of the current turn."""
        if not self._note.deferred:
            self.delete()

    def deliver(self) -> None:
        """After a commit: tell the host, if the transaction touched the alarm."""
        note = self._note
        if note.changed:
            self._database.memo = note._replace(changed=False)
            self._changed(self.get())

    def forget(self, *, was_set: bool) -> None:
        """`deleteAll` emptied the file; there was a committed alarm in it if `was_set`."""
        self._database.memo = AlarmNote()
        if was_set:
            self._changed(None)

    def _write(self, value: int | None) -> None:
        if not self._database.has_table(_TABLE):
            self._database.write(_CREATE)
        self._database.write(_WRITE, (value,))
        self._database.memo = AlarmNote(changed=True, deferred=False)
