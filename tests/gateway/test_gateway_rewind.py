"""A server set back to its start (rewind.py): what it tells afterwards is what a server tells that was started anew."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
from raw_client import RawClient, ask, refused

START_MS = 1_767_225_600_000
HOUR_MS = 3_600_000


def files_below(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.suffix == ".sqlite")


def fake_object(state: Path, class_name: str = "t-Echo", ident: str = "a" * 64) -> Path:
    path = state / "v3" / "do" / class_name / f"{ident}.sqlite"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


async def journal(client: aiohttp.ClientSession, server: Any) -> list[dict[str, Any]]:
    async with client.get(server.url + "/cdn-cgi/emu/api/journal") as response:
        return [json.loads(line) for line in (await response.text()).splitlines()]


async def told(client: aiohttp.ClientSession, server: Any) -> dict[str, Any]:
    """What clients can see that must be the same each time."""
    raw = await RawClient.connect(server)
    sockets = (await ask(client, server, "GET", "sockets"))["sockets"]
    async with client.get(server.url + "/state") as response:
        state = json.loads(await response.read())
    raw.tcp.close()
    return {
        "clock": {name: (await ask(client, server, "GET", "clock"))[name] for name in ("mode", "now_ms", "next_ms")},
        "alarms": await ask(client, server, "GET", "alarms"),
        "traps": await ask(client, server, "GET", "traps"),
        "faults": await ask(client, server, "GET", "ai/faults"),
        "calls": await ask(client, server, "GET", "ai/calls"),
        "mode": (await ask(client, server, "GET", "ai/session"))["mode"],
        "sockets": [(row["id"], row["opened_ms"]) for row in sockets],
        "seed": state["project"]["seed"],
        "host clock": state["project"]["clock"],
    }


async def test_everything_is_as_at_the_start(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve(clock="virtual", seed="7")
    state = server.root / ".wrangler" / "state"
    fresh = await told(client, server)
    other = fake_object(state, "other-Echo")
    for _ in range(2):
        before = int(await (await client.get(server.url + "/pid")).text())
        mine = fake_object(state)
        async with client.get(server.url + f"/alarm/{10**9}"):
            pass
        await ask(client, server, "POST", "clock/advance", {"ms": HOUR_MS})
        await ask(client, server, "POST", "objects/Echo/a/drop", {"next": True, "after_frames": 9})
        await ask(client, server, "POST", "ai/faults", {"when": {"nth": 5}, "do": {"status": 429}})
        await ask(client, server, "POST", "ai/session", {"mode": "replay"})
        await ask(client, server, "POST", "traps", {"at": 99, "fault": "crash"})
        turn = asyncio.create_task(client.get(server.url + "/hold"))
        raw = await RawClient.connect(server)
        answer = await ask(client, server, "POST", "rewind")
        assert answer["error"] is None
        assert (await (await turn).text()).strip() == "Error: The server was rewound."
        assert (await raw.to_the_end())[1] in ("fin", "reset")
        entries = await journal(client, server)
        assert (entries[0]["seq"], entries[0]["kind"], entries[0]["ts_ms"]) == (1, "host.serving", START_MS)
        assert not mine.exists() and other.exists()
        assert await told(client, server) == fresh
        assert int(await (await client.get(server.url + "/pid")).text()) != before


async def test_alarms_of_before_never_fire(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve(clock="virtual")
    for _ in range(2):
        async with client.get(server.url + "/alarm/5000"):
            pass
        assert len((await ask(client, server, "GET", "alarms"))["alarms"]) == 1
        await ask(client, server, "POST", "rewind")
        assert (await ask(client, server, "GET", "alarms"))["alarms"] == []
    await ask(client, server, "POST", "clock/advance", {"ms": 10**9})
    assert [entry for entry in await journal(client, server) if entry["kind"] == "alarm.run"] == []


async def test_objects_that_were_there_before_are_not_removed_unasked(serve: Any, make_project: Any, tmp_path: Path, client: Any) -> None:
    root = make_project(tmp_path / "project")
    mine = fake_object(root / ".wrangler" / "state")
    server = serve(root, clock="virtual")
    assert await refused(client, server, "POST", "rewind") == (409, "E270")
    assert mine.exists()
    await ask(client, server, "POST", "rewind", {"discard": True})
    assert not mine.exists()
    await ask(client, server, "POST", "rewind")


async def test_what_a_rewind_is_not(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve()
    assert await refused(client, server, "POST", "rewind") == (409, "E270")
    for body in ({"discard": 1}, {"keep": True}):
        assert await refused(client, server, "POST", "rewind", body) == (400, "E227")


async def test_rewinds_at_once_and_among_other_verbs(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve(clock="virtual", reload="off")
    work = [ask(client, server, "POST", path) for path in ("rewind", "deploy", "rewind", "hosts/python/restart")]
    answers = await asyncio.wait_for(asyncio.gather(*work, return_exceptions=True), 20)
    # A second one is refused while the first has the clock in hand, or comes after it.
    assert all(isinstance(answer, AssertionError) or answer["error"] is None for answer in answers), answers
    assert (await ask(client, server, "POST", "rewind"))["error"] is None


async def test_code_that_does_not_load_any_more(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve(clock="virtual", reload="off")
    server.write("fail")
    assert (await ask(client, server, "POST", "rewind"))["error"]["name"] == "SyntaxError"
    async with client.get(server.url + "/version") as response:
        assert response.status == 503
    server.write("v2")
    assert (await ask(client, server, "POST", "deploy"))["error"] is None
    async with client.get(server.url + "/version") as response:
        assert await response.text() == "v2"


async def test_a_host_that_stands_still_is_no_obstacle(serve: Any, client: aiohttp.ClientSession) -> None:
    """A deploy at a trap takes as long as the code takes to load; a rewind meanwhile waits for it."""
    server = serve(clock="virtual", reload="off")
    server.write("slow load v2")
    await ask(client, server, "POST", "traps", {"at": 5, "fault": "deploy"})
    turn = asyncio.create_task(client.get(server.url + "/points/9"))
    await asyncio.sleep(0.2)
    await asyncio.wait_for(ask(client, server, "POST", "rewind"), 15)
    assert (await turn).status == 500
    async with client.get(server.url + "/version") as response:
        assert await response.text() == "slow load v2"
