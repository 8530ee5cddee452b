"""Virtual time over real processes: nothing moves by itself, deadlines of both processes come in order, and what does not rest is named."""

from __future__ import annotations

import asyncio
import itertools
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from emulator.config.instants import instant_ms, iso
from emulator.gateway.chance import Chance

START_MS = instant_ms("2026-01-01")
DAY_MS = 86_400_000


async def ask(client: aiohttp.ClientSession, server: Any, verb: str, status: int = 200, **body: Any) -> dict[str, Any]:
    async with client.post(f"{server.url}/cdn-cgi/emu/api/{verb}", json=body) as response:
        answer = await response.json()
        assert response.status == status, answer
        return answer if status == 200 else answer["error"]


async def shown(client: aiohttp.ClientSession, server: Any) -> dict[str, Any]:
    async with client.get(f"{server.url}/cdn-cgi/emu/api/clock") as response:
        assert response.status == 200
        return await response.json()


async def get(client: aiohttp.ClientSession, server: Any, path: str) -> str:
    async with client.get(server.url + path) as response:
        assert response.status == 200
        return await response.text()


async def heard(client: aiohttp.ClientSession, server: Any) -> list[str]:
    """What happened in the host, without what was asked by hand."""
    return [line for line in json.loads(await get(client, server, "/heard")) if line.startswith(("alarm", "timer", "scheduled"))]


@pytest.fixture
def frozen(serve: Any) -> Any:
    return serve(clock="virtual", seed="1")


@pytest.fixture(scope="module")
def shared(serve_all: Any) -> Any:
    """One server for tests of refusals, which change nothing."""
    return serve_all(clock="virtual")


async def test_time_stands_still_and_deadlines_come_in_order(frozen: Any, client: aiohttp.ClientSession) -> None:
    assert (await shown(client, frozen))["now_ms"] == START_MS
    await get(client, frozen, "/timer/7000")
    await get(client, frozen, "/timer/5000")
    await get(client, frozen, "/alarm/5000")
    await asyncio.sleep(0.05)
    assert (await ask(client, frozen, "clock/settle"))["steps"] == 0
    assert await heard(client, frozen) == []
    first = await ask(client, frozen, "clock/step")
    assert (first["now_ms"], first["steps"]) == (START_MS + 5000, 1)
    assert await heard(client, frozen) == [f"alarm {START_MS + 5000}", f"timer {START_MS + 5000}"], "at one instant the gateway goes first"
    assert (await ask(client, frozen, "clock/step", until_ms=START_MS + 6000)) == {
        **await shown(client, frozen),
        "now_ms": START_MS + 6000,
        "iso": iso(START_MS + 6000),
        "next_ms": START_MS + 7000,
        "steps": 0,
        "alarms": 0,
        "crons": 0,
    }
    last = await ask(client, frozen, "clock/run-until-idle")
    assert (last["now_ms"], last["steps"], last["next_ms"], last["pending"]) == (START_MS + 7000, 1, None, [])
    assert (await heard(client, frozen))[-1] == f"timer {START_MS + 7000}"


async def test_failed_alarms_are_retried_in_virtual_time(frozen: Any, client: aiohttp.ClientSession) -> None:
    await get(client, frozen, "/outcome/failed")
    began = time.monotonic()
    await get(client, frozen, "/alarm/1000")
    answer = await ask(client, frozen, "clock/run-until-idle")
    state = json.loads(await get(client, frozen, "/state"))
    assert [run["retry"] for run in state["alarms"]] == [0, 1, 2, 3, 4, 5, 6]
    assert answer["steps"] == 7
    assert START_MS + 1000 + 126_000 <= answer["now_ms"] <= START_MS + 1000 + 126_000 * 1.25
    assert time.monotonic() - began < 20, "two virtual minutes, and no real one"


async def test_a_year_of_cron_triggers(serve: Any, client: aiohttp.ClientSession) -> None:
    crons = ["0 9 * * *", "30 17 * * 6L", "0 0 29 2 *", "61 * * * *"]
    server = serve(wrangler={"triggers": {"crons": crons}}, clock="virtual@2027-12-31T12:00:00Z")
    warning = await server.event("warning", where=lambda event: "61" in json.dumps(event))
    assert "minute '61' is not 0 to 59" in warning["notice"]["what"]
    pending = (await shown(client, server))["pending"]
    assert [row["what"] for row in pending] == ["cron 30 17 * * 6L", "cron 0 9 * * *", "cron 0 0 29 2 *"]
    answer = await ask(client, server, "clock", to="2028-12-31T12:00:00Z")
    lines = await heard(client, server)
    assert answer["steps"] == 366 + 13 + 1
    assert sum(line.startswith("scheduled 0 9 * * *") for line in lines) == 366
    assert f"scheduled 0 0 29 2 * {instant_ms('2028-02-29')}" in lines
    entries = [json.loads(line) for line in (await get(client, server, "/cdn-cgi/emu/api/journal")).splitlines()]
    assert {entry["outcome"] for entry in entries if entry["kind"] == "cron.run"} == {"done"}
    moves = [entry for entry in entries if entry["kind"] == "clock"]
    assert all(after["from_ms"] == before["to_ms"] < after["to_ms"] for before, after in itertools.pairwise(moves))


