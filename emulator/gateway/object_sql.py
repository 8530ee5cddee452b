"""Reads an object's database from outside, while its host goes on: a look that wakes nobody and changes nothing.

The file is opened read-only, an authorizer refuses everything but reading, and a query that takes too long is stopped. What is seen is
what was committed last.
"""

from __future__ import annotations

import asyncio
import base64
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from emulator.errors import UsageError

MOST_ROWS = 1_000
WITHIN_S = 2.0
BUSY_S = 1.0
_LOOK_EVERY_OPCODES = 10_000
_READS = frozenset((sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE))


async def read(path: Path, query: str) -> dict[str, Any]:
    """`{"columns", "rows": [{column: value}], "cut"}`: at most MOST_ROWS rows, `cut` when there were more; blobs are base64. In a thread.
    Raises UsageError E227 for a query that fails, or that would do more than read."""
    return await asyncio.to_thread(_read, path, query)


def _read(path: Path, query: str) -> dict[str, Any]:
    # What a killed process left in its log belongs to the file. Without a log nobody writes, and nothing needs to be locked or made.
    how = "mode=ro" if path.with_name(path.name + "-wal").exists() else "immutable=1"
    deadline = time.monotonic() + WITHIN_S
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?{how}", uri=True, timeout=BUSY_S)) as database:
            database.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _READS else sqlite3.SQLITE_DENY)
            database.set_progress_handler(lambda: time.monotonic() > deadline, _LOOK_EVERY_OPCODES)
            cursor = database.execute(query)
            if cursor.description is None:
                raise UsageError("E227", "the query gives no rows", hint="only queries that read are possible: SELECT ...")
            columns = [column[0] for column in cursor.description]
            rows = cursor.fetchmany(MOST_ROWS + 1)
    except sqlite3.OperationalError as error:
        if str(error) == "interrupted":
            raise UsageError("E227", f"the query did not end within {WITHIN_S:g} s") from None
        raise UsageError("E227", f"the query fails: {error}") from None
    except (sqlite3.Error, sqlite3.Warning) as error:
        hint = "only queries that read are possible" if "authorized" in str(error) else None
        raise UsageError("E227", f"the query fails: {error}", hint=hint) from None
    shown = [dict(zip(columns, map(_plain, row), strict=True)) for row in rows[:MOST_ROWS]]
    return {"columns": columns, "rows": shown, "cut": len(rows) > MOST_ROWS}


def _plain(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
