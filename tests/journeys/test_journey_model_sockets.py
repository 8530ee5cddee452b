"""Models over WebSocket in both hosts: by the stub, by Workers AI, recorded, replayed; and the members of A7 in Python."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from harness import npm
from harness.server import PROJECTS, Server, copy_project, serving

PROJECT = {"node": PROJECTS / "model_tasks", "python": PROJECTS / "model_tasks_py"}
HOSTS = pytest.mark.parametrize("host", list(PROJECT))
TOKEN = "token-of-a-fake-4711"
STUBBED = {
    "status": 101,
    "events": ["StartOfTurn", *["Update"] * 5, "EndOfTurn"],
    "said": "This is the stub listening.",
    "code": 1000,
}
SAID = {"status": 101, "events": ["Update", "EndOfTurn"], "said": "Hello from afar", "code": 1000}


@asynccontextmanager
async def running(host: str, source: Path, folder: Path, *arguments: str) -> AsyncIterator[tuple[Server, Callable[[str], Any]]]:
    modules = npm.sample_modules() if host == "node" else None
    async with serving(source, folder, *arguments, modules=modules) as server:

        async def asked(member: str) -> Any:
            status, answer = await server.get(f"/agents/tasks/me/{member}" if host == "node" else f"/{member}")
            assert status == 200, answer
            return answer

        yield server, asked


@HOSTS
async def test_by_the_stub(host: str, tmp_path: Path):
    async with running(host, PROJECT[host], tmp_path) as (server, asked):
        assert await asked("flux") == STUBBED
        mute = await asked("mute")
        assert (mute["status"], mute["socket"]) == (400, False)
        assert "does not support WebSocket" in mute["text"]
        calls = (await server.control("GET", "ai/calls"))["calls"]
        assert [(call["call"], call["status"], call["source"]) for call in calls] == [
            ("binding.websocket", 101, "stub"),
            ("binding.websocket", 400, "stub"),
        ]
        assert await asked("list") == []
        assert await asked("url") == "https://gateway.ai.cloudflare.com/v1/local/g/openai"


@asynccontextmanager
async def far_model(heard: list[Any]) -> AsyncIterator[str]:
    """Workers AI's address for conversations: `Update` at the first sound, `EndOfTurn` when the stream is closed."""

    async def talk(request: web.Request) -> web.StreamResponse:
        heard.append((request.path, dict(request.query), request.headers.get("authorization")))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        sounds = 0
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                sounds += 1
                if sounds == 1:
                    await socket.send_json({"event": "Update", "transcript": "Hello"})
            else:
                await socket.send_json({"event": "EndOfTurn", "transcript": "Hello from afar"})
                await socket.close()
        heard.append(sounds)
        return socket

    app = web.Application()
    app.router.add_get("/accounts/acct/ai/run/@cf/deepgram/flux", talk)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@HOSTS
async def test_recorded_and_replayed(host: str, tmp_path: Path):
    source = copy_project(PROJECT[host], tmp_path / "source")
    (source / ".dev.vars").write_text(f"FAR_TOKEN={TOKEN}\n")
    heard: list[Any] = []
    async with far_model(heard) as url:
        (source / "agents-emu.toml").write_text(
            '[[ai.routes]]\nmatch = "*"\nto = "cf"\n[ai.backends.cf]\ntype = "workers-ai"\n'
            f'base_url = "{url}"\nkey = "env:FAR_TOKEN"\naccount = "acct"\n'
        )
        (tmp_path / "record").mkdir()
        async with running(host, source, tmp_path / "record", "--ai", "record") as (server, asked):
            assert await asked("flux") == SAID
            await server.stop()
            made = server.folder
    query = {"encoding": "linear16", "sample_rate": "16000"}
    assert heard == [("/accounts/acct/ai/run/@cf/deepgram/flux", query, f"Bearer {TOKEN}"), 5]
    (file,) = (made / "fixtures" / "ai" / "default").glob("*websocket*.json")
    recording = json.loads(file.read_text("utf-8"))
    assert (recording["request"]["kind"], recording["request"]["body"]) == ("binding.websocket", query)
    assert (recording["response"]["status"], recording["response"]["stream"]["framing"]) == (101, "websocket")
    events = recording["response"]["stream"]["events"]
    assert sorted(event["dir"] for event in events) == ["in"] * 2 + ["out"] * 6
    assert events[0]["b64"] == "AAAAAA=="
    assert TOKEN not in file.read_text("utf-8")
    (tmp_path / "replay").mkdir()
    async with running(host, made, tmp_path / "replay", "--ai", "replay") as (server, asked):
        assert await asked("flux") == SAID
        (call,) = (await server.control("GET", "ai/calls"))["calls"]
        assert (call["source"], call["problem"]) == ("recording", None)


async def test_a_server_that_refuses(tmp_path: Path):
    source = copy_project(PROJECT["python"], tmp_path / "source")
    async with far_model([]) as url:
        (source / "agents-emu.toml").write_text(
            '[[ai.routes]]\nmatch = "*"\nto = "cf"\n[ai.backends.cf]\ntype = "workers-ai"\n'
            f'base_url = "{url}"\nkey = "k-4711-of-a-fake"\naccount = "acct"\n'
        )
        async with running("python", source, tmp_path, "--ai", "live") as (_, asked):
            answer = await asked("mute")
            assert (answer["status"], answer["socket"]) == (400, False)
            assert "5007" in answer["text"]
