"""Splitting SQL text into statements and knowing what each needs."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.hosts.python.sql_text import split, tokenize


def texts(query: str) -> list[str]:
    return [statement.text for statement in split(query).statements]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1; SELECT 2;", ["SELECT 1;", "SELECT 2;"]),
        (" ;; SELECT 1", [";; SELECT 1"]),
        ("SELECT ';' ; SELECT \";\", [;], `;` -- ;\n, 2", ["SELECT ';' ;", 'SELECT ";", [;], `;` -- ;\n, 2']),
        ("SELECT 'it''s; fine'; SELECT /* ; */ 2", ["SELECT 'it''s; fine';", "SELECT /* ; */ 2"]),
        (
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; SELECT CASE WHEN 1 THEN 2 END; END; SELECT 3",
            ["CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; SELECT CASE WHEN 1 THEN 2 END; END;", "SELECT 3"],
        ),
        ("EXPLAIN CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END; SELECT 3", None),
        ("CREATE TABLE trigger_log(a); SELECT 1", ["CREATE TABLE trigger_log(a);", "SELECT 1"]),
        ("DROP TRIGGER t; SELECT 1", ["DROP TRIGGER t;", "SELECT 1"]),
    ],
)
def test_statements_end_where_sqlite_ends_them(query: str, expected: list[str] | None) -> None:
    found = texts(query)
    assert found == (expected if expected is not None else [query[: -len(" SELECT 3")], "SELECT 3"])


@pytest.mark.parametrize(
    ("query", "complete"),
    [("SELECT 1", True), ("SELECT 1; \n", True), ("SELECT 1; -- x", False), ("SELECT 1;;", False), ("", False), ("-- x", False)],
)
def test_what_is_left_over(query: str, complete: bool) -> None:
    assert split(query).complete is complete


@pytest.mark.parametrize(
    ("query", "count", "names"),
    [
        ("SELECT 1", 0, ()),
        ("SELECT ?, ?", 2, ()),
        ("SELECT ?3", 3, ()),
        ("SELECT ?2, ?, ?1", 3, ()),
        ("SELECT :a, @b, $c, :a", 3, (":a", "@b", "$c")),
        ("SELECT '?', \"?\", `?`, -- ?\n /* ? */ ?", 1, ()),
        ("SELECT x'00', ?", 1, ()),
    ],
)
def test_parameters(query: str, count: int, names: tuple[str, ...]) -> None:
    (statement,) = split(query).statements
    assert (statement.parameters, statement.names) == (count, names)


@pytest.mark.parametrize(
    ("query", "verb", "writes", "table"),
    [
        ("select 1", "select", False, None),
        ("VALUES (1)", "values", False, None),
        ("WITH x AS (SELECT 1) SELECT * FROM x", "select", False, None),
        ("WITH x AS (DELETE_ME) INSERT INTO t SELECT 1", "insert", True, "t"),
        ('INSERT OR REPLACE INTO main."my t" VALUES (1)', "insert", True, "my t"),
        ("UPDATE OR IGNORE t SET a = 1", "update", True, "t"),
        ("DELETE FROM t", "delete", True, "t"),
        ("REPLACE INTO t VALUES (1)", "replace", True, "t"),
        ("CREATE TABLE t(a)", "create", True, None),
        ("EXPLAIN INSERT INTO t VALUES (1)", "explain", False, None),
        ("PRAGMA foreign_keys = off", "pragma", False, None),
        ("COMMIT", "commit", False, None),
        ("nonsense", "nonsense", True, None),
    ],
)
def test_what_a_statement_does(query: str, verb: str, writes: bool, table: str | None) -> None:
    (statement,) = split(query).statements
    assert (statement.verb, statement.writes, statement.table) == (verb, writes, table)


def test_settings_and_new_names() -> None:
    assert split("PRAGMA main.Foreign_Keys = off").statements[0].setting == "foreign_keys"
    assert split("PRAGMA table_info(t)").statements[0].setting == "table_info"
    assert split("PRAGMA foreign_keys").statements[0].setting is None
    assert split('ALTER TABLE t RENAME TO "_cf_X"').statements[0].new_name == "_cf_x"
    assert split("ALTER TABLE t RENAME COLUMN a TO b").statements[0].new_name is None


@given(st.text(alphabet="a1 ;'\"`[]-/*\n?:@$#x.()=<>|é\x00", max_size=40))
def test_every_character_lands_in_one_token_or_in_space(text: str) -> None:
    position = 0
    for token in tokenize(text):
        assert token.start >= position
        assert text[token.start : token.end] == token.text
        position = token.end


@given(st.lists(st.sampled_from(["SELECT ", "1", ";", "'a;b'", "-- ;\n", "/* ; */", " ", '"x;"', "?"]), max_size=12))
def test_split_loses_no_text_and_agrees_with_sqlite_on_completeness(parts: list[str]) -> None:
    text = "".join(parts)
    query = split(text)
    for statement in query.statements[:-1]:
        assert sqlite3.complete_statement(statement.text)
    remaining = text
    for statement in query.statements:
        at = remaining.index(statement.text)
        assert not remaining[:at].strip()
        remaining = remaining[at + len(statement.text) :]
