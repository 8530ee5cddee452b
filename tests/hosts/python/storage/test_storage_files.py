"""The file of an object: layout, broken files, and few open ones for many objects (design.md 4.2)."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.errors import StartError
from emulator.hosts.python.storage import OpenFiles


def test_nothing_is_opened_before_the_first_use(rig: Any) -> None:
    assert not rig.path.exists()
    assert len(rig.files) == 0


async def test_the_layout_is_the_one_of_wrangler(rig: Any) -> None:
    rig.storage.name = "lobby"
    rig.storage.write_name()
    rig.js.put("k", 5)
    rig.js.setAlarm(4_102_444_800_000)
    rig.storage.commit()
    rig.storage.close()
    with sqlite3.connect(rig.path) as file:
        assert file.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert file.execute("PRAGMA page_size").fetchone() == (4096,)
        tables = dict(file.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall())
        assert {name: " ".join(sql.split()) for name, sql in tables.items()} == {
            "__miniflare_do_name": "CREATE TABLE __miniflare_do_name (id INTEGER PRIMARY KEY, name TEXT)",
            "_cf_KV": "CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID",
            "_cf_METADATA": "CREATE TABLE _cf_METADATA (key INTEGER PRIMARY KEY, value BLOB)",
        }
        assert file.execute("SELECT * FROM __miniflare_do_name").fetchall() == [(1, "lobby")]
        assert file.execute("SELECT * FROM _cf_KV").fetchall() == [("k", bytes.fromhex("ff0f490a"))]
    assert rig.reopen().storage.read_name() == "lobby"


def test_writing_a_known_name_again_is_no_write(rig: Any) -> None:
    rig.storage.name = "lobby"
    rig.storage.write_name()
    rig.storage.commit()
    rig.storage.write_name()
    assert not rig.storage.is_dirty


async def test_a_file_that_is_no_database_hurts_only_its_object(make_rig: Callable[..., Any]) -> None:
    broken, healthy = make_rig("broken"), make_rig("healthy")
    broken.path.write_bytes(b"this is not a database, whatever its name says" * 100)
    with pytest.raises(StartError) as failure:
        broken.js.get("k")
    assert failure.value.where == str(broken.path)
    assert f"mv '{broken.path}'" in (failure.value.hint or "")
    assert failure.value.code == "E350"
    healthy.js.put("k", 1)
    healthy.storage.commit()
    assert await healthy.js.get("k") == 1
    assert len(broken.files) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path, make_rig: Callable[..., Any]) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StartError, match="cannot be opened"):
            make_rig().js.get("k")
    finally:
        tmp_path.chmod(0o700)


def test_a_path_that_is_a_folder(make_rig: Callable[..., Any]) -> None:
    rig = make_rig()
    rig.path.mkdir()
    with pytest.raises(StartError) as failure:
        rig.js.get("k")
    assert failure.value.code == "E351"


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors through /proc")
async def test_many_objects_share_few_open_files(make_rig: Callable[..., Any]) -> None:
    files = OpenFiles(limit=8)
    before = open_descriptors()
    rigs = [make_rig(f"object{number}", files=files) for number in range(100)]
    for number, rig in enumerate(rigs):
        rig.js.put("n", number)
        rig.storage.commit()
        assert len(files) <= 8
    assert open_descriptors() - before <= 8 * 3  # file, WAL and shared memory
    assert [await rig.js.get("n") for rig in rigs] == list(range(100))
    assert len(files) == 8


async def test_objects_in_a_turn_keep_their_file_open(make_rig: Callable[..., Any]) -> None:
    files = OpenFiles(limit=2)
    rigs = [make_rig(f"object{number}", files=files) for number in range(6)]
    for number, rig in enumerate(rigs):
        rig.js.put("n", number)  # all of them in the middle of a turn
    assert len(files) == 6
    for rig in rigs:
        rig.storage.commit()
    assert [await rig.js.get("n") for rig in rigs] == list(range(6))
    assert len(files) == 2


def test_settings_survive_closing_and_reopening(rig: Any) -> None:
    rig.rows("PRAGMA foreign_keys = off")
    rig.rows("PRAGMA case_sensitive_like = on")
    rig.rows("PRAGMA defer_foreign_keys = on")  # this one ends with its transaction
    rig.storage.close()
    assert rig.rows("PRAGMA foreign_keys") == [[0]]
    assert rig.rows("SELECT 'a' LIKE 'A'") == [[0]]
    assert rig.rows("PRAGMA defer_foreign_keys") == [[0]]
    assert rig.reopen().rows("PRAGMA foreign_keys") == [[1]]  # a new instance starts with the default


def test_a_setting_sqlite_ignored_is_not_made_later(rig: Any) -> None:
    rig.rows("CREATE TABLE t(a)")
    rig.rows("PRAGMA foreign_keys = off")  # inside the turn's transaction
    rig.storage.commit()
    rig.storage.close()
    assert rig.rows("PRAGMA foreign_keys") == [[1]]


def test_delete_all_gives_the_space_back(rig: Any) -> None:
    rig.rows("CREATE TABLE t(a)")
    rig.rows("INSERT INTO t VALUES (zeroblob(1000000))")
    rig.storage.commit()
    assert rig.js.sql.databaseSize > 1_000_000
    rig.js.deleteAll()
    assert rig.js.sql.databaseSize <= 4096


def test_the_log_does_not_grow_with_every_opening(rig: Any) -> None:
    """Hibernating objects open their file again and again, and whoever opens it reads the whole log."""
    rig.rows("CREATE TABLE t(a)")
    longest = 0
    for number in range(200):
        rig.rows(f"INSERT INTO t VALUES ({number})")
        rig.storage.commit()
        rig.storage.close()
        log = rig.path.with_name(f"{rig.path.name}-wal")
        longest = max(longest, log.stat().st_size if log.exists() else 0)
    assert longest < 300 * 1024
    assert rig.rows("SELECT count(*) FROM t") == [[200]]
