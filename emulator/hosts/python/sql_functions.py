"""SQL functions the platform's SQLite has and an older library lacks: the interpreter brings its own SQLite.

Not covered on libraries before 3.45: `jsonb` and its relatives (3.45), `timediff` (3.43).
"""

from __future__ import annotations

import math
import sqlite3
from typing import Any


def add_missing_functions(connection: sqlite3.Connection, version: tuple[int, ...] = sqlite3.sqlite_version_info) -> None:
    """Give `connection` the functions that SQLite `version` does not have yet."""
    if version < (3, 41):
        connection.create_function("unhex", 1, unhex, deterministic=True)
    if version < (3, 43):
        connection.create_function("octet_length", 1, octet_length, deterministic=True)
    if version < (3, 44):
        connection.create_function("concat", -1, concat, deterministic=True)
        connection.create_function("concat_ws", -1, concat_ws, deterministic=True)
        connection.create_window_function("string_agg", 2, StringAgg)  # type: ignore[arg-type]  # typeshed wants int results


def text_of(value: Any) -> str:
    """A value as SQLite casts it to text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float):
        if math.isinf(value):
            return "Inf" if value > 0 else "-Inf"
        mantissa, mark, exponent = f"{value:.15g}".partition("e")
        return f"{mantissa if '.' in mantissa else f'{mantissa}.0'}{mark}{exponent}"
    return str(value)


def concat(*values: Any) -> str:
    """Everything that is not NULL, one after the other."""
    return "".join(text_of(value) for value in values if value is not None)


def concat_ws(separator: Any, *values: Any) -> str | None:
    """`concat` with a separator; NULL when the separator is."""
    if separator is None:
        return None
    return text_of(separator).join(text_of(value) for value in values if value is not None)


def octet_length(value: Any) -> int | None:
    """The bytes a value takes as text, or as the blob it is."""
    if value is None:
        return None
    return len(value) if isinstance(value, bytes) else len(text_of(value).encode())


def unhex(value: Any) -> bytes | None:
    """The bytes of hexadecimal text; NULL for anything else."""
    try:
        return None if value is None else bytes.fromhex(text_of(value))
    except ValueError:
        return None


class StringAgg:
    """`string_agg(value, separator)`, as aggregate and as window function. NULLs do not count."""

    def __init__(self) -> None:
        self._parts: list[tuple[str, str]] = []

    def step(self, value: Any, separator: Any) -> None:
        if value is not None:
            self._parts.append(("" if separator is None else text_of(separator), text_of(value)))

    def inverse(self, value: Any, _separator: Any) -> None:
        if value is not None:
            del self._parts[0]

    def value(self) -> str | None:
        if not self._parts:
            return None
        return self._parts[0][1] + "".join(separator + part for separator, part in self._parts[1:])

    finalize = value
