"""One object's storage: what the host drives (`ObjectStorage`) and what its hooks must answer (`StorageHooks`).

A turn, seen from the host::

    storage.js_storage ...   user code writes  ->  hooks.dirty()
    storage.commit()         end of the turn   ->  hooks.alarm_changed(time) if the turn touched the alarm
                                               or  CommitFailed: reset the instance, its callers get the error's text

An alarm run: `alarm_started(scheduled_ms)` before the handler (False: the object does not have that alarm, skip the run), then
`alarm_finished(retry=...)` and `commit()`. When retries are given up: `alarm_dropped()` and `commit()`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from emulator.hosts.python.alarm_record import AlarmRecord
from emulator.hosts.python.database import CommitFailed, Database, StorageRevoked
from emulator.hosts.python.js_storage import DurableObjectStorage
from emulator.hosts.python.kv import KeyValue
from emulator.hosts.python.open_files import OpenFiles
from emulator.hosts.python.sql import Sql
from emulator.hosts.python.sql_clock import Functions
from emulator.hosts.python.surface import structured_clone
from emulator.hosts.python.surface.promise import JsPromise

__all__ = ["CommitFailed", "ObjectStorage", "OpenFiles", "StorageHooks", "StorageRevoked", "ValueCodec"]

INSTANCE_GONE = "This instance of the Durable Object was reset; its storage can no longer be used."
FACET_ALARM = "Facets currently cannot set alarms."
NO_ALARM_HANDLER = "Your Durable Object class must have an alarm() handler in order to call setAlarm()"


class StorageHooks(Protocol):
    """What storage asks of the instance it belongs to. Nothing here may raise."""

    def dirty(self) -> None:
        """The first write of a turn happened: call `commit()` when the turn ends, before anything it caused leaves the object."""

    def block(self, critical: Callable[[], Coroutine[Any, Any, Any]]) -> Awaitable[Any]:
        """Run an async transaction as a critical section and pass its result or exception on. CommitFailed means reset."""

    def committed(self) -> None:
        """Writes are in the file."""

    def alarm_changed(self, time_ms: int | None) -> None:
        """A committed turn set the alarm (milliseconds since 1970) or deleted it."""


class ValueCodec(Protocol):
    """V8's serialization format."""

    def dumps(self, value: Any) -> bytes: ...

    def loads(self, data: bytes) -> Any: ...


class ObjectStorage:
    """The storage of one live instance; nothing is opened before the first use.

    `flags` are compatibility flags (`delete_all_deletes_alarm`); facets cannot set alarms. Several generations may follow each
    other on one file, never two at once: `revoke` the old one first. `functions` are given to every connection.
    """

    def __init__(
        self,
        path: Path,
        name: str | None = None,
        *,
        files: OpenFiles,
        hooks: StorageHooks,
        has_alarm_handler: bool,
        sqlite_class: bool = True,
        is_facet: bool = False,
        flags: Mapping[str, bool] | None = None,
        codec: ValueCodec = structured_clone,
        functions: Iterable[Functions] = (),
    ) -> None:
        self.path = path
        self.name = name
        self.hooks = hooks
        self.sqlite_class = sqlite_class
        self.delete_all_deletes_alarm = bool((flags or {}).get("delete_all_deletes_alarm", False))
        self.alarm_refusal = FACET_ALARM if is_facet else None if has_alarm_handler else NO_ALARM_HANDLER
        self.database = Database(path, files, on_dirty=hooks.dirty, on_commit=self._committed, functions=functions)
        self.alarm = AlarmRecord(self.database, hooks.alarm_changed)
        self.kv = KeyValue(self.database, codec.dumps, codec.loads)
        self.sql = Sql(self.database)
        self.js_storage = DurableObjectStorage(self)
        self._syncing: list[JsPromise] = []

    # --- turns ---

    @property
    def is_dirty(self) -> bool:
        """The turn wrote something that is not committed."""
        return self.database.is_dirty

    def commit(self) -> None:
        """End of a turn. Nothing happens when it wrote nothing, or inside an async transaction. Raises CommitFailed."""
        self.database.commit()

    def rollback(self) -> None:
        """Drop whatever is uncommitted, async transactions included (reset)."""
        self.database.rollback()

    def close(self) -> None:
        """Give the file back; the next access opens it again. Commit before."""
        self.database.release()

    def revoke(self, reason: str = INSTANCE_GONE) -> None:
        """The instance is dead: drop what is uncommitted, close, and raise StorageRevoked(`reason`) on every later access."""
        self.database.revoke(reason)

    def synced(self) -> JsPromise:
        """Settled by the commit of the current turn; when that fails it never is, and the instance is gone."""
        promise = JsPromise()
        if self.is_dirty:
            self._syncing.append(promise)
        else:
            promise.settle()
        return promise

    def _committed(self) -> None:
        self.hooks.committed()
        self.alarm.deliver()
        syncing, self._syncing = self._syncing, []
        for promise in syncing:
            promise.settle()

    # --- the object's name ---

    def read_name(self) -> str | None:
        """The name in the file, None when the object was never addressed by name."""
        return self.database.read_name()

    def write_name(self) -> None:
        """Record `name`, if there is one, in the current turn's transaction."""
        if self.name is not None:
            self.database.write_name(self.name)

    # --- alarms ---

    def alarm_started(self, scheduled_ms: int) -> bool:
        """The gateway wants to run the alarm due at `scheduled_ms`; False when the file says otherwise. Not inside a turn.
        While it runs `getAlarm()` is null (durable-objects.md 4.1)."""
        return self.alarm.started(scheduled_ms)

    def alarm_finished(self, *, retry: bool) -> None:
        """The run ended; `retry` keeps its time for another attempt. What the handler set or deleted stays. Commit after it."""
        self.alarm.finished(retry=retry)

    def alarm_dropped(self) -> None:
        """The last attempt failed: there is no alarm any more. Commit after it."""
        self.alarm.drop()

    # --- everything ---

    def delete_all(self) -> None:
        """Empty the file now; the alarm goes too when the flag says so (durable-objects.md 3.7)."""
        if self.delete_all_deletes_alarm:
            self.rollback()
            was_set = self.alarm.stored() is not None
            self.database.delete_all()
            self.alarm.forget(was_set=was_set)
        else:
            self.commit()
            self.database.delete_all(keep=frozenset({"_cf_METADATA"}))
