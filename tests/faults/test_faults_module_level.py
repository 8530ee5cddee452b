"""What TypeScript does at module level, where there is no event: refused in workerd's words (each answer here is workerd's own)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from harness import npm
from harness.server import Server, serving
from harness.waiting import eventually

REFUSED = (
    "Error: Disallowed operation called within global scope. Asynchronous I/O (ex: fetch() or connect()), setting a timeout, and "
    "generating random values are not allowed within global scope. To fix this error, perform this operation within a handler. "
    "https://developers.cloudflare.com/workers/runtime-apis/handlers/"
)
THROWS = {
    "setTimeout(() => {}, 0)": REFUSED,
    "setInterval(() => {}, 10)": REFUSED,
    "setImmediate(() => {})": REFUSED,
    "clearTimeout(1)": REFUSED,
    "crypto.getRandomValues(new Uint8Array(2))": REFUSED,
    "crypto.randomUUID()": REFUSED,
    "nodeCrypto.randomBytes(2)": REFUSED,
    "nodeCrypto.randomUUID()": REFUSED,
    "nodeCrypto.randomInt(5)": REFUSED,
    "nodeTimers.setTimeout(() => {}, 1)": REFUSED,
    "AbortSignal.timeout(10)": REFUSED,
    'new WebSocket("ws://x/")': REFUSED,
    "new WebSocketPair()": REFUSED,
    'new EventSource("http://x/")': "NotSupportedError: An EventSource can only be created within the context of a worker request.",
    "waitUntil(Promise.resolve())": REFUSED,
    'connect("127.0.0.1:1")': REFUSED,
    'env.THING.getByName("x")': REFUSED,
    'new Response("x")': REFUSED,
    "Response.json({})": REFUSED,
    'new Request("http://x/", { method: "POST", body: "x" })': REFUSED,
}
REJECTS = {
    'fetch("http://x/")': REFUSED,
    'fetch("data:,x")': REFUSED,
    "scheduler.wait(1)": REFUSED,
    "nodeTimersPromises.setTimeout(1)": REFUSED,
    'caches.default.match("http://x/")': REFUSED,
    'crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, true, ["sign"])': REFUSED,
}
ALLOWED = [
    "queueMicrotask(() => {})",
    "process.nextTick(() => {})",
    "clearTimeout(undefined)",
    "Math.random()",
    'crypto.subtle.digest("SHA-256", new Uint8Array(1))',
    'nodeCrypto.createHash("sha256").update("a").digest("hex")',
    "new Response(null)",
    'new Request("http://x/")',
    "new ReadableStream()",
    "new TransformStream()",
    "new AbortController().abort()",
    'env.THING.idFromName("a")',
    "env.THING.newUniqueId()",
]
HEAD = """
import { connect } from "cloudflare:sockets";
import { DurableObject, env, waitUntil } from "cloudflare:workers";
import nodeCrypto from "node:crypto";
import * as nodeTimers from "node:timers";
import * as nodeTimersPromises from "node:timers/promises";
"""
REST = """
export class Thing extends DurableObject {}
export default { async fetch() { return Response.json(await report()); } };
"""


def program() -> str:
    tries = "".join(f"tried[{json.dumps(code)}] = attempt(() => {code});\n" for code in [*THROWS, *REJECTS, *ALLOWED])
    return (
        HEAD
        + """
const said = (error) => `${error.name}: ${error.message}`;
function attempt(doing) {
  try {
    const value = doing();
    return value instanceof Promise ? value.then(() => "ok", (error) => `rejected ${said(error)}`) : "ok";
  } catch (error) {
    return said(error);
  }
}
const tried = {};
"""
        + tries
        + """
async function report() {
  const entries = Object.entries(tried).map(async ([code, outcome]) => [code, await outcome]);
  return { ...Object.fromEntries(await Promise.all(entries)), uuid: crypto.randomUUID().length, snapshot: await later() };
}
// What was made at module level works in a handler.
const inSnapshot = (await import("node:async_hooks")).AsyncLocalStorage.snapshot();
const later = () => inSnapshot(() => new Promise((resolve) => setTimeout(() => resolve("ok"), 1)));
"""
        + REST
    )


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    folder = tmp_path_factory.mktemp("module-level")
    made = folder / "made"
    (made / "src").mkdir(parents=True)
    (made / "src/main.js").write_text(program())
    configuration = {
        "name": "level",
        "main": "src/main.js",
        "compatibility_date": "2026-11-17",
        "durable_objects": {"bindings": [{"name": "THING", "class_name": "Thing"}]},
        "migrations": [{"tag": "v1", "new_sqlite_classes": ["Thing"]}],
    }
    (made / "wrangler.json").write_text(json.dumps(configuration))
    async with serving(made, folder, modules=npm.sample_modules()) as server:
        yield server


async def test_what_is_refused_and_what_is_not(server: Server):
    status, told = await server.get("/")
    assert status == 200, told
    expected = THROWS | {code: f"rejected {text}" for code, text in REJECTS.items()} | dict.fromkeys(ALLOWED, "ok")
    assert told == {**expected, "uuid": 36, "snapshot": "ok"}


@pytest.mark.parametrize(
    ("code", "what", "where"),
    [
        ("await new Promise(() => {});", "Error: Top-level await in module is unsettled.", "src/main.js"),
        ("const id = crypto.randomUUID();", REFUSED, "src/main.js:8"),
        ('\nconst settings = await fetch("http://127.0.0.1:9/");', REFUSED, "src/main.js:9"),
    ],
)
async def test_code_that_needs_it_does_not_load(server: Server, code: str, what: str, where: str):
    source = server.folder / "src/main.js"
    before, mark = source.read_text(), len(server.output())
    source.write_text(f"{HEAD}\n{code}\n{REST.replace('await report()', '1')}")
    try:

        async def told() -> bool:
            return f"E424 src/main.js does not load: {what}\n  where  {where}\n" in server.output()[mark:]

        await eventually(told)
        assert (await server.get("/"))[0] == 200, "the code of before goes on serving"
    finally:
        source.write_text(before)


async def test_a_rejection_that_nobody_heard_is_told_and_the_code_loads(server: Server):
    source = server.folder / "src/main.js"
    before, mark = source.read_text(), len(server.output())
    source.write_text(f"{HEAD}\nfetch('http://127.0.0.1:9/');\n{REST.replace('await report()', '1')}")
    try:

        async def loaded() -> bool:
            return await server.get("/") == (200, 1)

        await eventually(loaded)
        assert f"E401 {REFUSED}" in server.output()[mark:]
    finally:
        source.write_text(before)
