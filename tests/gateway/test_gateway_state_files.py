"""Snapshots on files: what a manifest may say, which projects one fits, consistent copies, and an exchange that is cut off anywhere."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from emulator.config import Migration
from emulator.core.alarms import AlarmKey
from emulator.core.ids import Namespace
from emulator.errors import StartError, UsageError
from emulator.gateway.snapshots import databases, fit, swap
from emulator.gateway.snapshots import manifest as manifests
from emulator.gateway.snapshots.library import SnapshotLibrary
from emulator.gateway.snapshots.scope import ALL, Scope, parse_scope
from emulator.gateway.snapshots.snapshots import Snapshots
from emulator.gateway.state_lock import StateLock

SHAPE = fit.Shape("shop", {"Chat": "sqlite", "Cart": "sqlite"}, (Migration("v1", created=frozenset(("Chat", "Cart"))),))
ALARM_MS = 1_800_000_000_000
Objects = dict[tuple[str, str], tuple[str, int | None]]


def ident(class_name: str, name: str) -> str:
    return Namespace.of("shop", class_name).id_from_name(name)


def folder_of(state: Path, class_name: str) -> Path:
    return state / "v3" / "do" / f"shop-{class_name}"


def write_object(state: Path, class_name: str, name: str, text: str, alarm_ms: int | None = None, facet: str | None = None) -> Path:
    """An object as a host leaves it when it is killed: what it wrote last is in the log beside the file."""
    path = folder_of(state, class_name) / f"{ident(class_name, name)}.sqlite"
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, name, text, alarm_ms)
    if facet is not None:
        path.with_suffix(".facets").write_bytes(b"an index of facets")
        _write(path.with_suffix(".1.sqlite"), None, facet, None)
    return path


def _write(path: Path, name: str | None, text: str, alarm_ms: int | None) -> None:
    draft = path.with_name("draft")
    with closing(sqlite3.connect(draft, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE t (x)")
        database.execute("INSERT INTO t VALUES ('deleted-secret')")
        database.execute("DELETE FROM t")
        database.execute("INSERT INTO t VALUES (?)", (text,))
        if name is not None:
            database.execute("CREATE TABLE __miniflare_do_name (id INTEGER PRIMARY KEY, name TEXT)")
            database.execute("INSERT INTO __miniflare_do_name VALUES (1, ?)", (name,))
        if alarm_ms is not None:
            database.execute("CREATE TABLE _cf_METADATA (key INTEGER PRIMARY KEY, value BLOB)")
            database.execute("INSERT INTO _cf_METADATA VALUES (1, ?)", (alarm_ms * 1_000_000,))
        # While it is open: closing it would fold the log in.
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{draft}{suffix}", f"{path}{suffix}")
    draft.unlink()


def read_object(path: Path) -> str:
    with closing(sqlite3.connect(path)) as database:
        return str(database.execute("SELECT x FROM t").fetchone()[0])


def state_as_is(state: Path) -> Objects:
    """What is stored by whom, and the alarm that the index has."""
    found: Objects = {}
    for class_name in ("Chat", "Cart"):
        rows: dict[str, int] = {}
        index = folder_of(state, class_name) / "metadata.sqlite"
        if index.exists():
            with closing(sqlite3.connect(index)) as database:
                rows = {key: time_ns // 1_000_000 for key, time_ns in database.execute("SELECT actor_id, scheduled_time FROM _cf_ALARM")}
        for path in sorted(folder_of(state, class_name).glob("*.sqlite")):
            if len(path.stem) == 64:
                found[class_name, path.stem] = (read_object(path), rows.pop(path.stem, None))
        assert rows == {}, "no alarm of an object that is not there"
    return found


def snapshots(tmp_path: Path, shape: fit.Shape = SHAPE) -> Snapshots:
    return Snapshots(SnapshotLibrary(tmp_path / "fixtures" / "state"), tmp_path / "state", lambda: shape, lambda: 1_000, lambda: None)


def save(found: Snapshots, name: str, scope: Scope = ALL, *, replace: bool = False) -> manifests.Manifest:
    with found.library.draft(name, replace=replace) as draft:
        found.copy(draft, scope)
        return found.describe_draft(draft, scope)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    state = tmp_path / "state"
    write_object(state, "Chat", "alice", "first", ALARM_MS, facet="of alice")
    write_object(state, "Chat", "bob", "second")
    write_object(state, "Cart", "alice", "third")
    return state


def test_what_is_saved_is_loaded_again(tmp_path: Path, state: Path) -> None:
    found = snapshots(tmp_path)
    save(found, "one")
    folder = found.library.path("one")
    assert not list(folder.rglob("*-wal")), "files without a log"
    assert not any(b"deleted-secret" in path.read_bytes() for path in folder.rglob("*.sqlite")), "what was deleted is not committed"
    (row,) = found.all()
    assert (row["objects"], row["alarms"], row["classes"], row["problem"]) == (3, 1, {"Chat": 2, "Cart": 1}, None)
    alice = write_object(state, "Chat", "alice", "changed")
    write_object(state, "Chat", "carol", "new", ALARM_MS + 1)
    change = found.prepare_load("one", None)
    assert read_object(alice) == "changed", "nothing is touched yet"
    assert change.alarms == {AlarmKey("Chat", ident("Chat", "alice")): (ALARM_MS, "alice")}
    assert found.apply(change) == 4
    assert state_as_is(state) == {
        ("Chat", ident("Chat", "alice")): ("first", ALARM_MS),
        ("Chat", ident("Chat", "bob")): ("second", None),
        ("Cart", ident("Cart", "alice")): ("third", None),
    }
    assert read_object(alice.with_suffix(".1.sqlite")) == "of alice"
    assert alice.with_suffix(".facets").read_bytes() == b"an index of facets"


def test_the_same_state_gives_the_same_bytes(tmp_path: Path, state: Path) -> None:
    found = snapshots(tmp_path)
    save(found, "one")
    save(found, "two")
    files = [{path.name: path.read_bytes() for path in found.library.path(name).rglob("*.*")} for name in ("one", "two")]
    assert files[0] == files[1]


@pytest.mark.parametrize(("scope", "left"), [("Chat", {"third"}), ("Chat/bob", {"first", "third"})])
def test_reset_of_a_part(tmp_path: Path, state: Path, scope: str, left: set[str]) -> None:
    found = snapshots(tmp_path)
    meant = parse_scope("shop", None, scope) if "/" in scope else Scope(scope)
    found.apply(found.prepare_reset(meant))
    assert {text for text, _ in state_as_is(state).values()} == left


def test_a_part_of_a_snapshot_leaves_the_rest(tmp_path: Path, state: Path) -> None:
    found = snapshots(tmp_path)
    save(found, "one")
    for name in ("alice", "bob"):
        write_object(state, "Chat", name, f"changed {name}")
    found.apply(found.prepare_load("one", parse_scope("shop", "Chat", "bob")))
    assert {text for text, _ in state_as_is(state).values()} == {"changed alice", "second", "third"}


def test_row_ids_stay(tmp_path: Path) -> None:
    source, target = tmp_path / "a.sqlite", tmp_path / "b.sqlite"
    with closing(sqlite3.connect(source)) as database:
        database.execute("CREATE TABLE t (x)")
        database.executemany("INSERT INTO t VALUES (?)", [(number,) for number in range(9)])
        database.execute("DELETE FROM t WHERE x < 5")
        database.commit()
    databases.copy(source, target)
    with closing(sqlite3.connect(target)) as database:
        assert database.execute("SELECT rowid, x FROM t").fetchall() == [(6, 5), (7, 6), (8, 7), (9, 8)]


@pytest.mark.parametrize("name", ["", ".", "..", "../up", "a/b", "a\\b", "/etc", ".hidden", "end.", "a\x00", "ä", "x" * 101, None, 3])
def test_names_that_are_no_folder_of_ours(tmp_path: Path, name: Any) -> None:
    with pytest.raises(UsageError) as caught:
        SnapshotLibrary(tmp_path).check_name(name)
    assert caught.value.code == "E260"


def test_a_name_that_comes_near(tmp_path: Path, state: Path) -> None:
    found = snapshots(tmp_path)
    save(found, "before-refund")
    with pytest.raises(UsageError) as missing:
        found.library.read("before-refunds")
    assert (missing.value.code, missing.value.hint) == ("E261", "did you mean before-refund?")
    with pytest.raises(UsageError) as taken:
        save(found, "before-refund")
    assert taken.value.code == "E262"
    save(found, "before-refund", replace=True)


@pytest.mark.parametrize(
    ("shape", "code", "words"),
    [
        (fit.Shape("store", SHAPE.classes, SHAPE.migrations), "E264", 'this project is "store"'),
        (fit.Shape("shop", {"Cart": "sqlite"}, SHAPE.migrations), "E265", "which this project does not have"),
        (fit.Shape("shop", {**SHAPE.classes, "Chat": "legacy"}, SHAPE.migrations), "E265", "stores as legacy now"),
        (
            fit.Shape("shop", {"Talk": "sqlite", "Cart": "sqlite"}, (*SHAPE.migrations, Migration("v2", renamed={"Chat": "Talk"}))),
            "E265",
            'the migration "v2" has renamed to Talk',
        ),
        (
            fit.Shape("shop", SHAPE.classes, (*SHAPE.migrations, Migration("v2", deleted=frozenset(("Chat",))))),
            "E265",
            'the migration "v2" has deleted',
        ),
        (fit.Shape("shop", SHAPE.classes, ()), "E266", 'after the migration "v1"'),
    ],
)
def test_a_changed_project(tmp_path: Path, state: Path, shape: fit.Shape, code: str, words: str) -> None:
    save(snapshots(tmp_path), "one")
    before = state_as_is(state)
    with pytest.raises(UsageError) as caught:
        snapshots(tmp_path, shape).prepare_load("one", None)
    assert caught.value.code == code
    assert words in caught.value.what
    assert caught.value.hint
    (row,) = snapshots(tmp_path, shape).all()
    assert row["problem"]["code"] == code
    assert state_as_is(state) == before
    assert not (state / swap.SWAP).exists()


def test_a_later_migration_that_only_adds_is_no_change(tmp_path: Path, state: Path) -> None:
    save(snapshots(tmp_path), "one")
    later = fit.Shape("shop", {**SHAPE.classes, "More": "sqlite"}, (*SHAPE.migrations, Migration("v2", created=frozenset(("More",)))))
    assert snapshots(tmp_path, later).prepare_load("one", None).objects == 3


def _edit(change: Any) -> Any:
    def edit(folder: Path) -> None:
        path = folder / "manifest.json"
        data = json.loads(path.read_text())
        change(data)
        path.write_text(json.dumps(data))

    return edit


def _link(folder: Path) -> None:
    path = folder / "Chat" / f"{ident('Chat', 'bob')}.sqlite"
    target = folder.parent / "elsewhere"
    path.rename(target)
    path.symlink_to(target)


def _junk(folder: Path) -> None:
    """A file whose checksum is right, and which is no database."""
    path = folder / "Chat" / f"{ident('Chat', 'bob')}.sqlite"
    path.write_bytes(b"no database " * 100)
    saved = {"bytes": 1200, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    _edit(lambda data: next(row for row in data["objects"] if row["name"] == "bob")["files"].update(sqlite=saved))(folder)


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "E263"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "E263"),
        (lambda folder: (folder / "manifest.json").write_bytes(b"\xff"), "E263"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "E263"),
        (_edit(lambda data: data.update(version=2)), "E266"),
        (_edit(lambda data: data.pop("objects")), "E263"),
        (_edit(lambda data: data["objects"][0].update({"class": "../../up"})), "E263"),
        (_edit(lambda data: data["objects"][0].update(id="../" + "a" * 61)), "E263"),
        (_edit(lambda data: data["objects"][0]["files"].update({"../x": {"bytes": 1, "sha256": "0" * 64}})), "E263"),
        (_edit(lambda data: data["objects"][0]["files"].clear()), "E263"),
        (_edit(lambda data: data.update(scope={"class": 3, "object": None})), "E263"),
        (_edit(lambda data: data.update(classes={})), "E263"),
        (lambda folder: next(folder.glob("Chat/*.sqlite")).unlink(), "E263"),
        (lambda folder: next(folder.glob("Chat/*.sqlite")).write_bytes(b"version https://git-lfs"), "E263"),
        (_link, "E263"),
        (_junk, "E263"),
    ],
)
def test_a_damaged_snapshot(tmp_path: Path, state: Path, damage: Any, code: str) -> None:
    found = snapshots(tmp_path)
    save(found, "one")
    damage(found.library.path("one"))
    before = state_as_is(state)
    with pytest.raises(UsageError) as caught:
        found.prepare_load("one", None)
    assert (caught.value.code, bool(caught.value.hint)) == (code, True)
    assert state_as_is(state) == before
    assert not (state / swap.SWAP).exists()


@pytest.mark.parametrize("scope", [parse_scope("shop", "Chat", "nobody"), Scope("Nothing")])
def test_what_is_not_there_is_neither_saved_nor_loaded_nor_reset(tmp_path: Path, state: Path, scope: Scope) -> None:
    found = snapshots(tmp_path)
    save(found, "one")
    for act in (lambda: save(found, "two", scope), lambda: found.prepare_load("one", scope), lambda: found.prepare_reset(scope)):
        with pytest.raises(UsageError) as caught:
            act()
        assert caught.value.code == "E267"
    assert found.library.names() == ["one"]


class Killed(BaseException):
    """The process ends here."""


@contextmanager
def killed_at(monkeypatch: pytest.MonkeyPatch, step: int) -> Iterator[None]:
    """End at the step-th call that changes something on disk."""
    count = 0
    with monkeypatch.context() as patch:

        def counting(module: Any, name: str) -> None:
            real = getattr(module, name)

            def call(*arguments: Any, **options: Any) -> Any:
                nonlocal count
                count += 1
                if count == step:
                    raise Killed
                return real(*arguments, **options)

            patch.setattr(module, name, call)

        for module, name in ((os, "rename"), (os, "replace"), (Path, "unlink"), (shutil, "rmtree"), (swap.alarm_rows, "replace")):
            counting(module, name)
        yield


def test_an_exchange_that_is_cut_off_anywhere_is_all_old_or_all_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = set()
    for step in range(1, 60):
        root = tmp_path / str(step)
        state = root / "state"
        write_object(state, "Chat", "alice", "new", ALARM_MS, facet="new facet")
        write_object(state, "Cart", "alice", "new too")
        found = snapshots(root)
        save(found, "one")
        new = {key: (text, ALARM_MS if text == "new" else None) for key, (text, _) in state_as_is(state).items()}
        shutil.rmtree(state)
        write_object(state, "Chat", "alice", "old")
        write_object(state, "Chat", "bob", "old", ALARM_MS + 5)
        swap.alarm_rows.replace(folder_of(state, "Chat") / "metadata.sqlite", None, [(ident("Chat", "bob"), ALARM_MS + 5, "bob")])
        shutil.copytree(state, root / "before")
        old = state_as_is(root / "before")
        change = found.prepare_load("one", None)
        try:
            with killed_at(monkeypatch, step):
                found.apply(change)
        except Killed:
            with StateLock(state):  # the next start
                pass
            assert state_as_is(state) in (old, new), step
            assert not (state / swap.SWAP).exists()
            ends.add("old" if state_as_is(state) == old else "new")
            continue
        assert state_as_is(state) == new
        break
    else:
        raise AssertionError("it never ended")
    assert ends == {"old", "new"}
    assert step > 8


def test_an_exchange_that_cannot_be_finished_stops_the_start(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = snapshots(tmp_path)
    change = found.prepare_reset(ALL)
    with pytest.raises(Killed), killed_at(monkeypatch, 2):
        found.apply(change)
    journal = state / swap.SWAP / "journal.json"
    kept = journal.read_text()
    journal.write_text("{")
    with pytest.raises(StartError) as caught, StateLock(state):
        pass
    assert caught.value.code == "E324"
    journal.write_text(kept)
    with StateLock(state):
        assert state_as_is(state) == {}


def test_no_exchange_begins_before_the_one_that_was_cut_off_is_finished(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has not put in its place is nowhere else."""
    found = snapshots(tmp_path)
    before = state_as_is(state)
    save(found, "all")
    with StateLock(state):
        found.apply(found.prepare_reset(ALL))
    with pytest.raises(Killed), killed_at(monkeypatch, 3):
        found.apply(found.prepare_load("all", None))
    for begin in (lambda: found.prepare_load("all", Scope("Chat")), lambda: found.prepare_reset(ALL)):
        with pytest.raises(StartError) as caught:
            begin()
        assert caught.value.code == "E324" and "not finished" in caught.value.what
    with StateLock(state):
        assert {key: text for key, (text, _) in state_as_is(state).items()} == {key: text for key, (text, _) in before.items()}


def test_a_replacement_that_is_cut_off_keeps_one_of_both(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = snapshots(tmp_path)
    save(found, "one")
    real = os.rename

    def once(source: Any, target: Any) -> None:
        if str(source).endswith(".draft"):
            raise Killed
        real(source, target)

    with pytest.raises(Killed), monkeypatch.context() as patch:
        patch.setattr(os, "rename", once)
        save(found, "one", replace=True)
    assert found.library.names() == ["one"]
    assert found.prepare_load("one", None).objects == 3
