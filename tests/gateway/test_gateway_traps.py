"""Interruptions at an exact boundary of a host (traps.py). The scripted host passes points in one synchronous turn, each behind a frame to
every socket: what a client has seen says where the host stood still."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from raw_client import RawClient, ask, refused


async def pid(client: aiohttp.ClientSession, server: Any) -> int:
    async with client.get(server.url + "/pid") as response:
        return int(await response.read())


async def passed(client: aiohttp.ClientSession, server: Any, count: int) -> str:
    """Have the host pass points; what it answers, or why it does not."""
    async with client.get(f"{server.url}/points/{count}") as response:
        return (await response.text()).strip()


async def greeted(server: Any) -> RawClient:
    raw = await RawClient.connect(server)
    assert [await raw.message(), await raw.message()] == [(1, b"early"), (1, b"opened")]
    return raw


def before(count: int) -> list[str]:
    return [f"before {number}" for number in range(1, count + 1)]


async def fired(client: aiohttp.ClientSession, server: Any, until: Any) -> dict[str, Any]:
    """The trap's state when its fault is done."""
    found: dict[str, Any] = {}

    async def done() -> bool:
        found.update(await ask(client, server, "GET", "traps"))
        return bool(found["effect"] or found["problem"])

    await until(done)
    return found


async def test_points_are_counted_and_journaled(server: Any, client: aiohttp.ClientSession) -> None:
    assert (await ask(client, server, "POST", "points", {"on": True}))["on"] is True
    assert await passed(client, server, 12) == "12"
    assert (await ask(client, server, "GET", "traps"))["count"] == 12
    # Asked again, they are counted anew.
    await ask(client, server, "POST", "points", {"on": True})
    assert await passed(client, server, 3) == "3"
    assert (await ask(client, server, "POST", "points", {"on": False}))["count"] == 0
    assert await passed(client, server, 3) == "0"
    server_points = [entry for entry in await journal(client, server) if entry["kind"] == "point"]
    assert [entry["n"] for entry in server_points][-15:] == [*range(1, 13), 1, 2, 3]
    assert {name: server_points[-1][name] for name in ("what", "label")} == {"what": "frame", "label": "before 3"}
    assert server_points[-1]["object"]["class"] == "Echo"


async def journal(client: aiohttp.ClientSession, server: Any) -> list[dict[str, Any]]:
    async with client.get(server.url + "/cdn-cgi/emu/api/journal") as response:
        return [json.loads(line) for line in (await response.text()).splitlines()]


@pytest.mark.parametrize("at", [1, 60])
async def test_a_crash_is_exact(serve: Any, client: aiohttp.ClientSession, at: int, until: Any) -> None:
    server = serve()
    first, raw = await pid(client, server), await greeted(server)
    await ask(client, server, "POST", "traps", {"at": at, "fault": "crash"})
    assert "process" in await passed(client, server, 100)
    state = await fired(client, server, until)
    assert (state["fired"]["n"], state["fired"]["label"], state["effect"]) == (at, f"before {at}", {"killed": first})
    assert await pid(client, server) != first
    # As in production the client is cut off; it has got exactly what was sent before the trap.
    assert (await raw.to_the_end())[0] == before(at)


async def test_a_drop_cuts_the_objects_clients_and_the_host_goes_on(server: Any, client: aiohttp.ClientSession, until: Any) -> None:
    first, raw = await pid(client, server), await greeted(server)
    await ask(client, server, "POST", "traps", {"at": 6, "fault": "drop"})
    assert await passed(client, server, 30) == "30"
    assert await raw.to_the_end() == (before(6), "reset")
    state = await fired(client, server, until)
    assert len(state["effect"]["dropped"]) == 1 and state["problem"] is None
    assert await pid(client, server) == first
    assert not_stopped(first)


async def test_a_deploy_ends_the_turn_where_it_stands(serve: Any, client: aiohttp.ClientSession, until: Any) -> None:
    server = serve(reload="off")
    first, raw = await pid(client, server), await greeted(server)
    await ask(client, server, "POST", "traps", {"at": 4, "fault": "deploy"})
    server.write("v2")
    assert await passed(client, server, 30) == "Error: Durable Object reset because its code was updated."
    assert await raw.to_the_end() == (before(4), "fin")
    assert (await fired(client, server, until))["effect"] == {"deployed": True}
    async with client.get(server.url + "/version") as response:
        assert await response.text() == "v2"
    assert await pid(client, server) != first


