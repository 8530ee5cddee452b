"""`sql.exec` of one object: statements in, rows out, in the platform's words (durable-objects.md 3.1 to 3.4).

Rows are read when the statement runs. That is safer than the platform, where an unfinished cursor locks its table and an
unread `RETURNING` loses the whole turn, and the same for code that reads its cursors to the end.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from emulator.hosts.python.database import Database
from emulator.hosts.python.sql_errors import describe, offset_of
from emulator.hosts.python.sql_rules import LASTING_PRAGMAS, MAX_QUERY_BYTES, is_reserved, trusted
from emulator.hosts.python.sql_text import Query, Statement, split, well_formed
from emulator.hosts.python.surface.buffers import JsBuffer
from emulator.hosts.python.surface.errors import js_error
from emulator.hosts.python.surface.values import MAX_SAFE_INTEGER, js_string, jsnull
from emulator.hosts.python.usage import current_usage

NO_STATEMENT = "SQL code did not contain a statement."
WRONG_COUNT = "Wrong number of parameter bindings for SQL query."
ONLY_LAST = "When executing multiple SQL statements in a single call, only the last statement can have parameters."
TOO_LONG = "statement too long: SQLITE_TOOBIG"
NO_ROW = "Expected exactly one result from SQL query, but got no results."
MANY_ROWS = "Expected exactly one result from SQL query, but got multiple results."
NOT_AUTHORIZED = "not authorized: SQLITE_AUTH"
BIGINT = "Cannot convert a BigInt value to a number"

_PAGE_COUNT = trusted("PRAGMA page_count")
_PAGE_SIZE = trusted("PRAGMA page_size")
_INDEX_COUNT = trusted("SELECT count(*) FROM pragma_index_list(?)")

type Row = tuple[Any, ...]  # str, int, float, bytes or None per column


class SqlRows:
    """The rows of one statement with a position: what a cursor walks over."""

    __slots__ = ("_count_writes", "_position", "_rows", "column_names")

    def __init__(self, column_names: tuple[str, ...], rows: list[Row], count_writes: Callable[[], int] | None) -> None:
        self.column_names = column_names
        self._rows = rows
        self._position = 0
        self._count_writes = count_writes

    def next(self) -> Row | None:
        """The next row, None after the last."""
        if self._position == len(self._rows):
            return None
        self._position += 1
        return self._rows[self._position - 1]

    def rest(self) -> list[Row]:
        """Every row not read yet."""
        rows = self._rows[self._position :] if self._position else self._rows
        self._position = len(self._rows)
        return rows

    def one(self) -> Row:
        """The only row; JavaScript's Error when there are none or several left."""
        rows = self.rest()
        if len(rows) != 1:
            raise js_error("Error", MANY_ROWS if rows else NO_ROW)
        return rows[0]

    @property
    def rows_read(self) -> int:
        """Rows given out so far. The platform also counts rows it scanned and did not give out."""
        return self._position

    @property
    def rows_written(self) -> int:
        """Rows changed, plus one per index entry an INSERT or UPDATE made: close to the platform's metering, not equal."""
        return 0 if self._count_writes is None else self._count_writes()


