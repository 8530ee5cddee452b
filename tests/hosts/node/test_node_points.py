"""TURN and POINT frames of the Node host, and the trap that stops it at one point."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from link_gateway import Gateway
from node_gateway import host, upgraded
from node_project import NodeProject

from emulator.wire.frames import Kind

SOURCE = """
import { DurableObject } from "cloudflare:workers";

export class Box extends DurableObject {
  async fetch() {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }
  async webSocketMessage(socket: WebSocket, message: string) {
    this.ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS t (a)");
    this.ctx.storage.sql.exec("INSERT INTO t VALUES (?), (?)", message, message);
    const answer = await fetch("https://example.com/charge?card=1", { method: "POST" });
    for await (const part of answer.body!) ;
    socket.send(message + "\\n" + "x".repeat(100));
  }
  async slowly(count: number) {
    for (let i = 0; i < count; i += 1) this.ctx.storage.sql.exec("SELECT 1 UNION SELECT 2").toArray();
    await new Promise((resolve) => setTimeout(resolve, count));
  }
  async count() { return this.ctx.storage.sql.exec("SELECT * FROM t").toArray().length; }
  async nothing() { return null; }
}

export default {
  async fetch(request: Request, env: any) {
    const box = env.BOX.getByName("a\\nb");
    const { pathname } = new URL(request.url);
    if (pathname === "/ws") return box.fetch(request);
    if (pathname === "/both") return Response.json(await Promise.all([box.slowly(300), box.slowly(1), box.nothing()]));
    return Response.json([await box.count(), await box.nothing()]);
  },
};
"""
CHARGE = "POST https://example.com/charge"


def project(node_project: NodeProject, source: str = SOURCE) -> tuple[Path, Path]:
    return node_project.write({"src/main.ts": source}).root, node_project.node


async def streamed() -> object:
    yield b"one"
    await asyncio.sleep(0.01)
    yield b"two"


async def connect(gateway: Gateway) -> int:
    return await upgraded(gateway, "/ws")


async def test_every_turn_is_told_with_what_it_used(node_project: NodeProject) -> None:
    async with host(*project(node_project)) as gateway:
        socket = await connect(gateway)
        gateway.link.send(Kind.TEXT, socket, b"hello")
        await gateway.until(lambda: len(gateway.turns) == 2)
        assert await gateway.fetch("/") == [2, None]
        assert [turn[4] for turn in gateway.turns] == ["fetch", "webSocketMessage", "count", "nothing"]
        assert all(turn[:4] == ["Box", gateway.id("a\nb"), "a b", "1"] for turn in gateway.turns)
        #            ms, commits, rows read, rows written, statements
        assert [turn[5:] for turn in gateway.turns] == [
            ["0.000", "0", "0", "0", "0"],
            ["0.000", "1", "0", "2", "2"],
            ["0.000", "0", "2", "0", "1"],
            ["0.000", "0", "0", "0", "0"],
        ]


async def test_turns_that_overlap_are_told_apart(node_project: NodeProject) -> None:
    async with host(*project(node_project)) as gateway:
        both = asyncio.ensure_future(gateway.fetch("/both"))
        await gateway.until(lambda: len(gateway.turns) == 1)
        await gateway.clock()
        await gateway.clock(300)
        await both
        assert [turn[4:] for turn in gateway.turns] == [
            ["nothing", "0.000", "0", "0", "0", "0"],
            ["slowly", "300.000", "0", "2", "0", "1"],
            ["slowly", "300.000", "0", "600", "0", "300"],
        ]


async def test_no_points_until_somebody_asks(node_project: NodeProject) -> None:
    async with host(*project(node_project)) as gateway:
        await connect(gateway)
        gateway.link.note("points", on=True, trap=None)
        await connect(gateway)
        gateway.link.note("points", on=False, trap=None)
        await connect(gateway)
        await gateway.clock()
        assert [point[:2] for point in gateway.points] == [["1", "turn"], ["2", "end"], ["3", "respond"]]


async def test_points_are_the_boundaries_of_a_turn_in_order(node_project: NodeProject) -> None:
    async with host(*project(node_project)) as gateway:
        gateway.answer = lambda incoming: incoming.respond(200, b"OK", [], streamed())
        socket = await connect(gateway)
        gateway.link.note("points", on=True, trap=None)
        gateway.link.send(Kind.TEXT, socket, b"hello")
        await gateway.until(lambda: len(gateway.turns) == 2)
        await gateway.clock()
        assert [(point[1], point[6]) for point in gateway.points] == [
            ("turn", "webSocketMessage"),
            ("commit", ""),
            ("request", CHARGE),
            ("answer", CHARGE),
            ("chunk", CHARGE),
            ("chunk", CHARGE),
            ("frame", "hello " + "x" * 74),
            ("end", "webSocketMessage"),
        ]
        assert [int(point[0]) for point in gateway.points] == list(range(1, 9))
        assert all(point[2:6] == ["Box", gateway.id("a\nb"), "a b", "1"] for point in gateway.points)


def state_of(pid: int) -> str:
    """The kernel's letter."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def stopped(gateway: Gateway) -> None:
    """Wait until the kernel says that the process is stopped."""
    async with asyncio.timeout(10):
        while state_of(gateway.process.pid) != "T":
            await asyncio.sleep(0.005)