async def test_a_deploy_of_code_that_does_not_load_is_told_of(serve: Any, client: aiohttp.ClientSession, until: Any) -> None:
    server = serve(reload="off")
    await ask(client, server, "POST", "traps", {"at": 4, "fault": "deploy"})
    server.write("fail")
    await passed(client, server, 30)
    state = await fired(client, server, until)
    assert (state["effect"], state["problem"]) == ({"deployed": False}, "the code does not load: SyntaxError: invalid syntax")


async def test_a_snapshot_does_not_let_a_host_go_on_that_stands_at_its_trap(serve: Any, client: aiohttp.ClientSession, until: Any) -> None:
    """The deploy waits for its turn behind the snapshots; the host stands still until then."""
    server = serve(reload="off")
    raw = await greeted(server)
    server.write("slow load v2")
    await ask(client, server, "POST", "traps", {"at": 4, "fault": "deploy"})
    turn = asyncio.create_task(passed(client, server, 30))
    for number in range(5):
        await ask(client, server, "POST", "state/save", {"name": f"s{number}"})
    assert "code was updated" in await turn
    assert (await raw.to_the_end())[0] == before(4)


async def test_an_eviction_waits_until_the_object_is_quiet(server: Any, client: aiohttp.ClientSession, until: Any) -> None:
    raw = await greeted(server)
    await ask(client, server, "POST", "traps", {"at": 2, "fault": "evict"})
    assert await passed(client, server, 5) == "5"
    assert (await fired(client, server, until))["effect"] == {"evicted": True}
    assert [(await raw.message())[1].decode() for _ in range(5)] == before(5)
    raw.tcp.close()


async def test_a_trap_that_does_not_fire_says_so(server: Any, client: aiohttp.ClientSession) -> None:
    await ask(client, server, "POST", "traps", {"at": 10, "fault": "crash"})
    assert await passed(client, server, 9) == "9"
    state = await ask(client, server, "DELETE", "traps")
    assert {name: state[name] for name in ("at", "fault", "count", "fired")} == {"at": 10, "fault": "crash", "count": 9, "fired": None}
    assert await ask(client, server, "GET", "traps") == {
        "on": False, "count": 0, "at": None, "fault": None, "fired": None, "effect": None, "problem": None
    }  # fmt: skip
    assert await passed(client, server, 20) == "0"
    assert [entry for entry in await journal(client, server) if entry["kind"] == "trap.missed"][-1]["count"] == 9


async def test_the_count_goes_on_in_the_next_host(serve: Any, client: aiohttp.ClientSession, until: Any) -> None:
    server = serve()
    await ask(client, server, "POST", "traps", {"at": 8, "fault": "crash"})
    assert await passed(client, server, 5) == "5"
    await ask(client, server, "POST", "hosts/python/crash")
    await server.event("host.recovered")
    await passed(client, server, 5)
    state = await fired(client, server, until)
    assert (state["fired"]["n"], state["fired"]["label"]) == (8, "before 3")


@pytest.mark.parametrize("fault", ["drop", "evict"])
async def test_a_trap_that_is_taken_away_while_the_host_runs_into_it(
    serve: Any, client: aiohttp.ClientSession, fault: str, until: Any
) -> None:
    """Whatever comes first, nobody is left behind who stands still."""
    server = serve()
    host = await pid(client, server)
    for _ in range(10):
        await ask(client, server, "POST", "traps", {"at": 50, "fault": fault})
        running = asyncio.create_task(passed(client, server, 60))
        await asyncio.sleep(0)
        await ask(client, server, "DELETE", "traps")
        await running
    await until(lambda: not_stopped(host))
    assert await pid(client, server) == host


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_no_stopped_host_outlives_the_gateway(serve: Any, client: aiohttp.ClientSession, number: int, until: Any) -> None:
    server = serve()
    host = await pid(client, server)
    os.kill(host, signal.SIGSTOP)
    await until(lambda: not not_stopped(host))
    server.end(number)
    await until(lambda: not Path(f"/proc/{host}").exists() or state_of(host) == "Z")


@pytest.mark.parametrize(
    "body",
    [{}, {"at": 0, "fault": "crash"}, {"at": True, "fault": "crash"}, {"at": "1", "fault": "crash"}, {"at": 1, "fault": "burn"}, {"at": 1},
     {"at": 1, "fault": "crash", "more": 1}, {"at": 1, "fault": ["crash"]}],
)  # fmt: skip
async def test_a_trap_that_makes_no_sense(server: Any, client: aiohttp.ClientSession, body: dict[str, Any]) -> None:
    assert await refused(client, server, "POST", "traps", body) == (400, "E227")
    assert await refused(client, server, "POST", "points", body) == (400, "E227")


def state_of(process: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    return "gone"


def not_stopped(process: int) -> bool:
    return state_of(process) != "T"
