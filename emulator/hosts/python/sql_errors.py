"""SQLite's errors in the words of the platform: `<text> at offset N: SQLITE_CODE (extended: SQLITE_CODE_DETAIL)`.

Python's sqlite3 does not say where in the statement an error is, so the offset (in bytes, from the start of the failing
statement) is worked out from the text of the message: see `offset_of`. Where it is not certain there is none
(durable-objects.md 3.1).
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable

from emulator.hosts.python.sql_text import Token, tokenize

_PRIMARY_CODES = """
    ERROR INTERNAL PERM ABORT BUSY LOCKED NOMEM READONLY INTERRUPT IOERR CORRUPT NOTFOUND FULL CANTOPEN PROTOCOL
    SCHEMA TOOBIG CONSTRAINT MISMATCH MISUSE NOLFS AUTH RANGE NOTADB
"""
_PRIMARY_NAMES = {getattr(sqlite3, f"SQLITE_{name}"): f"SQLITE_{name}" for name in _PRIMARY_CODES.split()}
_NAMES_PYTHON_LACKS = {sqlite3.SQLITE_CONSTRAINT | 12 << 8: "SQLITE_CONSTRAINT_DATATYPE"}
_NEAR = re.compile(r'near "(.*)": syntax error', re.DOTALL)
_UNRECOGNIZED = re.compile(r'unrecognized token: "(.*)"', re.DOTALL)
_COLUMN = re.compile(r"(?:no such|ambiguous) column(?: name)?: (.*)", re.DOTALL)
_FUNCTION = re.compile(
    r"(?:no such function: |not authorized to use function: |wrong number of arguments to function |too many arguments on function )"
    r"([^()]+)"
)
_AGGREGATE = re.compile(r"misuse of (?:aggregate|window) function ([^()]+)")
_TABLE_EXISTS = re.compile(r"(?:table|view) (.*) already exists", re.DOTALL)
_TOO_MANY_VARIABLES = "too many SQL variables"
_VARIABLE_NUMBER = re.compile(r"variable number must be between \?1 and \?(\d+)")
_MAX_VARIABLES = 100


def describe(error: sqlite3.Error, offset: int | None = None) -> str:
    """The platform's text for `error`."""
    code = getattr(error, "sqlite_errorcode", None)
    where = "" if offset is None else f" at offset {offset}"
    if code is None:
        return f"{error}{where}"
    primary = _PRIMARY_NAMES.get(code & 0xFF, "SQLITE_ERROR")
    extended = _NAMES_PYTHON_LACKS.get(code, error.sqlite_errorname)
    detail = "" if extended in (primary, "unknown") else f" (extended: {extended})"
    return f"{error}{where}: {primary}{detail}"


def offset_of(message: str, statement: str, prepare_prefix: Callable[[str], str | None]) -> int | None:
    """The byte offset `message` speaks of, or None when it has none or it is not certain.

    `prepare_prefix(text)` compiles the beginning of the statement and returns its error message, None when it compiles.
    """
    index = _index_of(message, statement, prepare_prefix)
    return None if index is None else len(statement[:index].encode())


def _index_of(message: str, statement: str, prepare_prefix: Callable[[str], str | None]) -> int | None:
    if match := _NEAR.fullmatch(message):
        candidates = [token for token in tokenize(statement) if token.text == match[1]]
        if len(candidates) > 1:
            candidates = [token for token in candidates if prepare_prefix(statement[: token.end]) == message]
        return candidates[0].start if candidates else None
    if match := _UNRECOGNIZED.fullmatch(message):
        index = statement.find(match[1])
        return None if index < 0 else index
    tokens = tokenize(statement)
    if match := _COLUMN.fullmatch(message):
        return _column(match[1], tokens)
    if match := _FUNCTION.match(message):
        return _named(tokens, match[1], last=False)
    if match := _AGGREGATE.match(message):
        return _named(tokens, match[1], last=True)
    if match := _TABLE_EXISTS.fullmatch(message):
        return _named(tokens, match[1].strip('"'), last=False)
    variables = [token for token in tokens if token.kind == "variable"]
    if message == _TOO_MANY_VARIABLES:
        return variables[_MAX_VARIABLES].start if len(variables) > _MAX_VARIABLES else None
    if match := _VARIABLE_NUMBER.fullmatch(message):
        beyond = [t for t in variables if t.text[1:].isdigit() and not 1 <= int(t.text[1:]) <= int(match[1])]
        return beyond[0].start if beyond else None
    return None


def _column(name: str, tokens: list[Token]) -> int | None:
    """Where a column is named. The target of `UPDATE ... SET x =` carries no offset on the platform either."""
    parts = name.split(".")
    for i, token in enumerate(tokens):
        path = [t.name for t in tokens[i : i + 2 * len(parts) - 1 : 2]]
        if [part.strip('"').lower() for part in parts] == path:
            target = i > 0 and tokens[i - 1].name == "set"
            return None if target else token.start
    star = next((token for token in tokens if token.text == "*"), None)
    return star.start if star is not None and len(parts) > 1 else None


def _named(tokens: list[Token], name: str, *, last: bool) -> int | None:
    found = [token.start for token in tokens if token.name == name.lower()]
    return None if not found else found[-1 if last else 0]