async def test_a_trap_stops_the_process_there_and_nothing_is_lost(node_project: NodeProject) -> None:
    async with host(*project(node_project)) as gateway:
        socket = await connect(gateway)
        gateway.link.note("points", on=True, trap=3)
        gateway.link.send(Kind.TEXT, socket, b"hello")
        await stopped(gateway)
        await gateway.until(lambda: len(gateway.points) == 3)
        assert gateway.points[-1][1] == "request" and len(gateway.asked) == 1, "what was written before has arrived"
        # Longer than what counts as a blocked loop.
        await asyncio.sleep(0.7)
        assert gateway.texts == []
        os.kill(gateway.process.pid, signal.SIGCONT)
        await gateway.until(lambda: bool(gateway.texts))
        assert len(gateway.asked) == 1
        await gateway.clock()
        assert not [note for note in gateway.notes if note["op"] == "stall"]


async def test_nothing_runs_between_the_call_and_the_stop(node_project: NodeProject) -> None:
    """The trap is at the turn's begin; its first statement would leave a mark outside of the process."""
    marking = (
        SOURCE.replace("async nothing() {", 'async nothing() { (await import("node:fs")).writeFileSync("marked", ""); ')
        .replace("box.count()", "0")
        .replace("import { Dur", 'import "node:fs";\nimport { Dur')
    )
    root, node = project(node_project, marking)
    async with host(root, node) as gateway:
        for _ in range(20):
            gateway.link.note("points", on=True, trap=1)
            answer = asyncio.ensure_future(gateway.fetch("/"))
            await stopped(gateway)
            assert not (root / "marked").exists()
            os.kill(gateway.process.pid, signal.SIGCONT)
            assert await answer == [0, None]
            (root / "marked").unlink()


async def test_a_process_killed_in_a_trap_has_done_nothing_more(node_project: NodeProject) -> None:
    root, node = project(node_project)
    async with host(root, node) as gateway:
        socket = await connect(gateway)
        gateway.link.note("points", on=True, trap=2)
        gateway.link.send(Kind.TEXT, socket, b"hello")
        await stopped(gateway)
        os.kill(gateway.process.pid, signal.SIGKILL)
        await gateway.process.wait()
        await gateway.until(lambda: gateway.link.lost)
    assert gateway.points[-1][1] == "commit" and gateway.asked == [] and gateway.texts == []
    async with host(root, node) as again:
        assert await again.fetch("/") == [2, None], "the commit is in the file"


async def test_the_kernel_has_all_bytes_before_the_stop(node_project: NodeProject) -> None:
    """More than a socket takes at once, and nobody reads while the host writes."""
    source = SOURCE.replace('"x".repeat(100)', '"x".repeat(3_000_000)')
    async with host(*project(node_project, source)) as gateway:
        socket = await connect(gateway)
        gateway.link.note("points", on=True, trap=5)
        gateway.link.send(Kind.TEXT, socket, b"hello")
        await gateway.until(lambda: len(gateway.points) == 5)
        await stopped(gateway)
        assert gateway.points[-1][1] == "frame"
        assert [len(text) for text in gateway.texts] == [3_000_006]
        os.kill(gateway.process.pid, signal.SIGKILL)
