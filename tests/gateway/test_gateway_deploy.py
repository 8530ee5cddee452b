"""Deploys as production does them (durable-objects.md 1.5, 5.4, S-92), and verbs that meet while hosts change."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import aiohttp
import pytest
from raw_client import API, RawClient, ask

UPDATED = "Error: Durable Object reset because its code was updated."


async def text(client: aiohttp.ClientSession, server: Any, path: str) -> str:
    async with client.get(server.url + path) as response:
        return (await response.text()).strip()


async def test_a_deploy_breaks_turns_and_cuts_clients_off(serve: Any, client: aiohttp.ClientSession, until: Any) -> None:
    server = serve(reload="off")
    raw = await RawClient.connect(server)
    assert await text(client, server, "/grace/60000") == ""  # this host would take a minute over its turns
    turn = asyncio.create_task(text(client, server, "/hold"))
    await asyncio.sleep(0.05)
    server.write("v2")
    answer = await ask(client, server, "POST", "deploy")
    assert (answer["error"], answer["sockets"], answer["kept"]) == (None, 0, False)
    assert await turn == UPDATED
    assert await raw.to_the_end() == (["early", "opened"], "fin")
    assert await text(client, server, "/version") == "v2"
    assert (await ask(client, server, "GET", "sockets"))["sockets"] == []
    assert [entry["kind"] for entry in server.journal() if entry["kind"] in ("deploy", "host.crashed")] in (["deploy"], [])


async def test_several_in_a_row_each_in_the_middle_of_a_turn(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve(reload="off")
    for number in range(4):
        turns = [asyncio.create_task(text(client, server, "/hold")) for _ in range(3)]
        raw = await RawClient.connect(server)
        server.write(f"v{number}")
        assert (await ask(client, server, "POST", "deploy"))["error"] is None
        assert await asyncio.gather(*turns) == [UPDATED] * 3
        assert (await raw.to_the_end())[1] == "fin"
        assert await text(client, server, "/version") == f"v{number}"


async def test_a_deploy_that_does_not_load_changes_nothing(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve(reload="off")
    ws = await client.ws_connect(server.url + "/ws")
    turn = asyncio.create_task(text(client, server, "/slow/500"))
    await asyncio.sleep(0.05)
    server.write("fail")
    answer = await ask(client, server, "POST", "deploy")
    assert (answer["kept"], answer["error"]["name"]) == (True, "SyntaxError")
    assert await turn == "v1"
    await ws.send_str("still here")
    assert [await ws.receive_str() for _ in range(3)] == ["early", "opened", "still here"]
    (server.root / "wrangler.jsonc").write_text("{")
    async with client.post(server.url + API + "deploy") as response:
        assert response.status == 400 and (await response.json())["error"]["code"].startswith("E1")
    assert await text(client, server, "/version") == "v1"
    await ws.close()


async def test_what_is_asked_during_a_deploy_is_answered_by_the_new_code(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve(reload="off")
    assert await text(client, server, "/grace/400") == ""
    server.write("v2")
    deploying = asyncio.create_task(ask(client, server, "POST", "deploy"))
    answers = []
    while not deploying.done():
        answers.append(asyncio.create_task(text(client, server, "/version")))
        await asyncio.sleep(0.01)
    assert (await deploying)["error"] is None
    found = await asyncio.gather(*answers)
    assert set(found) <= {"v1", "v2", UPDATED} and found[-1] == "v2"


@pytest.mark.parametrize("source", ["slow load v2", "slow load fail"])
async def test_verbs_that_meet_a_reload_are_ordered_or_refused(serve: Any, client: aiohttp.ClientSession, source: str) -> None:
    """Everything at once while new code loads for a second: each is answered, in bounded time, and the server serves on."""
    server = serve(reload="off")
    await text(client, server, "/grace/300")
    server.write(source)
    paths = [
        ("POST", "deploy"), ("POST", "hosts/python/restart"), ("POST", "objects/Echo/a/evict"), ("GET", "objects"), ("GET", "sockets"),
        ("POST", "objects/Echo/a/call"), ("GET", "alarms"), ("POST", "points"), ("POST", "hosts/python/crash"), ("POST", "deploy"),
        ("POST", "objects/Echo/a/abort"), ("POST", "sockets/drop"), ("POST", "traps"), ("DELETE", "traps"),
    ]  # fmt: skip
    bodies = {
        "objects/Echo/a/call": {"method": "m"}, "points": {"on": True}, "traps": {"at": 999, "fault": "crash"},
    }  # fmt: skip

    async def one(method: str, path: str) -> tuple[str, int, Any]:
        async with client.request(method, server.url + API + path, json=bodies.get(path)) as response:
            return path, response.status, await response.json(content_type=None)

    tasks = []
    for method, path in paths:
        tasks.append(asyncio.create_task(one(method, path)))
        await asyncio.sleep(0.05)
    answers = await asyncio.wait_for(asyncio.gather(*tasks), 20)
    for path, status, answer in answers:
        assert status == 200 or (status in (404, 503) and answer["error"]["code"] and answer["error"]["what"]), (path, status, answer)
    server.write("v3")
    assert (await ask(client, server, "POST", "deploy"))["error"] is None
    assert await text(client, server, "/version") == "v3"


@pytest.mark.parametrize("path", ["deploy", "hosts/python/restart"])
async def test_a_verb_is_brought_to_its_end_though_its_client_leaves(serve: Any, client: aiohttp.ClientSession, path: str) -> None:
    server = serve(reload="off")
    await text(client, server, "/grace/200")
    server.write("v2")
    asking = asyncio.create_task(ask(client, server, "POST", path))
    for _ in range(2000):
        await asyncio.sleep(0.005)
        if "host.draining" in (server.root / ".agents-emu" / "journal.ndjson").read_text():
            break
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    assert await asyncio.wait_for(text(client, server, "/version"), 10) == "v2"


async def test_a_crash_while_new_code_loads_is_no_hang(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve(reload="off")
    server.write("slow load v2")
    deploying = asyncio.create_task(ask(client, server, "POST", "deploy"))
    await asyncio.sleep(0.3)
    await ask(client, server, "POST", "hosts/python/crash")
    waiting = asyncio.create_task(text(client, server, "/version"))
    again = await client.post(server.url + API + "hosts/python/crash")
    answer = json.loads(await again.read())
    assert again.status in (200, 404) and ("killed" in answer or answer["error"]["code"] == "E228")
    assert (await deploying)["error"] is None
    assert await waiting == "slow load v2"
