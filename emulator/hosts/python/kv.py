"""Key-value rules over `_cf_KV`, shared by `ctx.storage` and `ctx.storage.kv` (durable-objects.md 3.5, 3.6).

Values are stored in V8's serialization format through the codec given; keys are text, ordered by their UTF-8 bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from emulator.hosts.python.database import Database
from emulator.hosts.python.sql_rules import trusted
from emulator.hosts.python.surface.errors import js_error

UNDEFINED_VALUE = "put() called with undefined value."
BAD_LIMIT = "List limit must be positive."
START_TWICE = "list() cannot be called with both start and startAfter values."

_TABLE = "_cf_KV"
_CREATE = trusted("CREATE TABLE IF NOT EXISTS main._cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID")
_GET = trusted("SELECT value FROM main._cf_KV WHERE key = ?")
_PUT = trusted("INSERT OR REPLACE INTO main._cf_KV (key, value) VALUES (?, ?)")
_DELETE = trusted("DELETE FROM main._cf_KV WHERE key = ?")
_LAST_CODE_POINT = 0x10FFFF


@dataclass(frozen=True)
class ListOptions:
    """What `list` is asked for. `start` is inclusive, `start_after` and `end` are exclusive, whatever the direction."""

    prefix: str | None = None
    start: str | None = None
    start_after: str | None = None
    end: str | None = None
    limit: int | None = None
    reverse: bool = False

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit <= 0:
            raise js_error("TypeError", BAD_LIMIT)
        if self.start is not None and self.start_after is not None:
            raise js_error("TypeError", START_TWICE)

    def query(self) -> tuple[str, tuple[Any, ...]]:
        """The SELECT that answers it, and its parameters."""
        conditions: list[str] = []
        parameters: list[Any] = []
        beyond_prefix = None if self.prefix is None else successor(self.prefix)
        for operator, bound in (
            (">=", self.prefix or None),
            ("<", beyond_prefix),
            (">=", self.start),
            (">", self.start_after),
            ("<", self.end),
        ):
            if bound is not None:
                conditions.append(f"key {operator} ?")
                parameters.append(bound)
        sql = "SELECT key, value FROM main._cf_KV"
        if conditions:
            sql += " WHERE " + " AND ".join(conditions)
        sql += " ORDER BY key DESC" if self.reverse else " ORDER BY key"
        if self.limit is not None:
            sql += " LIMIT ?"
            parameters.append(self.limit)
        return trusted(sql), tuple(parameters)


EVERYTHING = ListOptions()


def successor(prefix: str) -> str | None:
    """The smallest text that is greater than everything beginning with `prefix`; None when there is none."""
    for index in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[index])
        if code < _LAST_CODE_POINT:
            following = 0xE000 if code == 0xD7FF else code + 1  # UTF-8 has no surrogates
            return prefix[:index] + chr(following)
    return None


class KeyValue:
    """The key-value table of one object. `dumps` raises JavaScript's DataCloneError for what cannot be stored."""

    def __init__(self, database: Database, dumps: Callable[[Any], bytes], loads: Callable[[bytes], Any]) -> None:
        self._database = database
        self._dumps = dumps
        self._loads = loads

    def get(self, key: str) -> Any:
        """The value, None (undefined) when there is none."""
        database = self._database
        if not database.has_table(_TABLE):
            return None
        row = database.read(_GET, (key,)).fetchone()
        return None if row is None else self._loads(row[0])

    def get_many(self, keys: Iterable[str]) -> list[tuple[str, Any]]:
        """The pairs that exist, in key order."""
        if not self._database.has_table(_TABLE):
            return []
        found = []
        for key in sorted(set(keys)):
            row = self._database.read(_GET, (key,)).fetchone()
            if row is not None:
                found.append((key, self._loads(row[0])))
        return found

    def put(self, key: str, value: Any) -> None:
        data = self._dumps(value)
        self._create()
        self._database.write(_PUT, (key, data))

    def put_many(self, entries: Iterable[tuple[str, Any]]) -> None:
        """All of them or, when one value cannot be stored, none."""
        rows = [(key, self._dumps(value)) for key, value in entries]
        if rows:
            self._create()
        for row in rows:
            self._database.write(_PUT, row)

    def delete(self, key: str) -> bool:
        """Whether there was something to delete."""
        self._create()
        return self._database.write(_DELETE, (key,)).rowcount > 0

    def delete_many(self, keys: Iterable[str]) -> int:
        """How many there were."""
        return sum(self.delete(key) for key in keys)

    def list(self, options: ListOptions = EVERYTHING) -> list[tuple[str, Any]]:
        """The pairs `options` asks for, in order."""
        if not self._database.has_table(_TABLE):
            return []
        loads = self._loads
        return [(key, loads(data)) for key, data in self._database.read(*options.query()).fetchall()]

    def _create(self) -> None:
        if not self._database.has_table(_TABLE):
            self._database.write(_CREATE)