class Sql:
    """Runs SQL of user code on one object's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def database_size(self) -> int:
        """Bytes: pages times page size."""
        pages = self._database.read(_PAGE_COUNT).fetchone()[0]
        size = self._database.read(_PAGE_SIZE).fetchone()[0]
        return int(pages * size)

    def exec(self, text: str, bindings: Sequence[Any] = ()) -> SqlRows:
        """Run every statement of `text` and return the rows of the last one, which alone takes `bindings`.

        Raises a JavaScript Error with SQLite's text; what earlier statements did stays (durable-objects.md 2.5).
        """
        if len(text) * 4 > MAX_QUERY_BYTES and len(text.encode("utf-8", "replace")) > MAX_QUERY_BYTES:
            raise js_error("Error", TOO_LONG)
        query = split(text)
        if len(query.statements) != 1 or not query.complete:
            self._run_all_but_last(query)
        statement = query.statements[-1]
        values: Any = [to_sql(value) for value in bindings]
        if len(values) != statement.parameters:
            raise self._miscounted(statement)
        return self._run(statement, _by_name(statement, values) if statement.names else values)

    def _run_all_but_last(self, query: Query) -> None:
        for statement in query.statements[:-1] if query.complete else query.statements:
            if statement.parameters:
                raise js_error("Error", ONLY_LAST)
            self._run(statement, ())
        if not query.complete:
            raise js_error("Error", NO_STATEMENT)

    def _run(self, statement: Statement, values: Any) -> SqlRows:
        database = self._database
        connection = database.connection()
        if statement.new_name is not None and is_reserved(statement.new_name):
            raise js_error("Error", NOT_AUTHORIZED)
        changes = 0
        if statement.writes:
            if not connection.in_transaction:
                database.begin_turn()
            changes = connection.total_changes
            if statement.returning:
                connection.text_factory = _lenient
        authorizer = database.authorizer
        authorizer.trusted = False
        try:
            cursor = connection.execute(statement.text, values)
            rows = cursor.fetchall()
        except sqlite3.OperationalError as error:
            if "Could not decode to UTF-8" not in str(error) or statement.writes:
                raise self._failure(error, statement) from error
            cursor, rows = _read_leniently(connection, statement, values)
        except sqlite3.Error as error:
            raise self._failure(error, statement) from error
        except UnicodeEncodeError:
            return self._run(replace(statement, text=well_formed(statement.text)), _well_formed_values(values))
        finally:
            authorizer.trusted = True
            authorizer.reason = None
            if statement.returning:
                connection.text_factory = str
        usage = current_usage.get()
        if usage is not None:
            usage.statements += 1
            usage.rows_read += len(rows)
            usage.rows_written += connection.total_changes - changes if statement.writes else 0
        if statement.setting is not None and statement.setting in LASTING_PRAGMAS:
            database.remember_setting(statement.setting, statement.text)
        names = () if cursor.description is None else tuple(column[0] for column in cursor.description)
        if not statement.writes:
            return SqlRows(names, rows, None)
        changed = connection.total_changes - changes
        return SqlRows(names, rows, lambda: self._metered(statement, changed))

    def _metered(self, statement: Statement, changed: int) -> int:
        if statement.table is None or statement.verb == "delete" or not changed:
            return changed
        indexes = self._database.read(_INDEX_COUNT, (statement.table,)).fetchone()[0]
        return int(changed * (1 + indexes))

    # --- errors ---

    def _failure(self, error: sqlite3.Error, statement: Statement) -> Exception:
        """`error` as user code sees it."""
        reason = self._database.authorizer.reason
        if reason is not None and not reason.startswith("no such function"):
            return js_error("Error", reason)
        message = reason or str(error)
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_ERROR or reason:
            offset = offset_of(message, statement.text, self._prepare_error)
            return js_error("Error", describe(error, offset) if reason is None else _located(reason, offset))
        return js_error("Error", describe(error))

    def _prepare_error(self, text: str) -> str | None:
        """SQLite's complaint about `text`, which is compiled and not run; None when there is none."""
        try:
            self._database.read(f"EXPLAIN {text}").close()
        except sqlite3.Error as error:
            return str(error)
        return None

    def _miscounted(self, statement: Statement) -> Exception:
        """A statement that does not compile says so first; only then is the number of bindings looked at."""
        authorizer = self._database.authorizer
        authorizer.trusted = False
        try:
            nothing = [None] * statement.parameters
            values = _by_name(statement, nothing) if statement.names else nothing
            self._database.connection().execute(f"EXPLAIN {statement.text}", values).close()
        except sqlite3.Error as error:
            return self._failure(error, statement)
        finally:
            authorizer.trusted = True
            authorizer.reason = None
        return js_error("Error", WRONG_COUNT)


def to_sql(value: Any) -> str | float | bytes | bytearray | memoryview | None:
    """A JavaScript value as SQLite stores it: numbers are REAL, booleans and objects text (durable-objects.md 3.2).

    TypeError (JavaScript's) for a BigInt, which is also every integer beyond 2**53 - 1.
    """
    kind = value.__class__
    if kind is str or kind is bytes or kind is float:
        return value
    if value is None or value is jsnull:
        return None
    if kind is int:
        if -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
            return float(value)
        raise js_error("TypeError", BIGINT)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        raise js_error("TypeError", BIGINT)
    if isinstance(value, JsBuffer):
        return value.data()
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    return js_string(value)


def _by_name(statement: Statement, values: list[Any]) -> dict[str, Any]:
    """sqlite3 wants named parameters in a dict, keyed without their sigil."""
    named = {name[1:]: value for name, value in zip(statement.names, values, strict=True)}
    if len(named) == len(values):
        return named
    raise js_error("Error", "agents-emu cannot bind parameters that differ only in their first character (:a, @a, $a)")


def _located(reason: str, offset: int | None) -> str:
    return f"{reason}{'' if offset is None else f' at offset {offset}'}: SQLITE_ERROR"


def _well_formed_values(values: Any) -> Any:
    if isinstance(values, dict):
        return {name: well_formed(value) if isinstance(value, str) else value for name, value in values.items()}
    return [well_formed(value) if isinstance(value, str) else value for value in values]


def _lenient(data: bytes) -> str:
    """Text that is not UTF-8 is shown with replacement characters, as JavaScript decodes it."""
    return data.decode("utf-8", "replace")


def _read_leniently(connection: sqlite3.Connection, statement: Statement, values: Any) -> tuple[sqlite3.Cursor, list[Row]]:
    connection.text_factory = _lenient
    try:
        cursor = connection.execute(statement.text, values)
        return cursor, cursor.fetchall()
    finally:
        connection.text_factory = str
