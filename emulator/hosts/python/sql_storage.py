"""`ctx.storage.sql` as user code sees it: `SqlStorage` and `SqlStorageCursor` (python-workers-surface.md 5)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from emulator.hosts.python.sql import Row, Sql, SqlRows
from emulator.hosts.python.surface.buffers import ArrayBuffer
from emulator.hosts.python.surface.containers import JsArray
from emulator.hosts.python.surface.errors import js_error
from emulator.hosts.python.surface.values import MAX_SAFE_INTEGER, JsIterator, JsObject, JsProxy, js_number, js_string, jsnull

NO_QUERY = "Failed to execute 'exec' on 'SqlStorage': parameter 1 is not of type 'string'."


class SqlStorage(JsProxy):
    """Synchronous SQL on the object's database."""

    __slots__ = ("__weakref__", "_sql")
    _js_name = "SqlStorage"

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    def exec(self, *args: Any) -> SqlStorageCursor:
        """Run `query` with its bindings; JavaScript's Error with SQLite's text when that fails."""
        if not args:
            raise js_error("TypeError", NO_QUERY)
        query = args[0]
        return SqlStorageCursor(self._sql.exec(query if query.__class__ is str else js_string(query), args[1:]))

    @property
    def databaseSize(self) -> int:
        return self._sql.database_size


class SqlStorageCursor(JsProxy):
    """The rows of one `exec`: objects by `next`, `one`, `toArray` and iteration, arrays by `raw`, all from one position."""

    __slots__ = ("__weakref__", "_rows")
    _js_name = "SqlStorageCursor"

    def __init__(self, rows: SqlRows) -> None:
        self._rows = rows

    def next(self) -> JsObject:
        row = self._rows.next()
        if row is None:
            return JsObject({"done": True})
        return JsObject({"done": False, "value": self._object(row)})

    def toArray(self) -> JsArray:
        names = self._rows.column_names
        return JsArray([JsObject(dict(zip(names, map(to_js_cell, row), strict=True))) for row in self._rows.rest()])

    def one(self) -> JsObject:
        return self._object(self._rows.one())

    def raw(self) -> SqlStorageRawIterator:
        return SqlStorageRawIterator(self._rows)

    @property
    def columnNames(self) -> JsArray:
        return JsArray(list(self._rows.column_names))

    @property
    def rowsRead(self) -> int:
        return self._rows.rows_read

    @property
    def rowsWritten(self) -> int:
        return self._rows.rows_written

    def __iter__(self) -> Iterator[JsObject]:
        while (row := self._rows.next()) is not None:
            yield self._object(row)

    def _object(self, row: Row) -> JsObject:
        """Of columns with the same name the last one wins."""
        return JsObject(dict(zip(self._rows.column_names, map(to_js_cell, row), strict=True)))


class SqlStorageRawIterator(JsIterator):
    """The rows as arrays, in column order, duplicates kept."""

    __slots__ = ("_rows",)
    _js_name = "SqlStorageRawIterator"

    def __init__(self, rows: SqlRows) -> None:
        self._rows = rows
        super().__init__(self._arrays(rows.next))

    @staticmethod
    def _arrays(next_row: Any) -> Iterator[JsArray]:
        while (row := next_row()) is not None:
            yield JsArray([to_js_cell(cell) for cell in row])

    def toArray(self) -> JsArray:
        return JsArray(list(self))


def to_js_cell(value: Any) -> Any:
    """A column value in JavaScript: blobs are ArrayBuffers, NULL is null, numbers are doubles (integral ones show as int)."""
    kind = value.__class__
    if kind is str:
        return value
    if kind is int:
        return value if -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER else float(value)
    if value is None:
        return jsnull
    return ArrayBuffer(value) if kind is bytes else js_number(value)