async def test_on_the_real_clock_it_is_shown_and_not_moved(server: Any, client: aiohttp.ClientSession) -> None:
    await get(client, server, "/alarm/3600000")
    answer = await shown(client, server)
    assert answer["mode"] == "real"
    assert abs(answer["now_ms"] - time.time() * 1000) < 5000
    assert answer["next_ms"] == answer["pending"][0]["at_ms"]
    for verb in ("clock", "clock/advance", "clock/step", "clock/settle", "clock/run-until-idle"):
        error = await ask(client, server, verb, 409, ms=1, to="2200-01-01")
        assert (error["code"], error["hint"]) == ("E250", "start with a virtual one: agents-emu dev --clock virtual")


@pytest.mark.parametrize(
    ("verb", "body", "words"),
    [
        ("clock", {"to": "2025-12-31"}, "is before now"),
        ("clock", {"to": START_MS - 1}, "is before now"),
        ("clock", {"to": -5}, "is before now"),
        ("clock", {"to": "noon"}, "'noon' is no time: an instant such as"),
        ("clock", {"to": "2300-01-01"}, "an instant from 1970-01-01"),
        ("clock", {"to": 1e15}, "too far ahead"),
        ("clock", {}, "a time is an ISO text"),
        ("clock", {"to": True}, "a time is an ISO text"),
        ("clock", {"to": ["2027"]}, "a time is an ISO text"),
        ("clock/advance", {"ms": -1}, '"ms" must be'),
        ("clock/advance", {"ms": "1h"}, '"ms" must be'),
        ("clock/advance", {}, '"ms" must be'),
        ("clock/advance", {"ms": 10**14}, "too far ahead"),
        ("clock/step", {"until_ms": START_MS - 1}, "is before now"),
        ("clock/run-until-idle", {"limit_ms": -1}, '"limit_ms" must be'),
        ("clock/settle", {"within_ms": 0}, '"within_ms" must be'),
        ("clock/settle", {"within_ms": 1e9}, '"within_ms" must be'),
    ],
)
async def test_times_that_make_no_sense(shared: Any, client: aiohttp.ClientSession, verb: str, body: dict[str, Any], words: str) -> None:
    error = await ask(client, shared, verb, 400, **body)
    assert error["code"] == "E251"
    assert words in error["what"]
    assert (await shown(client, shared))["now_ms"] == START_MS


async def test_what_never_rests_is_named_and_the_server_stays_up(frozen: Any, client: aiohttp.ClientSession) -> None:
    await get(client, frozen, "/spin")
    error = await ask(client, frozen, "clock/advance", 503, ms=1000, within_ms=500)
    assert error["code"] == "E252"
    assert error["what"] == "the server did not come to rest within 0.5 s: Echo/a: a timer of 30 s (src/chat.py:88)"
    assert (await shown(client, frozen))["now_ms"] == START_MS
    await get(client, frozen, "/stop")
    assert (await ask(client, frozen, "clock/advance", ms=1000))["now_ms"] == START_MS + 1000


async def test_a_timer_that_sets_itself_for_now_is_named(frozen: Any, client: aiohttp.ClientSession) -> None:
    await get(client, frozen, "/timer/0/every")
    error = await ask(client, frozen, "clock/settle", 503)
    assert error["code"] == "E253"
    assert "Echo/a: a timer of 30 s (src/chat.py:88)" in error["what"]


async def test_time_does_not_run_ahead_of_a_real_server(serve: Any, client: aiohttp.ClientSession) -> None:
    """An answer from outside takes real time, during which virtual time stands."""
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        asked.set()
        await answer.wait()
        return web.Response(text="from outside")

    outside = web.Server(slow)
    runner = web.ServerRunner(outside)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = site.name.removeprefix("http://")
    server = serve(clock="virtual")
    await get(client, server, "/timer/1000")
    asking = asyncio.create_task(get(client, server, f"/egress/{address}/slow"))
    try:
        await asyncio.wait_for(asked.wait(), 10)
        error = await ask(client, server, "clock/advance", 503, ms=5000, within_ms=500)
        assert f"GET http://{address}/slow" in error["what"]
        advancing = asyncio.create_task(ask(client, server, "clock/advance", ms=5000))
        await asyncio.sleep(0.05)
        assert await heard(client, server) == []
        answer.set()
        assert await asking == "from outside"
        assert (await advancing)["steps"] == 1
    finally:
        answer.set()
        await asyncio.wait({asking})
        await runner.cleanup()


async def test_moves_go_one_after_the_other(frozen: Any, client: aiohttp.ClientSession) -> None:
    await get(client, frozen, "/timer/1000/every")
    answers = await asyncio.gather(*(ask(client, frozen, "clock/advance", ms=10_000) for _ in range(4)))
    assert sorted(answer["now_ms"] for answer in answers)[-1] <= START_MS + 40_000
    assert await heard(client, frozen) == [f"timer {START_MS + 1000 * n}" for n in range(1, len(await heard(client, frozen)) + 1)]


