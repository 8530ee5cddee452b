"""SQLite's clock and chance in user databases, where a run shall repeat: its own ask the machine.

The date functions are SQLite's, called on a connection of their own with the moment in the place of 'now'. They count as deterministic, as
SQLite's do: an index may use them, and within one statement 'now' is one moment.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

type Functions = Callable[[sqlite3.Connection], None]
"""Gives a connection its functions."""

_CURRENT = {"current_timestamp": "datetime", "current_date": "date", "current_time": "time"}
_MOMENT_FIRST = ("date", "time", "datetime", "julianday", "unixepoch")


def clock_functions() -> Functions:
    """SQLite's date functions and CURRENT_TIMESTAMP on the clock that user code sees."""
    originals = sqlite3.connect(":memory:", isolation_level=None)

    def ask(name: str, arguments: tuple[Any, ...]) -> Any:
        moments = [_now() if isinstance(given, str) and given.lower() == "now" else given for given in arguments]
        return originals.execute(f"SELECT {name}({', '.join('?' * len(moments))})", moments).fetchone()[0]

    def moment_first(name: str) -> Callable[..., Any]:
        return lambda *arguments: ask(name, arguments or ("now",))

    def strftime(*arguments: Any) -> Any:
        return ask("strftime", arguments if len(arguments) > 1 else (*arguments, "now"))

    functions: dict[tuple[str, int], Callable[..., Any]] = {(name, -1): moment_first(name) for name in _MOMENT_FIRST}
    functions["strftime", -1] = strftime
    if sqlite3.sqlite_version_info >= (3, 43):
        functions["timediff", 2] = lambda *arguments: ask("timediff", arguments)
    functions |= {(keyword, 0): moment_first(name) for keyword, name in _CURRENT.items()}

    def give(connection: sqlite3.Connection) -> None:
        for (name, count), function in functions.items():
            connection.create_function(name, count, function, deterministic=True)

    return give


def chance_functions() -> Functions:
    """`random()` and `randomblob(n)` from the same source as everything else that user code draws."""

    def give(connection: sqlite3.Connection) -> None:
        connection.create_function("random", 0, lambda: int.from_bytes(os.urandom(8), "little", signed=True))
        connection.create_function("randomblob", 1, lambda size: os.urandom(max(int(size or 0), 1)))

    return give


def _now() -> str:
    return datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"
