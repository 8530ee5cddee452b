"""Looks into an object's database from outside."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from emulator.errors import UsageError
from emulator.gateway import object_sql


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A database that its writer has open, as a host has."""
    file = tmp_path / "object.sqlite"
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE t (n INTEGER, b BLOB)")
        database.execute("INSERT INTO t VALUES (1, x'6869'), (2, NULL)")
        database.commit()
        yield file


async def test_rows_by_column(path: Path) -> None:
    found = await object_sql.read(path, "SELECT n, b FROM t ORDER BY n")
    assert found == {"columns": ["n", "b"], "rows": [{"n": 1, "b": "aGk="}, {"n": 2, "b": None}], "cut": False}


async def test_too_many_rows_are_cut(path: Path) -> None:
    query = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 5000) SELECT n FROM c"
    found = await object_sql.read(path, query)
    assert (len(found["rows"]), found["cut"]) == (object_sql.MOST_ROWS, True)


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM t",
        "INSERT INTO t VALUES (3, NULL)",
        "DROP TABLE t",
        "ATTACH 'x.db' AS x",
        "PRAGMA user_version = 3",
        "SELECT 1; SELECT 2",
        "nonsense",
    ],
)
async def test_only_reading_is_possible(path: Path, query: str) -> None:
    with pytest.raises(UsageError) as caught:
        await object_sql.read(path, query)
    assert caught.value.code == "E227"
    assert (await object_sql.read(path, "SELECT count(*) AS n FROM t"))["rows"] == [{"n": 2}]


async def test_a_query_without_an_end_is_stopped(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_sql, "WITHIN_S", 0.05)
    with pytest.raises(UsageError, match="did not end within"):
        await object_sql.read(path, "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT max(n) FROM c")
