"""What requests are to user code, in both languages: what came with them, and how those that go out may end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from harness import npm
from harness.server import Server, serving

TYPESCRIPT = """
import { DurableObject } from "cloudflare:workers";

async function outcome(doing: () => Promise<unknown>) {
  try {
    return await doing();
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
}

const asked = async (url: string) => {
  const response = await fetch(url, { headers: { Upgrade: "websocket" } });
  return [response.status, response.webSocket, response.headers.get("x-why"), await response.text()];
};

export class Thing extends DurableObject {
  async fetch(request: Request) {
    return Response.json(request.cf ?? null);
  }
}

export default {
  async fetch(request: Request, env: any) {
    const url = new URL(request.url);
    const far = url.searchParams.get("far");
    const thing = env.THING.getByName("one");
    switch (url.pathname) {
      case "/cf":
        return Response.json(request.cf);
      case "/cf/change":
        return Response.json(await outcome(async () => ((request.cf as any).tlsClientAuth.certVerified = "SUCCESS")));
      case "/cf/object":
        return thing.fetch(request);
      case "/cf/own":
        return thing.fetch("http://any/");
      case "/upgrade":
        return Response.json([await outcome(() => asked(`${far}/teapot`)), await outcome(() => asked(`${far}/gone`))]);
      case "/redirect":
        return Response.json(await outcome(() => fetch("http://any/", { redirect: "error" } as any)));
    }
    return new Response("?", { status: 404 });
  },
};
"""

PYTHON = """
import js
from pyodide.ffi import jsnull, to_js
from workers import DurableObject, Response, WorkerEntrypoint, fetch


async def asked(url):
    try:
        response = await js.fetch(url, to_js({"headers": {"Upgrade": "websocket"}}, dict_converter=js.Object.fromEntries))
        return [response.status, None if response.webSocket is jsnull else "socket", response.headers.get("x-why"), await response.text()]
    except Exception as error:
        return str(error)


class Thing(DurableObject):
    async def fetch(self, request):
        return Response.json(None if request.cf is None else request.cf.to_py())


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        thing = self.env.THING.getByName("one")
        match request.url.split("?")[0].split("/", 3)[3]:
            case "cf":
                return Response.json(request.cf.to_py())
            case "cf/change":
                try:
                    request.cf.tlsClientAuth.certVerified = "SUCCESS"
                except Exception as error:
                    return Response.json(str(error))
            case "cf/object":
                return await thing.fetch(request)
            case "cf/own":
                return await thing.fetch("http://any/")
            case "upgrade":
                far = request.url.split("far=")[1]
                return Response.json([await asked(f"{far}/teapot"), await asked(f"{far}/gone")])
            case "redirect":
                try:
                    await fetch("http://any/", redirect="error")
                except Exception as error:
                    return Response.json(str(error))
        return Response("?", status=404)
"""

SAMPLE = json.loads((Path(__file__).parents[2] / "emulator/core/incoming_cf.json").read_text("utf-8"))
NO_ERRORS = (
    'Invalid redirect value, must be one of "follow" or "manual" ("error" won\'t be implemented since it does not make sense '
    'at the edge; use "manual" and check the response status code).'
)


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["py", "ts"])
async def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    folder = tmp_path_factory.mktemp("requests")
    made = folder / "made"
    (made / "src").mkdir(parents=True)
    (made / f"src/main.{request.param}").write_text(PYTHON if request.param == "py" else TYPESCRIPT)
    configuration = {
        "name": "requests",
        "main": f"src/main.{request.param}",
        "compatibility_date": "2026-11-17",
        "compatibility_flags": ["python_workers"] if request.param == "py" else [],
        "durable_objects": {"bindings": [{"name": "THING", "class_name": "Thing"}]},
        "migrations": [{"tag": "v1", "new_sqlite_classes": ["Thing"]}],
    }
    (made / "wrangler.json").write_text(json.dumps(configuration))
    modules = npm.sample_modules() if request.param == "ts" else None
    async with serving(made, folder, "--ai", "live", modules=modules) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def far() -> AsyncIterator[str]:
    """A server that answers handshakes as HTTP, or not at all."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"GET /teapot "):
            writer.write(b"HTTP/1.1 418 I'm a teapot\r\nx-why: tea\r\ncontent-length: 5\r\n\r\nshort")
            await writer.drain()
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


async def test_where_a_request_came_from(server: Server):
    """As `wrangler dev` without a network has it."""
    status, cf = await server.get("/cf", headers={"accept-encoding": "gzip, br"})
    assert (status, cf) == (200, {**SAMPLE, "clientAcceptEncoding": "gzip, br"})
    assert (await server.get("/cf", headers={"accept-encoding": "identity"}))[1]["clientAcceptEncoding"] == "identity"


async def test_nobody_changes_where_a_request_came_from(server: Server):
    assert "Cannot assign to read only property 'certVerified' of object '#<Object>'" in (await server.get("/cf/change"))[1]
    assert (await server.get("/cf"))[1]["tlsClientAuth"]["certVerified"] == "NONE"


async def test_an_object_sees_where_a_request_came_from_that_is_passed_on(server: Server):
    assert (await server.get("/cf/object"))[1]["city"] == "Austin"
    assert (await server.get("/cf/own"))[1] is None


async def test_a_handshake_may_be_answered_by_a_response(server: Server, far: str):
    _, (refused, gone) = await server.get(f"/upgrade?far={far}")
    assert refused == [418, None, "tea", "short"]
    assert gone.endswith("Error: Network connection lost.")


async def test_redirects_cannot_be_errors(server: Server):
    assert NO_ERRORS in (await server.get("/redirect"))[1]
