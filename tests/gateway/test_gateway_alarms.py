"""The alarm clock with its index on disk, over real processes: firing, retries, restarts, reconciliation (durable-objects.md 4)."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from emulator.core.ids import Namespace

ID = Namespace.of("t", "Echo").id_from_name("a")


async def get(client: aiohttp.ClientSession, server: Any, path: str) -> str:
    async with client.get(server.url + path) as response:
        assert response.status == 200
        return await response.text()


async def runs(client: aiohttp.ClientSession, server: Any) -> list[dict[str, Any]]:
    return json.loads(await get(client, server, "/state"))["alarms"]


def objects(server: Any) -> Path:
    return server.root / ".wrangler" / "state" / "v3" / "do" / "t-Echo"


def index(server: Any) -> list[tuple[str, int, str | None]]:
    with closing(sqlite3.connect(objects(server) / "metadata.sqlite")) as database:
        return database.execute("SELECT actor_id, scheduled_time, actor_name FROM _cf_ALARM").fetchall()


def object_database(server: Any, alarm_ms: int | None) -> None:
    """An object's own database, as the host leaves it."""
    objects(server).mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(objects(server) / f"{ID}.sqlite")) as database:
        database.execute("CREATE TABLE IF NOT EXISTS _cf_METADATA (key INTEGER PRIMARY KEY, value BLOB)")
        database.execute("CREATE TABLE IF NOT EXISTS __miniflare_do_name (id INTEGER PRIMARY KEY, name TEXT)")
        database.execute("REPLACE INTO _cf_METADATA VALUES (1, ?)", [None if alarm_ms is None else alarm_ms * 1_000_000])
        database.execute("REPLACE INTO __miniflare_do_name VALUES (1, 'a')")
        database.commit()


async def test_an_alarm_is_on_disk_when_it_is_acknowledged_and_fires_in_time(serve: Any, client: aiohttp.ClientSession, until: Any) -> None:
    server = serve()
    due = int(await get(client, server, "/alarm/700"))
    assert index(server) == [(ID, due * 1_000_000, "a")]
    assert await runs(client, server) == []

    async def ran() -> bool:
        return bool(await runs(client, server))

    await until(ran)
    assert time.time() * 1000 >= due
    assert await runs(client, server) == [{"class": "Echo", "id": ID, "name": "a", "scheduled_ms": due, "retry": 0}]
    await until(lambda: index(server) == [])


async def test_an_overdue_alarm_fires_at_once(serve: Any, client: aiohttp.ClientSession, until: Any) -> None:
    server = serve()
    await get(client, server, "/alarm/-5000")

    async def ran() -> bool:
        return bool(await runs(client, server))

    await until(ran)


async def test_a_failed_alarm_is_retried_with_its_first_time(serve: Any, client: aiohttp.ClientSession, until: Any) -> None:
    server = serve()
    await get(client, server, "/outcome/failed")
    due = int(await get(client, server, "/alarm/0"))

    async def twice() -> bool:
        return len(await runs(client, server)) == 2

    await until(twice)
    assert [(run["scheduled_ms"], run["retry"]) for run in await runs(client, server)] == [(due, 0), (due, 1)]
    assert index(server) == [(ID, due * 1_000_000, "a")]


async def test_a_host_that_dies_in_the_handler_is_no_counted_failure(serve: Any, client: aiohttp.ClientSession, until: Any) -> None:
    server = serve()
    await get(client, server, "/outcome/die")
    await get(client, server, "/alarm/1000")

    async def ran_on_the_next() -> bool:
        async with client.get(server.url + "/state") as response:
            # A question to the host that dies gets a 500.
            return response.status == 200 and [run["retry"] for run in (await response.json(content_type=None))["alarms"]] == [0]

    await until(ran_on_the_next)


