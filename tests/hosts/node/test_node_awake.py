"""`awake`: what keeps an object in memory, with the user's own line."""

from __future__ import annotations

import asyncio
from typing import Any

from link_gateway import START_MS, Gateway
from node_gateway import host, upgraded
from node_project import NodeProject

SOURCE = """
import { DurableObject, RpcTarget } from "cloudflare:workers";

class Counter extends RpcTarget {}

interface Kept { dup(): unknown }

export class Box extends DurableObject {
  timer: unknown;
  kept: unknown;

  async fetch(request: Request) {
    const name = new URL(request.url).pathname.split("/")[2];
    return (await (this as any)[name]()) ?? Response.json({});
  }
  interval() {
    setInterval(() => {}, 30000); // LINE interval
  }
  later() {
    this.timer = setTimeout(() => {}, 5000); // LINE later
  }
  forgotten() {
    this.ctx.waitUntil(new Promise(() => {})); // LINE forgotten
  }
  async event() {
    await fetch("https://example.com/slow?token=1"); // LINE event
  }
  async stream() {
    const answer = await fetch("https://example.com/stream"); // LINE stream
    this.kept = answer.body!.getReader();
    (this.kept as any).read();
  }
  socket() {
    const { 0: client, 1: server } = new WebSocketPair();
    server.accept();
    return new Response(null, { status: 101, webSocket: client });
  }
  outgoing() {
    this.kept = new WebSocket("wss://example.com/feed?k=1"); // LINE outgoing
  }
  section() {
    this.ctx.blockConcurrencyWhile(() => new Promise(() => {})); // LINE section
  }
  async stub() {
    await (this.env as any).BOX.getByName("keeper").keep(new Counter()); // LINE stub
  }
  async keep(counter: Kept) {
    this.kept = counter.dup();
  }
  package() {
    return import("armer").then(({ arm }) => { arm(); }); // LINE package
  }
}

export default {
  fetch: (request: Request, env: any) => env.BOX.getByName(new URL(request.url).pathname.split("/")[1]).fetch(request),
};
"""


def line_of(mark: str) -> str:
    number = next(number for number, line in enumerate(SOURCE.split("\n"), 1) if line.endswith(f"// LINE {mark}"))
    return f"src/main.ts:{number}"


async def awake(gateway: Gateway, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await gateway.call("awake", **{"class": "Box", "id": gateway.id(name)})
    return found


def project(node_project: NodeProject) -> NodeProject:
    return node_project.write({"src/main.ts": SOURCE}).package(
        "armer", {"index.js": "export const arm = () => setInterval(() => {}, 7000);"}
    )


async def test_everything_that_holds_an_object_has_its_line(node_project: NodeProject) -> None:
    project(node_project)
    async with host(node_project.root, node_project.node) as gateway:
        gateway.answer = lambda incoming: None
        await gateway.clock(1000)
        expected = {
            "interval": ("timer", "setInterval 30000 ms"),
            "later": ("timer", "setTimeout 5000 ms"),
            "forgotten": ("waitUntil", "waitUntil()"),
            "outgoing": ("outgoing socket", "wss://example.com/feed"),
            "stub": ("stub", "a stub of Counter"),
            "section": ("task", "blockConcurrencyWhile()"),
        }
        for name, (what, text) in expected.items():
            await gateway.fetch(f"/{name}/{name}")
            reason = {"what": what, "text": text, "where": line_of(name), "since_ms": START_MS + 1000}
            assert await awake(gateway, name) == [reason]


async def test_requests_bodies_and_events_hold_it_while_they_last(node_project: NodeProject) -> None:
    project(node_project)
    async with host(node_project.root, node_project.node) as gateway:
        gateway.answer = lambda incoming: None
        slow = asyncio.ensure_future(gateway.fetch("/slow/event"))
        await gateway.until(lambda: bool(gateway.asked))
        assert await awake(gateway, "slow") == [
            {"what": "fetch", "text": "GET https://example.com/slow", "where": line_of("event"), "since_ms": START_MS},
            {"what": "event", "text": "fetch", "where": None, "since_ms": START_MS},
        ]
        gateway.asked[0].respond(200, b"OK", [], b"")
        await slow
        assert await awake(gateway, "slow") == []

        async def endless() -> Any:
            yield b"one"
            await asyncio.sleep(60)

        gateway.answer = lambda incoming: incoming.respond(200, b"OK", [], endless())
        await gateway.fetch("/read/stream")
        body = {"what": "body", "text": "the body of GET https://example.com/stream", "where": line_of("stream"), "since_ms": START_MS}
        assert await awake(gateway, "read") == [body]
        await upgraded(gateway, "/sock/socket")
        assert await awake(gateway, "sock") == [
            {"what": "socket", "text": "http://h/sock/socket", "where": None, "since_ms": START_MS},
        ]


async def test_an_eviction_says_why_not(node_project: NodeProject) -> None:
    project(node_project)
    async with host(node_project.root, node_project.node) as gateway:
        await gateway.fetch("/a/interval")
        evicting = asyncio.ensure_future(gateway.link.call("evict", **{"class": "Box", "id": gateway.id("a"), "sockets": "hibernate"}))
        # The clock does not wait for who waits for it.
        assert await gateway.clock() == START_MS + 30_000
        evicting.cancel()


async def test_a_package_s_line_where_only_a_package_ran(node_project: NodeProject) -> None:
    project(node_project)
    async with host(node_project.root, node_project.node) as gateway:
        await gateway.fetch("/p/package")
        [reason] = await awake(gateway, "p")
        assert reason["where"] in (line_of("package"), "node_modules/armer/index.js:1")
