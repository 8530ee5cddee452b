"""Single databases of objects, from outside: a consistent copy by SQLite itself, and what one says of its object (design 4.2)."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

NS_PER_MS = 1_000_000
BUSY_S = 0.2
"""How long a copy waits for somebody who has the file locked. A process that was stopped while it held the lock cannot give it back."""


class Busy(Exception):
    """Another process has the file locked."""


class Damaged(Exception):
    """SQLite cannot read it; the text says why."""


class Identity(NamedTuple):
    """What an object's database tells of it; both None for a facet's."""

    name: str | None
    alarm_ms: int | None


def copy(source: Path, target: Path) -> None:
    """A copy as of the last commit, what is in the log included, in one file without a log. The same content gives the same bytes. Raises
    Busy or Damaged, OSError."""
    # VACUUM INTO keeps row ids, and leaves nothing of deleted rows: what was deleted shall not be committed to a repository.
    try:
        with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_S, isolation_level=None)) as database:
            # Of the copy: a snapshot that a power cut tears is told by its checksums, and a host stands still meanwhile.
            database.execute("PRAGMA synchronous = OFF")
            database.execute("VACUUM INTO ?", (str(target),))
    except sqlite3.Error as error:
        target.unlink(missing_ok=True)
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise Busy(str(source)) from error
        raise Damaged(str(error)) from error


def inspect(path: Path) -> Identity:
    """Name and alarm in a file that nobody else uses and that has no log. Raises Damaged."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as database:
            (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise Damaged(str(verdict))
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            name = _first(database, "SELECT name FROM __miniflare_do_name WHERE id = 1") if "__miniflare_do_name" in tables else None
            time_ns = _first(database, "SELECT value FROM _cf_METADATA WHERE key = 1") if "_cf_METADATA" in tables else None
    except sqlite3.Error as error:
        raise Damaged(str(error)) from error
    # Rounded up, as the index does: an alarm never fires early.
    return Identity(None if name is None else str(name), None if time_ns is None else -(-int(time_ns) // NS_PER_MS))


def _first(database: sqlite3.Connection, query: str) -> Any:
    row = database.execute(query).fetchone()
    return row[0] if row else None
