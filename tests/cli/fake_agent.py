"""A small real server that speaks the agents protocol: what `chat` and `call` are held against without a host."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from emulator.gateway import ready
from emulator.gateway.console import Binding
from emulator.gateway.ready import RunningServer

WORDS = [f"word{index} " for index in range(8)]


class FakeAgent:
    """One Chat agent and one Plain object. `break_after` is the number of chunks after which the connection is cut, once."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.break_after: int | None = None
        self.outage = asyncio.Event()
        self.hold = asyncio.Event()
        self.hold.set()
        self.cancelled = asyncio.Event()
        self.finish_while_away = False
        self.fail_with: str | None = None
        self.aborts = False
        self.token: str | None = None
        self.connections: list[str] = []
        self.calls: list[Any] = []
        self._stored: list[dict[str, Any]] = []
        self._request: str | None = None

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/agents/chat/{name}/get-messages", self._get_messages)
        app.router.add_get("/agents/chat/{name}", self._chat)
        app.router.add_get("/agents/silent/{name}", self._silent)
        app.router.add_get("/cdn-cgi/emu/api/objects", self._objects)
        app.router.add_post("/cdn-cgi/emu/api/objects/{class}/{name}/{verb}", self._verb)
        return app

    async def _get_messages(self, request: web.Request) -> web.Response:
        return web.json_response(self.messages)

    async def _objects(self, request: web.Request) -> web.Response:
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"error": {"code": "E222", "what": "a token is needed here"}}, status=401)
        chat = {"class": "Chat", "name": "me", "id": "ab" * 32, "state": "active", "sockets": 2, "generation": 3}
        plain = {"class": "Plain", "name": None, "id": "cd" * 32, "state": "inactive", "sockets": 0}
        return web.json_response({"objects": [{**chat, "alarm_ms": 1_790_000_000_000}, plain]})

    async def _verb(self, request: web.Request) -> web.Response:
        where = request.match_info
        body = await request.json() if request.can_read_body else None
        self.calls.append((where["class"], where["name"], where["verb"], body))
        if where["verb"] == "call" and body["method"] == "fail":
            error = {"code": "E404", "what": "fail raised ValueError: no", "culprit": "user code"}
            return web.json_response({"error": error}, status=500)
        if where["verb"] == "call" and body["method"] == "hang":
            await asyncio.Event().wait()
        if where["name"] == "busy":
            return web.json_response({"evicted": False, "why": "1 timer"})
        return web.json_response({"result": body["args"]} if where["verb"] == "call" else {"evicted": True})

    async def _silent(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.close()
        return socket

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        self.connections.append(request.query["_pk"])
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "cf_agent_identity", "name": request.match_info["name"], "agent": "chat"})
        await socket.send_str("no JSON, from the user's own code")
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await self._frame(request, socket, json.loads(message.data))
        return socket

    async def _frame(self, request: web.Request, socket: web.WebSocketResponse, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "cf_agent_use_chat_request":
                self._request = frame["id"]
                self.messages = json.loads(frame["init"]["body"])["messages"]
                await self._stream(request, socket)
            case "cf_agent_stream_resume_request":
                if self.finish_while_away:
                    parts = [{"type": "text", "text": "".join(WORDS)}]
                    self.messages.append({"id": "a1", "role": "assistant", "parts": parts})
                    await socket.send_json({"type": "cf_agent_stream_resume_none", "reason": "idle"})
                else:
                    await socket.send_json({"type": "cf_agent_stream_resuming", "id": self._request})
            case "cf_agent_stream_resume_ack":
                for stored in self._stored:
                    await socket.send_json({**stored, "replay": True})
                await self._stream(request, socket)
            case "cf_agent_chat_request_cancel":
                self.cancelled.set()
                await socket.send_json({**self._done(), "outcome": "aborted"})
            case "rpc":
                await self._rpc(socket, frame)

    async def _stream(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        if self.fail_with:
            await socket.send_json({**self._done(), "error": True, "body": self.fail_with})
            return
        if self.aborts:
            await socket.send_json({**self._done(), "outcome": "aborted"})
            return
        for seq in range(len(self._stored), len(WORDS)):
            if self.break_after == seq:
                self.break_after = None
                self.outage.set()
                assert request.transport is not None
                request.transport.abort()
                return
            body = json.dumps({"type": "text-delta", "id": "t", "delta": WORDS[seq]})
            chunk = {"type": "cf_agent_use_chat_response", "id": self._request, "body": body, "done": False, "seq": seq}
            self._stored.append(chunk)
            await socket.send_json(chunk)
            if not self.hold.is_set():
                return
        self._stored.clear()
        await socket.send_json(self._done())

    def _done(self) -> dict[str, Any]:
        return {"type": "cf_agent_use_chat_response", "id": self._request, "body": "", "done": True}

    async def _rpc(self, socket: web.WebSocketResponse, frame: dict[str, Any]) -> None:
        reply = {"type": "rpc", "id": frame["id"], "success": True, "done": True}
        match frame["method"]:
            case "add":
                await socket.send_json({**reply, "result": sum(frame["args"])})
            case "echo":
                await socket.send_json({"type": "cf_agent_state", "state": {}})
                await socket.send_json({**reply, "id": "another", "result": "not ours"})
                await socket.send_json({**reply, "result": frame["args"]})
            case "count":
                for number in range(3):
                    await socket.send_json({**reply, "done": False, "result": number})
                await socket.send_json({**reply, "result": "end"})
            case "hang":
                pass
            case "secret":
                await socket.send_json({**reply, "success": False, "error": "Method secret is not callable"})


@asynccontextmanager
async def serving(agent: FakeAgent, project: Path, pid: int) -> AsyncIterator[str]:
    """Serve `agent` as the running server of `project`. Gives its URL."""
    runner = web.AppRunner(agent.application(), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    objects = [("CHAT", "Chat"), ("Silent", "Silent"), ("Plain", "Plain")]
    bindings = (*(Binding(name, "durable_object", class_name) for name, class_name in objects), Binding("AI", "ai"))
    ready.write(ready.default_path(project), RunningServer(url, None, pid, ("python",), bindings))
    try:
        yield url
    finally:
        await runner.cleanup()
