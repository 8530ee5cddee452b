"""A facet with sockets of its own, as workerd has been seen to treat them: they sleep and wake with it, and are answered without it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from harness import npm
from harness.server import Server, serving

JAVASCRIPT = """
import { DurableObject } from "cloudflare:workers";

export class Child extends DurableObject {
  made = crypto.randomUUID();
  fetch(request) {
    if (request.headers.get("upgrade") === null) {
      return Response.json({ made: this.made, sockets: this.ctx.getWebSockets().map((socket) => this.ctx.getTags(socket)) });
    }
    const [client, server] = Object.values(new WebSocketPair());
    this.ctx.acceptWebSocket(server, ["tag"]);
    server.serializeAttachment({ kept: 1 });
    this.ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    return new Response(null, { status: 101, webSocket: client });
  }
  webSocketMessage(socket, message) {
    const answered = this.ctx.getWebSocketAutoResponseTimestamp(socket) !== null;
    socket.send(JSON.stringify([message, this.made, socket.deserializeAttachment(), answered]));
  }
}

export class Parent extends DurableObject {
  fetch(request) {
    if (request.url.endsWith("/abort")) {
      this.ctx.facets.abort("child", new Error("enough"));
      return new Response("aborted");
    }
    return this.ctx.facets.get("child", () => ({ class: this.ctx.exports.Child })).fetch(request);
  }
}

export default { fetch: (request, env) => env.PARENT.getByName("one").fetch(request) };
"""

PYTHON = """
import json
import uuid

import js
from pyodide.ffi import jsnull, to_js
from workers import DurableObject, Response, WorkerEntrypoint


class Child(DurableObject):
    def __init__(self, ctx, env):
        super().__init__(ctx, env)
        self.made = str(uuid.uuid4())

    async def fetch(self, request):
        if request.headers.get("upgrade") is None:
            return Response.json({"made": self.made, "sockets": [list(self.ctx.getTags(one)) for one in self.ctx.getWebSockets()]})
        client, server = js.WebSocketPair.new().object_values()
        self.ctx.acceptWebSocket(server, to_js(["tag"]))
        server.serializeAttachment(to_js({"kept": 1}, dict_converter=js.Object.fromEntries))
        self.ctx.setWebSocketAutoResponse(js.WebSocketRequestResponsePair.new("ping", "pong"))
        return Response(None, status=101, web_socket=client)

    async def webSocketMessage(self, socket, message):
        answered = self.ctx.getWebSocketAutoResponseTimestamp(socket) is not jsnull
        socket.send(json.dumps([message, self.made, socket.deserializeAttachment().to_py(), answered]))


class Parent(DurableObject):
    async def fetch(self, request):
        if request.url.endswith("/abort"):
            self.ctx.facets.abort("child", js.Error.new("enough"))
            return Response("aborted")
        child = self.ctx.facets.get("child", lambda: to_js({"class": self.ctx.exports.Child}, dict_converter=js.Object.fromEntries))
        return await child.fetch(request.js_object)


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return await self.env.PARENT.getByName("one").fetch(request)
"""


@pytest_asyncio.fixture(loop_scope="session", params=["js", "py"])
async def server(request: pytest.FixtureRequest, tmp_path) -> AsyncIterator[Server]:
    made = tmp_path / "made"
    (made / "src").mkdir(parents=True)
    (made / f"src/main.{request.param}").write_text(PYTHON if request.param == "py" else JAVASCRIPT)
    configuration = {
        "name": "facets",
        "main": f"src/main.{request.param}",
        "compatibility_date": "2026-11-17",
        "compatibility_flags": ["python_workers"] if request.param == "py" else [],
        "durable_objects": {"bindings": [{"name": "PARENT", "class_name": "Parent"}]},
        "migrations": [{"tag": "v1", "new_sqlite_classes": ["Parent"]}],
    }
    (made / "wrangler.json").write_text(json.dumps(configuration))
    modules = npm.sample_modules() if request.param == "js" else None
    async with serving(made, tmp_path, modules=modules) as server:
        yield server


async def test_sockets_of_a_facet(server: Server, session: aiohttp.ClientSession):
    async with session.ws_connect(f"{server.origin}/ws") as ws:
        await ws.send_str("before")
        _, first, attachment, answered = await ws.receive_json(timeout=5)
        assert (attachment, answered) == ({"kept": 1}, False)
        await ws.send_str("ping")
        assert await ws.receive_str(timeout=5) == "pong"
        await server.control("POST", "objects/Parent/one/hibernate")
        await ws.send_str("ping")
        assert await ws.receive_str(timeout=5) == "pong"
        await ws.send_str("after")
        said, second, attachment, answered = await ws.receive_json(timeout=5)
        assert (said, attachment, answered) == ("after", {"kept": 1}, True)
        assert second != first, "it was constructed anew"
        assert (await server.get("/"))[1] == {"made": second, "sockets": [["tag"]]}
        await server.get("/abort")
        assert (await asyncio.wait_for(ws.receive(), 5)).type is not aiohttp.WSMsgType.TEXT
    assert (await server.get("/"))[1]["sockets"] == []
