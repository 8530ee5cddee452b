"""What is listed: objects in memory from the host, all others from their files, without opening any of them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from emulator.core.ids import Namespace
from emulator.gateway.object_files import ObjectFiles
from emulator.gateway.objects import ObjectBook

API = "/cdn-cgi/emu/api/"


def make_object(state: Path, worker: str, class_name: str, name: str, *, named: bool = True) -> tuple[str, Path]:
    """Id and file of an object that some runtime left on disk."""
    ident = Namespace.of(worker, class_name).id_from_name(name)
    path = state / "v3" / "do" / f"{worker}-{class_name}" / f"{ident}.sqlite"
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE t (x)")
        if named:
            database.execute("CREATE TABLE __miniflare_do_name (id INTEGER PRIMARY KEY, name TEXT)")
            database.execute("INSERT INTO __miniflare_do_name VALUES (1, ?)", (name,))
        database.commit()
    return ident, path


async def test_files_of_this_worker_and_their_names(tmp_path: Path) -> None:
    named, path = make_object(tmp_path, "t", "Echo", "a name")
    nameless, _ = make_object(tmp_path, "t", "Echo", "b", named=False)
    make_object(tmp_path, "t-more", "Echo", "another worker's")
    broken = path.with_name(Namespace.of("t", "Echo").id_from_name("broken") + ".sqlite")
    broken.write_text("no database at all, though it is long enough to have a head")
    for other in (path.with_name("metadata.sqlite"), path.with_name("ab" * 32 + ".sqlite"), path.with_name(f"{named}.1.sqlite")):
        other.write_bytes(path.read_bytes())
    before = sorted(path.parent.iterdir())
    files = ObjectFiles(tmp_path, "t")
    assert await files.all(()) == {("Echo", named): "a name", ("Echo", nameless): None, ("Echo", broken.stem): None}
    assert sorted(path.parent.iterdir()) == before, "nothing was made by looking"


async def test_a_name_that_is_still_in_the_log_is_read(tmp_path: Path) -> None:
    ident, path = make_object(tmp_path, "t", "Echo", "a", named=False)
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE __miniflare_do_name (id INTEGER PRIMARY KEY, name TEXT)")
        database.execute("INSERT INTO __miniflare_do_name VALUES (1, 'a')")
        database.commit()
        assert await ObjectFiles(tmp_path, "t").all(()) == {("Echo", ident): "a"}


async def test_without_a_folder_there_are_none(tmp_path: Path) -> None:
    assert await ObjectFiles(tmp_path, "t").all(()) == {}


def test_the_book_forgets_what_is_not_in_memory() -> None:
    book = ObjectBook()
    for name, state, sockets in (("a", "active", 0), ("b", "hibernated", 1), ("c", "idle", 2), ("d", "inactive", 0)):
        book.note({"op": "object", "class": "Echo", "id": name, "name": name, "state": state, "generation": 1, "sockets": sockets})
    assert [row["id"] for row in book.all()] == ["a", "b", "c"]
    book.note({"op": "object", "class": "Echo", "id": "b", "name": "b", "state": "inactive", "generation": 1, "sockets": 0})
    book.host_ended()
    assert [(row["id"], row["state"]) for row in book.all()] == [("c", "hibernated")]


async def test_objects_on_disk_are_listed(serve: Any, make_project: Any, client: aiohttp.ClientSession, tmp_path: Path) -> None:
    root = make_project(tmp_path / "project")
    ident, _ = make_object(root / ".wrangler" / "state", "t", "Echo", "sleeper")
    server = serve(root)
    async with client.ws_connect(server.url + "/ws"), client.get(server.url + API + "objects") as response:
        rows = (await response.json())["objects"]
    assert [(row["name"], row["state"], row["sockets"]) for row in rows] == [("a", "active", 1), ("sleeper", "inactive", 0)]
    assert rows[1] == {
        "class": "Echo",
        "id": ident,
        "name": "sleeper",
        "state": "inactive",
        "sockets": 0,
        "alarm_ms": None,
        "generation": 0,
    }


@pytest.mark.parametrize(("method", "verb", "status"), [("GET", "awake", 200), ("POST", "abort", 404)])
async def test_an_object_that_is_not_in_memory(server: Any, client: aiohttp.ClientSession, method: str, verb: str, status: int) -> None:
    async with client.request(method, f"{server.url}{API}objects/Echo/nobody/{verb}") as response:
        answer = await response.json()
    assert response.status == status
    if verb == "awake":
        assert answer == []
    else:
        assert answer["error"]["code"] == "E228"


async def test_digits_of_other_scripts_are_no_numbers(server: Any, client: aiohttp.ClientSession) -> None:
    async with client.post(f"{server.url}{API}sockets/%C2%B2/drop", json={}) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (404, "E228")
    async with client.get(server.url + "/cdn-cgi/handler/scheduled?time=%C2%B2") as response:
        assert response.status == 200