async def test_alarms_survive_kill_9_of_the_gateway(serve: Any, client: aiohttp.ClientSession, until: Any) -> None:
    server = serve()
    due = int(await get(client, server, "/alarm/600"))
    server.end(signal.SIGKILL)
    await asyncio.sleep(0.7)
    object_database(server, due)
    server.again()

    async def ran() -> bool:
        return bool(await runs(client, server))

    await until(ran)
    assert [(run["scheduled_ms"], run["name"], run["retry"]) for run in await runs(client, server)] == [(due, "a", 0)]


async def test_after_an_unclean_stop_the_objects_own_value_wins(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve()
    await get(client, server, "/alarm/3600000")
    server.end(signal.SIGKILL)
    later = (int(time.time()) + 7200) * 1000
    object_database(server, later)
    server.again()
    assert index(server) == [(ID, later * 1_000_000, "a")]
    assert json.loads(await get(client, server, "/cdn-cgi/emu/api/alarms"))["alarms"] == [
        {"class": "Echo", "id": ID, "name": "a", "time_ms": later, "retry": 0, "retry_ms": None, "running": False}
    ]
    server.end(signal.SIGKILL)
    object_database(server, None)
    server.again()
    assert index(server) == []


async def test_a_start_that_fails_leaves_the_reconciliation_to_the_next(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve()
    await get(client, server, "/alarm/3600000")
    server.end(signal.SIGKILL)
    later = (int(time.time()) + 7200) * 1000
    object_database(server, later)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(AssertionError, match="E301"):
            serve(server.root, port=str(taken.getsockname()[1]), strict_port=True)
    server.again()
    assert index(server) == [(ID, later * 1_000_000, "a")]


async def test_an_alarm_that_a_host_committed_and_could_not_tell_of_is_found_after_its_crash(
    serve: Any, client: aiohttp.ClientSession, until: Any
) -> None:
    server = serve()
    await get(client, server, "/state")
    past = int(time.time() * 1000) - 1000
    object_database(server, past)
    async with client.post(server.url + "/cdn-cgi/emu/api/hosts/python/crash") as response:
        assert response.status == 200

    async def ran() -> bool:
        return [run["scheduled_ms"] for run in await runs(client, server)] == [past]

    await until(ran)


async def test_an_alarm_of_a_host_that_is_ended_by_force_is_found(serve: Any, client: aiohttp.ClientSession, until: Any) -> None:
    server = serve()
    await get(client, server, "/grace/60000")  # it does not come to its end
    past = int(time.time() * 1000) - 1000
    object_database(server, past)
    server.write("v2")

    async def ran() -> bool:
        return [run["scheduled_ms"] for run in await runs(client, server)] == [past]

    await until(ran)


async def test_after_a_clean_stop_the_index_is_believed(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve()
    due = int(await get(client, server, "/alarm/3600000"))
    assert server.end() == 143
    server.again()
    assert index(server) == [(ID, due * 1_000_000, "a")]


async def test_an_alarm_can_be_fired_by_hand(serve: Any, client: aiohttp.ClientSession, until: Any) -> None:
    server = serve()
    await get(client, server, "/alarm/3600000")
    for name in ("a", ID):
        async with client.post(f"{server.url}/cdn-cgi/emu/api/alarms/Echo/{name}/fire") as response:
            assert response.status == (200 if name == "a" else 404)  # the second time there is none left

        async def ran() -> bool:
            return len(await runs(client, server)) == 1 and index(server) == []

        await until(ran)


async def test_an_index_that_is_no_database_is_named(serve: Any, make_project: Any, tmp_path: Path) -> None:
    root = make_project(tmp_path / "project")
    folder = root / ".wrangler" / "state" / "v3" / "do" / "t-Echo"
    folder.mkdir(parents=True)
    (folder / "metadata.sqlite").write_bytes(b"this is no database, it is a text that is long enough")
    try:
        serve(root)
    except AssertionError as error:
        assert "E331" in str(error) and "metadata.sqlite" in str(error)
    else:
        raise AssertionError("it started")
