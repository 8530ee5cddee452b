"""The control API: what it does, who may ask, and that its description and its routes are the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import Any, get_type_hints
from unittest.mock import MagicMock

import aiohttp
import pytest

from emulator.gateway.verbs.all import Verbs
from emulator.gateway.verbs.route import Route

API = "/cdn-cgi/emu/api/"


async def ask(client: aiohttp.ClientSession, server: Any, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    async with client.request(method, server.url + API + path, json=body, headers=headers) as response:
        return response.status, await response.json(content_type=None)


async def heard(client: aiohttp.ClientSession, server: Any) -> list[str]:
    async with client.get(server.url + "/heard") as response:
        return json.loads(await response.read())


def routes() -> Iterator[Route]:
    """All of them, of verbs that are bound to nothing."""
    nouns = get_type_hints(Verbs)
    assert set(nouns) == {one.name for one in fields(Verbs)}
    for noun in nouns.values():
        yield from noun.routes(MagicMock())


def test_the_description_and_the_routes_are_the_same() -> None:
    document = json.loads(files("emulator.gateway").joinpath("openapi.json").read_text("utf-8"))
    described = {
        (method.upper(), path.removeprefix("/"))
        for path, operations in document["paths"].items()
        for method in operations
        if method != "parameters"
    }
    assert described == {(route.method, route.path) for route in routes()}
    for path, operations in document["paths"].items():
        named = {parameter["name"] for parameter in operations.get("parameters", [])}
        assert named == {part.strip("{}") for part in path.split("/") if part.startswith("{")}, path
        for method, operation in operations.items():
            if method != "parameters":
                assert operation["summary"] and operation["responses"]["default"] == {"$ref": "#/components/responses/Error"}, path


async def test_objects_are_listed(server: Any, client: aiohttp.ClientSession) -> None:
    status, answer = await ask(client, server, "GET", "objects")
    (row,) = answer["objects"]
    assert status == 200
    assert {name: row[name] for name in ("class", "name", "state", "generation", "sockets", "alarm_ms")} == {
        "class": "Echo",
        "name": "a",
        "state": "active",
        "generation": 1,
        "sockets": 0,
        "alarm_ms": None,
    }


@pytest.mark.parametrize("verb", ["evict", "hibernate", "abort"])
async def test_verbs_on_an_object_reach_the_host(server: Any, client: aiohttp.ClientSession, verb: str) -> None:
    status, _ = await ask(client, server, "POST", f"objects/Echo/a/{verb}", {"reason": "x"} if verb == "abort" else None)
    assert status == 200
    assert ("abort" if verb == "abort" else "evict") in await heard(client, server)


async def test_a_call_gives_the_result(server: Any, client: aiohttp.ClientSession) -> None:
    answer = await ask(client, server, "POST", "objects/Echo/some%2Fname/call", {"method": "add", "args": [1, {"x": None}]})
    assert answer == (200, {"result": ["add", [1, {"x": None}]]})


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "objects/Echo/a/call", {"args": []}, 400, "E227"),
        ("POST", "objects/Echo/a/evict", {"sockets": "burn"}, 400, "E227"),
        ("POST", "objects/Echo/a/call", ["no object"], 400, "E227"),
        ("POST", "sockets/99999/drop", {}, 404, "E228"),
        ("POST", "sockets/none/drop", {}, 404, "E228"),
        ("POST", "alarms/Echo/nobody/fire", None, 404, "E228"),
        ("POST", "hosts/node/crash", None, 404, "E228"),
        ("POST", "ai/session", {"mode": "dream"}, 400, "E240"),
        ("GET", "nothing/here", None, 404, "E225"),
        ("DELETE", "objects", None, 405, "E226"),
        ("GET", "journal?since=x", None, 400, "E227"),
    ],
)
async def test_refusals_say_why(
    server: Any, client: aiohttp.ClientSession, method: str, path: str, body: Any, status: int, code: str
) -> None:
    answered, answer = await ask(client, server, method, path, body)
    assert (answered, answer["error"]["code"]) == (status, code)
    assert answer["error"]["what"] and answer["error"]["culprit"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "[::1]:8787"}, 200),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "localhost:5", "Origin": "http://localhost:5"}, 200),
        ({"Host": "localhost:5", "Origin": "http://localhost:6"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
    ],
)
async def test_only_this_machine_may_ask(server: Any, client: aiohttp.ClientSession, headers: dict[str, str], status: int) -> None:
    async with client.get(server.url + API + "objects", headers=headers) as response:
        assert response.status == status


async def test_an_address_that_others_reach_needs_the_token(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve(ip="0.0.0.0")
    note = await server.event("token")
    token = note["text"].rpartition("AGENTS_EMU_TOKEN=")[2]
    url = f"http://127.0.0.1:{server.port}"
    for headers, query, status in [
        ({}, "", 401),
        ({"Authorization": f"Bearer {token}"}, "", 200),
        ({}, f"?token={token}", 200),
        ({}, "?token=x", 401),
    ]:
        async with client.get(f"{url}{API}objects{query}", headers=headers) as response:
            assert response.status == status
    async with client.get(url + "/hello") as response:
        assert response.status == 200


async def test_broken_recordings_are_told_at_start(serve: Any, make_project: Any, tmp_path: Path) -> None:
    root = make_project(tmp_path / "project")
    folder = root / "fixtures" / "ai" / "default"
    folder.mkdir(parents=True)
    (folder / "00-cut.json").write_text('{"version": 1,')
    (folder / "01-empty.json").write_text("{}")
    server = serve(root)
    for name in ("00-cut.json", "01-empty.json"):
        event = await server.event("warning", where=lambda event, name=name: name in str(event["notice"]["where"]))
        assert event["notice"]["what"].startswith("E501 ") and event["notice"]["hint"]


async def test_without_inspector_only_scheduled_is_left(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve(inspector=False)
    assert (await ask(client, server, "GET", "objects"))[0] == 404
    async with client.get(server.url + "/cdn-cgi/handler/scheduled?cron=x") as response:
        assert response.status == 200


async def test_scheduled_by_hand(server: Any, client: aiohttp.ClientSession) -> None:
    async with client.get(server.url + "/cdn-cgi/handler/scheduled?cron=*+*+*+*+*") as response:
        assert (response.status, await response.text()) == (200, "ok")
    async with client.get(server.url + "/cdn-cgi/handler/scheduled?format=json") as response:
        assert await response.json() == {"outcome": "ok", "noRetry": False}
    assert "scheduled * * * * *" in await heard(client, server)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_pages_elsewhere_cannot_run_cron_handlers(server: Any, client: aiohttp.ClientSession, site: str) -> None:
    url = f"{server.url}/cdn-cgi/handler/scheduled?cron={site}"
    async with client.get(url, headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (403, "E224")
    assert f"scheduled {site}" not in await heard(client, server)


async def test_the_journal_as_lines_and_as_events(server: Any, client: aiohttp.ClientSession) -> None:
    async with client.get(server.url + "/note/hi%20there"):
        pass
    async with client.get(server.url + API + "journal") as response:
        entries = [json.loads(line) for line in (await response.text()).splitlines()]
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    last = entries[-1]["seq"]
    async with client.get(f"{server.url}{API}journal?since={last - 1}") as response:
        assert (await response.text()).count("\n") >= 1
    headers = {"Accept": "text/event-stream"}
    async with client.get(f"{server.url}{API}journal?since={last}", headers=headers) as response:
        async with client.get(server.url + "/hello"):
            pass
        while True:
            line = (await response.content.readline()).decode()
            if line.startswith("data: ") and json.loads(line[6:])["kind"] == "request":
                break
        assert json.loads(line[6:])["path"] == "/hello"


async def test_the_journal_can_be_about_one_object(server: Any, client: aiohttp.ClientSession) -> None:
    async with client.get(server.url + "/agents/echo/only-me"):
        pass
    async with client.get(server.url + API + "journal?object=Echo/only-me") as response:
        entries = [json.loads(line) for line in (await response.text()).splitlines()]
    assert [(entry["kind"], entry["path"]) for entry in entries] == [("request", "/agents/echo/only-me")]


async def test_crash_and_restart(serve: Any, client: aiohttp.ClientSession, until: Any) -> None:
    server = serve()

    async def pid() -> str:
        async with client.get(server.url + "/pid") as response:
            return await response.text()

    first = await pid()
    status, answer = await ask(client, server, "POST", "hosts/python/crash")
    assert (status, answer) == (200, {"killed": int(first)})
    await server.event("host.recovered")
    second = await pid()
    for path in ("hosts/python/restart", "deploy"):
        status, answer = await ask(client, server, "POST", path)
        assert (status, answer["error"]) == (200, None)
    assert len({first, second, await pid()}) == 3


async def test_the_list_of_routes_is_a_page(server: Any, client: aiohttp.ClientSession) -> None:
    async with client.get(server.url + "/cdn-cgi/emu/") as response:
        assert response.content_type == "text/html"
        assert "objects/{class}/{name}/evict" in await response.text()


async def test_ai_session_and_calls(server: Any, client: aiohttp.ClientSession) -> None:
    status, answer = await ask(client, server, "POST", "ai/session", {"mode": "replay"})
    assert (status, answer["mode"]) == (200, "replay")
    assert await ask(client, server, "GET", "ai/calls") == (200, {"calls": []})
    assert (await ask(client, server, "POST", "ai/session", {"mode": "auto"}))[0] == 200
