"""The table of the alarm index, `_cf_ALARM(actor_id, scheduled_time, actor_name)` in nanoseconds since 1970, as the real runtime keeps it
(design 4.2); and how its rows are exchanged while no server uses it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

NS_PER_MS = 1_000_000
CREATE = "CREATE TABLE IF NOT EXISTS _cf_ALARM (actor_id TEXT PRIMARY KEY, scheduled_time INTEGER NOT NULL, actor_name TEXT) WITHOUT ROWID"
DELETE = "DELETE FROM _cf_ALARM WHERE actor_id = ?"
UPSERT = (
    "INSERT INTO _cf_ALARM VALUES (?, ?, ?) ON CONFLICT (actor_id) DO UPDATE SET"
    " scheduled_time = excluded.scheduled_time, actor_name = coalesce(excluded.actor_name, actor_name)"
)
BUSY_S = 5.0

AlarmRow = tuple[str, int, str | None]
"""Id, time in milliseconds since 1970, name."""


def replace(path: Path, idents: Sequence[str] | None, rows: Sequence[AlarmRow]) -> None:
    """In the index at `path`, the rows of `idents` (None = all) go and `rows` come, in one transaction. Raises sqlite3.Error or OSError."""
    if not rows and not path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("BEGIN IMMEDIATE")
        database.execute(CREATE)
        if idents is None:
            database.execute("DELETE FROM _cf_ALARM")
        else:
            database.executemany(DELETE, [(ident,) for ident in idents])
        database.executemany(UPSERT, [(ident, time_ms * NS_PER_MS, name) for ident, time_ms, name in rows])
        database.execute("COMMIT")
