"""Stories of time: thirty days of schedules in one command, and why an object never sleeps."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from aiohttp import web
from harness import npm
from harness.server import COMMAND, PROJECTS, Server, serving

SOURCES = {"time_py": "src/entry.py", "time_ts": "src/index.ts"}


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=list(SOURCES))
async def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    modules = npm.sample_modules() if request.param == "time_ts" else None
    folder = tmp_path_factory.mktemp(request.param)
    async with serving(PROJECTS / request.param, folder, "--clock", "virtual", modules=modules) as server:
        yield server


async def said(server: Server, *words: str) -> list[str]:
    """The lines that a command of ours prints in the project's folder."""
    process = await asyncio.create_subprocess_exec(COMMAND, *words, cwd=server.folder, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    assert process.returncode == 0, out
    return [line.rstrip() for line in out.decode().splitlines()]


@asynccontextmanager
async def far_end() -> AsyncIterator[str]:
    """Somebody to be connected to; gives the address."""

    async def listen(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for _ in socket:
            pass
        return socket

    app = web.Application()
    app.router.add_get("/voice", listen)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}/voice"
    finally:
        await runner.cleanup()


async def test_thirty_days_of_schedules_before_lunch(server: Server):
    """E6. What stays in memory between the mornings is told apart from what fires."""
    first = {"sent": 0, "next": "2026-01-01T09:00:00.000Z"}
    assert await server.get("/agents/digest/daily") == (200, first)
    moved, now, *pending = await said(server, "clock", "advance", "30d")
    assert re.fullmatch(r"\d+ deadlines on the way: 30 alarms", moved)
    assert now == "2026-01-31T00:00:00.000Z  virtual"
    assert pending == ["  2026-01-31T09:00:00.000Z  in 9h  alarm of Digest/daily"]
    assert await server.get("/agents/digest/daily") == (200, {"sent": 30, "next": "2026-01-31T09:00:00.000Z"})


async def test_why_is_my_bill_growing(server: Server):
    """E7."""
    source = next(name for name in SOURCES.values() if (server.folder / name).exists())
    lines = (server.folder / source).read_text().splitlines()
    at = {mark: 1 + next(number for number, line in enumerate(lines) if line.endswith(f"LINE {mark}")) for mark in ("interval", "outgoing")}
    async with far_end() as address:
        assert (await server.get("/agents/chat/alice", params={"far": address}))[0] == 200
        await said(server, "clock", "advance", "12m4s")
        try:
            head, *reasons = await said(server, "awake", "Chat/alice")
        finally:
            await server.control("POST", "objects/Chat/alice/abort")
    assert head == "awake 12 m 04 s, blocked from hibernating by:"
    said_of = {re.sub(" +", " ", line[4:].strip()).replace(address, "ADDRESS") for line in reasons[:2]}
    assert said_of == {
        f"timer: setInterval 30000 ms {source}:{at['interval']} for 12 m 04 s",
        f"outgoing socket: ADDRESS {source}:{at['outgoing']} for 12 m 04 s",
    }
    assert reasons[2:] == ["without 1: 2 keeps it awake", "without 2: 1 keeps it awake"]