async def test_a_client_that_leaves_ends_its_move(frozen: Any, client: aiohttp.ClientSession) -> None:
    await get(client, frozen, "/timer/1/every")
    moving = asyncio.create_task(ask(client, frozen, "clock/advance", ms=DAY_MS))
    while (await shown(client, frozen))["now_ms"] == START_MS:
        await asyncio.sleep(0.02)
    moving.cancel()
    await asyncio.wait({moving})
    first = (await ask(client, frozen, "clock/settle"))["now_ms"]
    assert START_MS < first < START_MS + DAY_MS
    assert (await ask(client, frozen, "clock/settle"))["now_ms"] == first


async def test_moves_during_a_reload_wait_for_the_new_code(frozen: Any, client: aiohttp.ClientSession) -> None:
    await get(client, frozen, "/alarm/5000")
    frozen.write("v2 slow load")
    reloading = asyncio.create_task(ask(client, frozen, "deploy"))
    await asyncio.sleep(0.1)
    answer = await ask(client, frozen, "clock/advance", ms=10_000)
    assert (await reloading)["error"] is None
    assert (answer["now_ms"], answer["steps"]) == (START_MS + 10_000, 1)
    await ask(client, frozen, "clock/advance", ms=1)


async def test_a_host_that_dies_over_its_alarm_is_waited_for(frozen: Any, client: aiohttp.ClientSession) -> None:
    await get(client, frozen, "/outcome/die")
    await get(client, frozen, "/alarm/5000")
    answer = await ask(client, frozen, "clock/advance", ms=6_000)
    assert answer["now_ms"] == START_MS + 6_000
    state = json.loads(await get(client, frozen, "/state"))
    assert [run["scheduled_ms"] for run in state["alarms"]] == [START_MS + 5000], "the new process has run it again, at once"
    assert state["project"]["clock"] == {"virtual": True, "now_ms": START_MS + 5000}


async def test_code_that_does_not_load_cannot_be_advanced(
    serve: Any, make_project: Any, tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    root = make_project(tmp_path / "broken")
    (root / "main.py").write_text("fail")
    server = serve(root, clock="virtual")
    error = await ask(client, server, "clock/advance", 503, ms=1000)
    assert (error["code"], "SyntaxError" in error["what"]) == ("E411", True)


def test_a_seed_gives_each_host_another_and_every_run_the_same() -> None:
    def drawn(seed: int | None) -> list[Any]:
        chance = Chance(seed)
        first = [chance.host_seed(), chance.host_seed(), chance.bytes(16), chance.bytes(16), chance.fraction()]
        chance.restart()
        chance.fraction()  # another stream
        again = [chance.host_seed(), chance.host_seed(), chance.bytes(16), chance.bytes(16)]
        assert again == first[:4] or seed is None
        return first

    assert drawn(7) == drawn(7)
    hosts = [seed for run in (drawn(7), drawn(8)) for seed in run[:2]]
    assert len({*hosts}) == 4
    assert all(isinstance(seed, int) and 0 <= seed < 2**53 for seed in hosts)
    assert drawn(None)[:2] == [None, None]
    assert drawn(None)[2] != drawn(None)[2]


async def test_the_host_is_told_its_seed_and_the_time(frozen: Any, client: aiohttp.ClientSession) -> None:
    chance = Chance(1)
    for _ in range(2):
        project = json.loads(await get(client, frozen, "/state"))["project"]
        assert project["seed"] == chance.host_seed()
        assert project["clock"] == {"virtual": True, "now_ms": (await shown(client, frozen))["now_ms"]}
        await ask(client, frozen, "clock/advance", ms=1000)
        await ask(client, frozen, "deploy")


async def test_an_acknowledged_alarm_outlives_both_processes(serve: Any, client: aiohttp.ClientSession) -> None:
    """On a virtual clock the index on disk follows; a server that ends in order leaves all of it there."""
    server = serve(clock="virtual")
    await get(client, server, "/alarm/5000")
    server.end()
    with closing(sqlite3.connect(next(server.root.rglob("metadata.sqlite")))) as database:
        assert database.execute("SELECT scheduled_time FROM _cf_ALARM").fetchall() == [((START_MS + 5000) * 1_000_000,)]
    server.again()
    assert (await ask(client, server, "clock/run-until-idle"))["now_ms"] == START_MS + 5000
    assert await heard(client, server) == [f"alarm {START_MS + 5000}"]


async def test_the_banner_and_each_move_are_told(frozen: Any, client: aiohttp.ClientSession) -> None:
    assert (await frozen.event("ready"))["clock"] == "virtual@2026-01-01T00:00:00.000Z"
    await ask(client, frozen, "clock/advance", ms=3_600_000)
    assert (await frozen.event("clock"))["text"] == "it is 2026-01-01T01:00:00.000Z, 0 deadlines on the way"
