"""A server that stands for the outside. What it does in two steps waits in between until it is told to go on: who buffers never gets on."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any, Self

from aiohttp import web
from aiohttp.test_utils import TestServer

STEP_BOUND_S = 10


class Upstream:
    """`async with` serves; `url` has no slash at the end. `connections` counts what was ever opened to `tcp_port`, which speaks no HTTP."""

    def __init__(self) -> None:
        self.url = ""
        self.tcp_port = 0
        self.connections = 0
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self._steps: dict[str, asyncio.Event] = {}

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/echo", self._echo)
        app.router.add_get("/stream/{name}", self._stream)
        app.router.add_get("/endless/{name}", self._endless)
        app.router.add_post("/upload/{name}", self._upload)
        app.router.add_get("/step/{name}", self._take_step)
        app.router.add_get("/wait/{name}", self._wait)
        app.router.add_get("/packed", self._packed)
        app.router.add_get("/cut", self._cut)
        app.router.add_get("/slow", self._slow)
        app.router.add_get("/moved", self._moved)
        app.router.add_post("/{name}/v1/chat/completions", self._openai)
        app.router.add_post("/{name}/v1/messages", self._anthropic)
        self._server = TestServer(app, host="127.0.0.1")
        await self._server.start_server()
        self.url = str(self._server.make_url("")).rstrip("/")
        self._tcp = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.tcp_port = self._tcp.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._tcp.close()
        await self._server.close()

    def _step(self, name: str) -> asyncio.Event:
        return self._steps.setdefault(name, asyncio.Event())

    async def _passed(self, name: str) -> None:
        async with asyncio.timeout(STEP_BOUND_S):
            await self._step(name).wait()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.write(b"hello from a socket")
        writer.close()

    async def _echo(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.requests.append((request.method, dict(request.headers), body))
        answer = {"method": request.method, "body": body.decode(), "query": request.query_string, "x": request.headers.get("x-mine")}
        response = web.json_response(answer, status=int(request.query.get("status", 200)))
        response.headers.add("set-cookie", "a=1")
        response.headers.add("set-cookie", "b=2")
        return response

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one")
        await self._passed(request.match_info["name"])
        await response.write(b"two")
        return response

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"more")
                await asyncio.sleep(0.005)
        finally:
            self._step(request.match_info["name"]).set()

    async def _upload(self, request: web.Request) -> web.Response:
        pieces = []
        async for piece in request.content.iter_any():
            pieces.append(piece.decode())
            self._step(request.match_info["name"]).set()
        return web.json_response(pieces)

    async def _take_step(self, request: web.Request) -> web.Response:
        self._step(request.match_info["name"]).set()
        return web.Response(text="stepped")

    async def _wait(self, request: web.Request) -> web.Response:
        await self._passed(request.match_info["name"])
        return web.Response(text="passed")

    async def _packed(self, request: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(b"packed text"), headers={"content-encoding": "gzip"})

    async def _cut(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return response

    async def _slow(self, request: web.Request) -> web.Response:
        await asyncio.sleep(0.3)
        return web.Response(text="slow")

    async def _moved(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"location": "/echo?moved=1"})

    async def _openai(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        assert request.headers["authorization"] == "Bearer test-key"
        if not asked.get("stream"):
            return web.json_response(completion("whole answer"))
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(event(completion_chunk("Hel")))
        await self._passed(request.match_info["name"])
        await response.write(event(completion_chunk("lo")))
        await response.write(b"data: [DONE]\n\n")
        return response

    async def _anthropic(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        assert request.headers["authorization"] == "Bearer test-key"
        if not asked.get("stream"):
            return web.json_response(message("whole answer"))
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(event(start_of_message(), "message_start"))
        await response.write(
            event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}, "content_block_start")
        )
        await response.write(event(text_delta("Hel"), "content_block_delta"))
        await self._passed(request.match_info["name"])
        await response.write(event(text_delta("lo"), "content_block_delta"))
        await response.write(event({"type": "message_stop"}, "message_stop"))
        return response


def event(data: Any, name: str | None = None) -> bytes:
    """One server-sent event."""
    return ((f"event: {name}\n" if name else "") + f"data: {json.dumps(data)}\n\n").encode()


def completion(text: str) -> dict[str, Any]:
    """OpenAI's chat completion."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    return {"id": "c1", "object": "chat.completion", "created": 1, "model": "gpt-test", "choices": [choice]}


def completion_chunk(text: str) -> dict[str, Any]:
    """A piece of it."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-test", "choices": [choice]}


def message(text: str) -> dict[str, Any]:
    """Anthropic's message."""
    usage = {"input_tokens": 1, "output_tokens": 1}
    content = [{"type": "text", "text": text}] if text else []
    return {
        "id": "m1",
        "type": "message",
        "role": "assistant",
        "model": "claude-test",
        "content": content,
        "stop_reason": None,
        "usage": usage,
    }


def start_of_message() -> dict[str, Any]:
    """How its stream begins."""
    return {"type": "message_start", "message": message("")}


def text_delta(text: str) -> dict[str, Any]:
    """A piece of it."""
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
