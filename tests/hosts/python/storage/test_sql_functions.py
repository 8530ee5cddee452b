"""The functions an older SQLite lacks behave as the newer one's (answers recorded on SQLite 3.51)."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from emulator.hosts.python.sql_functions import add_missing_functions


@pytest.fixture
def old() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    add_missing_functions(connection, (3, 40, 0))
    return connection


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("concat('a', 1, NULL, 2.5)", "a12.5"),
        ("concat('a', 5.0, 1e300, 1e999, -1e999)", "a5.01.0e+300Inf-Inf"),
        ("concat(x'6162', 'c')", "abc"),
        ("concat(NULL)", ""),
        ("concat_ws('-', 'a', NULL, 'b')", "a-b"),
        ("concat_ws(NULL, 'a', 'b')", None),
        ("octet_length('é')", 2),
        ("octet_length(x'00ff')", 2),
        ("octet_length(123)", 3),
        ("octet_length(NULL)", None),
        ("hex(unhex('6162'))", "6162"),
        ("unhex('6g')", None),
        ("unhex('616')", None),
        ("unhex(NULL)", None),
    ],
)
def test_scalar(old: sqlite3.Connection, expression: str, expected: Any) -> None:
    assert old.execute(f"SELECT {expression}").fetchone() == (expected,)


def test_string_agg(old: sqlite3.Connection) -> None:
    old.execute("CREATE TABLE t(a, s)")
    assert old.execute("SELECT string_agg(a, ',') FROM t").fetchone() == (None,)
    old.executemany("INSERT INTO t VALUES (?, ?)", [("x", ","), (None, ";"), (2, "-"), ("z", None)])
    assert old.execute("SELECT string_agg(a, ', ') FROM t").fetchone() == ("x, 2, z",)
    assert old.execute("SELECT string_agg(a, s) FROM t").fetchone() == ("x-2z",)
    window = "SELECT string_agg(a, '+') OVER (ORDER BY rowid ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t"
    assert old.execute(window).fetchall() == [("x",), ("x",), ("2",), ("2+z",)]


def test_a_new_library_keeps_its_own() -> None:
    connection = sqlite3.connect(":memory:")
    add_missing_functions(connection, (3, 44, 0))
    ours = {name for (name,) in connection.execute("SELECT name FROM pragma_function_list WHERE builtin = 0")}
    assert ours.isdisjoint({"concat", "concat_ws", "octet_length", "unhex", "string_agg"})
