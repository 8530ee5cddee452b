"""The pending alarms on disk: `metadata.sqlite` beside each class's objects, as the real runtime keeps them (alarm_rows.py).

The truth about an object is in its own database (`_cf_METADATA` row 1); after an unclean stop the index is corrected from there
(durable-objects.md 4.5).
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import aiosqlite

from emulator.core.alarms import AlarmKey
from emulator.errors import StartError
from emulator.gateway.alarm_rows import CREATE, DELETE, NS_PER_MS, UPSERT

BUSY_S = 0.3
"""How long one statement waits for another process that has the file locked."""

Change = tuple[int | None, str | None]
"""When (ms, None = no alarm) and the object's name."""


class AlarmIndex:
    """One database per class, opened when first needed. `state` is the persist folder, `worker` the project's name."""

    def __init__(self, state: Path, worker: str) -> None:
        self._root = state / "v3" / "do"
        self._prefix = worker + "-"
        self._open: dict[str, aiosqlite.Connection] = {}

    async def load(self) -> list[tuple[AlarmKey, int, str | None]]:
        """All pending alarms as (key, time_ms, name). Raises StartError E331 for a file that cannot be read."""
        found = []
        for folder in self._folders():
            class_name = folder.name.removeprefix(self._prefix)
            if not (folder / "metadata.sqlite").exists():
                continue
            try:
                database = await self._database(class_name)
                async with database.execute("SELECT actor_id, scheduled_time, actor_name FROM _cf_ALARM") as rows:
                    async for ident, time_ns, name in rows:
                        found.append((AlarmKey(class_name, ident), _to_ms(time_ns), name))
            except sqlite3.Error as error:
                raise _unusable(folder / "metadata.sqlite", error) from error
        return found

    async def write(self, changes: Mapping[AlarmKey, Change]) -> None:
        """Set and delete alarms; on return they are on disk. Raises sqlite3.Error, OSError or StartError E331; then those of one class
        are in as a whole or not at all."""
        for class_name in {key.class_name for key in changes}:
            database = await self._database(class_name)
            mine = [(key.id, change) for key, change in changes.items() if key.class_name == class_name]
            try:
                await database.executemany(DELETE, [(ident,) for ident, (time, _) in mine if time is None])
                await database.executemany(UPSERT, [(ident, time * NS_PER_MS, name) for ident, (time, name) in mine if time is not None])
                await database.commit()
            except BaseException:
                await database.rollback()
                raise

    async def reconcile(self, indexed: Iterable[tuple[AlarmKey, int, str | None]], since_s: float = 0.0) -> dict[AlarmKey, Change]:
        """What must change so that the index agrees with the objects' own databases, of those that were written since a moment on
        time.time(). Reads them in a thread."""
        return await asyncio.to_thread(self._differences, {key: time_ms for key, time_ms, _ in indexed}, since_s)

    def _differences(self, indexed: dict[AlarmKey, int], since_s: float) -> dict[AlarmKey, Change]:
        changes: dict[AlarmKey, Change] = {}
        for folder in self._folders():
            class_name = folder.name.removeprefix(self._prefix)
            for path in folder.glob("*.sqlite"):
                if len(path.stem) != 64 or not _written_since(path, since_s):
                    continue  # metadata, and facets: only whole objects have alarms
                key = AlarmKey(class_name, path.stem)
                truth = _own_alarm(path)
                if truth is not None and truth[0] != indexed.get(key):
                    changes[key] = truth
        return changes

    async def close(self) -> None:
        """Close the databases."""
        databases, self._open = self._open, {}
        for database in databases.values():
            await database.close()

    def _folders(self) -> list[Path]:
        if not self._root.is_dir():
            return []
        return [folder for folder in self._root.iterdir() if folder.name.startswith(self._prefix) and folder.is_dir()]

    async def _database(self, class_name: str) -> aiosqlite.Connection:
        if class_name in self._open:
            return self._open[class_name]
        path = self._root / f"{self._prefix}{class_name}" / "metadata.sqlite"
        path.parent.mkdir(parents=True, exist_ok=True)
        database = await aiosqlite.connect(path, timeout=BUSY_S)
        try:
            await database.execute("PRAGMA journal_mode = WAL")
            await database.execute(CREATE)
            await database.commit()
        except sqlite3.Error as error:
            await database.close()
            raise _unusable(path, error) from error
        self._open[class_name] = database
        return database


def _unusable(path: Path, error: sqlite3.Error) -> StartError:
    hint = "move the file away; pending alarms of the class are then read from its objects"
    return StartError("E331", f"the alarm index cannot be used: {error}", where=str(path), hint=hint)


def _written_since(path: Path, since_s: float) -> bool:
    """Of a database that a process had open: what was committed is in the file beside it first."""
    for file in (path.with_name(path.name + "-wal"), path):
        with contextlib.suppress(FileNotFoundError):
            # File systems keep the time of their own tick, which may lie a little behind.
            if file.stat().st_mtime >= since_s - 1:
                return True
    return False


def _own_alarm(path: Path) -> Change | None:
    """The alarm an object's own database has, or None when it cannot be read: the host will say what is wrong with it."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=1.0)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            time_ns = _first(database, "SELECT value FROM _cf_METADATA WHERE key = 1") if "_cf_METADATA" in tables else None
            name = _first(database, "SELECT name FROM __miniflare_do_name WHERE id = 1") if "__miniflare_do_name" in tables else None
    except sqlite3.Error:
        return None
    return (None if time_ns is None else _to_ms(time_ns)), name


def _first(database: sqlite3.Connection, query: str) -> Any:
    row = database.execute(query).fetchone()
    return row[0] if row else None


def _to_ms(time_ns: int) -> int:
    # Rounded up: an alarm never fires early.
    return -(-int(time_ns) // NS_PER_MS)
