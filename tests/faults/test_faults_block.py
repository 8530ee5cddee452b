"""A critical section may wait for a WebSocket that it opened itself: what the section began is let through (durable-objects.md 2.3)."""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp
from aiohttp import web
from harness.server import serving

ENTRY = """
import asyncio
from js import WebSocket
from workers import DurableObject, Response, WorkerEntrypoint


class Thing(DurableObject):
    async def fetch(self, request):
        answer = await self.ctx.blockConcurrencyWhile(self.ask)
        return Response(answer)

    async def ask(self):
        heard = asyncio.get_running_loop().create_future()
        socket = WebSocket.new(self.env.PEER)
        socket.addEventListener("open", lambda event: socket.send("question"))
        socket.addEventListener("message", lambda event: heard.done() or heard.set_result(event.data))
        answer = await heard
        socket.close(1000, "thanks")
        return answer


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return await self.env.THING.getByName("one").fetch(request)
"""


async def answering(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(f"answer to {message.data}")
    return socket


async def test_a_section_hears_the_socket_it_opened(tmp_path: Path, session: aiohttp.ClientSession):
    peer = web.AppRunner(app := web.Application())
    app.router.add_get("/", answering)
    await peer.setup()
    site = web.TCPSite(peer, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    folder = tmp_path / "made"
    (folder / "src").mkdir(parents=True)
    configuration = {
        "name": "block",
        "main": "src/entry.py",
        "compatibility_date": "2026-06-11",
        "vars": {"PEER": f"ws://127.0.0.1:{port}/"},
        "durable_objects": {"bindings": [{"name": "THING", "class_name": "Thing"}]},
        "migrations": [{"tag": "v1", "new_sqlite_classes": ["Thing"]}],
    }
    (folder / "wrangler.jsonc").write_text(json.dumps(configuration))
    (folder / "src" / "entry.py").write_text(ENTRY)
    try:
        async with serving(folder, tmp_path, "--ai", "live") as server:
            assert await server.get("/") == (200, "answer to question")
    finally:
        await peer.cleanup()
