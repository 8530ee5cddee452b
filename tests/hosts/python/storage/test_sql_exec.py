"""`sql.exec` and its cursor beyond what the recorded answers cover (S-43 to S-46, S-52, S-55)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emulator.hosts.python.sql_errors import offset_of
from emulator.hosts.python.surface.buffers import ArrayBuffer, Uint8Array
from emulator.hosts.python.surface.errors import JsException
from emulator.hosts.python.surface.values import JsObject, jsnull


@pytest.fixture
def three(rig: Any) -> Any:
    rig.rows("CREATE TABLE t(a INTEGER PRIMARY KEY, b)")
    rig.rows("CREATE INDEX i ON t(b)")
    rig.rows("INSERT INTO t(b) VALUES ('x'), ('y'), ('z')")
    return rig


def test_constructor_names_are_the_ones_the_sdk_looks_for(three: Any) -> None:
    cursor = three.js.sql.exec("SELECT 1")
    assert [value.constructor.name for value in (three.js, three.js.sql, three.js.kv, cursor)] == [
        "DurableObjectStorage",
        "SqlStorage",
        "SyncKvStorage",
        "SqlStorageCursor",
    ]


def test_every_way_of_reading_shares_one_position(three: Any) -> None:
    cursor = three.js.sql.exec("SELECT a, b FROM t")
    first = cursor.next()
    assert (first.done, first.value.a, first.value.b) == (False, 1, "x")
    assert list(next(cursor.raw())) == [2, "y"]
    assert cursor.rowsRead == 2
    assert [row.to_py() for row in cursor.toArray()] == [{"a": 3, "b": "z"}]
    assert cursor.next().to_py() == {"done": True}
    assert list(cursor.toArray()) == []
    assert list(cursor) == []
    assert list(cursor.columnNames) == ["a", "b"]


def test_one_reads_what_is_left_and_only_once(three: Any) -> None:
    cursor = three.js.sql.exec("SELECT a FROM t WHERE a = 1")
    assert cursor.one().a == 1
    with pytest.raises(JsException, match="but got no results"):
        cursor.one()


def test_rows_are_plain_objects_with_javascript_values(rig: Any) -> None:
    row = rig.js.sql.exec("SELECT NULL AS n, x'0102' AS b, 2.0 AS i, 2.5 AS f, 'text' AS s").one()
    assert type(row) is JsObject
    assert row.n is jsnull
    assert isinstance(row.b, ArrayBuffer)
    assert row.b.to_bytes() == b"\x01\x02"
    assert (row.i, type(row.i), row.f, row.s) == (2, int, 2.5, "text")


def test_metering_counts_index_entries(three: Any) -> None:
    assert three.js.sql.exec("INSERT INTO t(b) VALUES (1), (2), (3)").rowsWritten == 6
    assert three.js.sql.exec("DELETE FROM t WHERE b = 1").rowsWritten == 1
    assert three.js.sql.exec("UPDATE t SET b = 0 WHERE a = 99").rowsWritten == 0
    assert three.js.sql.exec("SELECT * FROM t").rowsWritten == 0


def test_an_unread_returning_cursor_does_not_lose_the_turn(three: Any) -> None:
    three.js.sql.exec("INSERT INTO t(b) VALUES ('kept'), ('too') RETURNING a")
    three.storage.commit()
    assert three.rows("SELECT count(*) FROM t WHERE b IN ('kept', 'too')") == [[2]]


def test_a_cursor_left_open_locks_nothing(three: Any) -> None:
    cursor = three.js.sql.exec("SELECT a FROM t")
    cursor.next()
    three.rows("DROP TABLE t")
    three.storage.commit()
    assert [row.a for row in cursor] == [2, 3]


def test_python_buffers_and_views_bind_as_blobs(rig: Any) -> None:
    view = Uint8Array(ArrayBuffer(b"abcdef"), 1, 3)
    values = [b"a", bytearray(b"b"), memoryview(b"c"), view, Uint8Array(b"")]
    (row,) = rig.rows("SELECT ?, ?, ?, ?, ?", *values)
    assert [cell.to_bytes() for cell in row] == [b"a", b"b", b"c", b"bcd", b""]


@pytest.mark.parametrize("value", [2**53, -(2**53), 2**80])
def test_integers_beyond_a_double_are_bigints(rig: Any, value: int) -> None:
    with pytest.raises(JsException) as error:
        rig.rows("SELECT ?", value)
    assert str(error.value) == "TypeError: Cannot convert a BigInt value to a number"
    assert rig.rows("SELECT ?", 2**53 - 1) == [[2**53 - 1]]


def test_lone_surrogates_become_replacement_characters(rig: Any) -> None:
    assert rig.rows("SELECT ?, 'a\udc00'", "\ud83d\ude00\ud83d") == [["😀\ufffd", "a\ufffd"]]
    rig.js.kv.put("k\ud800", 1)
    assert rig.js.kv.get("k\ufffd") == 1


def test_text_that_is_not_utf_8_in_a_returning_write(rig: Any) -> None:
    rig.rows("CREATE TABLE t(a)")
    assert rig.rows("INSERT INTO t VALUES (cast(x'41ff' AS TEXT)) RETURNING a") == [["A\ufffd"]]
    assert rig.rows("SELECT a FROM t") == [["A\ufffd"]]


@pytest.mark.parametrize("query", ["SELECT '{}' IS NULL", "SELECT 1; SELECT '{}' IS NULL"])
def test_the_length_of_the_whole_text_is_limited(rig: Any, query: str) -> None:
    def of_length(size: int) -> str:
        return query.format("x" * (size - len(query) + 2))

    assert rig.rows(of_length(100_000)) == [[0]]
    with pytest.raises(JsException, match=r"^Error: statement too long: SQLITE_TOOBIG$"):
        rig.rows(of_length(100_001))
    with pytest.raises(JsException, match="SQLITE_TOOBIG"):
        rig.rows(query.format("é" * 50_000))


def test_user_code_cannot_ride_on_statements_of_ours(rig: Any) -> None:
    """sqlite3 keeps compiled statements by text; the authorizer must not be skipped for a text of our own."""
    rig.rows("CREATE TABLE t(a)")
    rig.js.kv.put("k", 1)
    rig.storage.commit()
    rig.rows("INSERT INTO t VALUES (1)")
    for query in ("COMMIT", "ROLLBACK", "BEGIN IMMEDIATE"):
        with pytest.raises(JsException, match="To execute a transaction"):
            rig.rows(query)
    with pytest.raises(JsException, match=r"access to _cf_KV\.(value|key) is prohibited"):
        rig.rows("SELECT value FROM main._cf_KV WHERE key = ?", "k")


def test_a_statement_is_judged_again_when_the_schema_changes(rig: Any) -> None:
    rig.js.kv.put("k", 1)
    rig.rows("CREATE TABLE harmless(key)")
    rig.rows("CREATE VIEW v AS SELECT key FROM harmless")
    assert rig.rows("SELECT key FROM v") == []
    rig.rows("DROP VIEW v; CREATE VIEW v AS SELECT key FROM _cf_KV")
    with pytest.raises(JsException, match="prohibited"):
        rig.rows("SELECT key FROM v")


def test_the_wrong_count_of_bindings_has_no_effect(three: Any) -> None:  # S-47
    with pytest.raises(JsException, match="Wrong number of parameter bindings"):
        three.rows("INSERT INTO t(b) VALUES (?)")
    assert three.rows("SELECT count(*) FROM t") == [[3]]


def test_a_null_character_in_the_text_is_an_error(rig: Any) -> None:
    with pytest.raises(JsException, match="null character"):
        rig.rows("SELECT 1\x00")


def test_named_parameters_that_are_missing(rig: Any) -> None:
    with pytest.raises(JsException, match="Wrong number of parameter bindings"):
        rig.rows("SELECT :a, :b", 1)


def test_an_error_is_placed_at_the_token_it_speaks_of(rig: Any) -> None:
    rig.rows("CREATE TABLE t(a, wher)")
    with pytest.raises(JsException, match=r'near "FROM": syntax error at offset 14: SQLITE_ERROR'):
        rig.rows("SELECT a FROM FROM t")
    with pytest.raises(JsException, match=r'near ",": syntax error at offset 15: SQLITE_ERROR'):
        rig.rows("SELECT a, wher,, a FROM t")


def test_an_unknown_message_has_no_offset() -> None:
    assert offset_of("database is locked", "SELECT 1", lambda _: None) is None
    assert offset_of('near "x": syntax error', "SELECT y", lambda _: None) is None


async def test_keyword_arguments_are_the_options_object(rig: Any, make_rig: Callable[..., Any]) -> None:
    rig.js.put(JsObject({"a1": 1, "a2": 2, "b": 3}))
    found = await rig.js.list(prefix="a", limit=1, reverse=True)
    assert found.to_py() == {"a2": 2}
    assert [list(pair) for pair in rig.js.kv.list(start="b")] == [["b", 3]]
