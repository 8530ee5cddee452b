"""TURN and POINT frames of the Python host, and the trap that stops it at one point."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from link_gateway import Gateway, host

from emulator.wire.frames import Kind

SOURCE = """
import asyncio, json
import js
from workers import DurableObject, Response, WorkerEntrypoint
from urllib.parse import urlsplit

class Box(DurableObject):
    async def fetch(self, request):
        client, server = js.WebSocketPair.new().object_values()
        self.ctx.acceptWebSocket(server)
        return Response(None, status=101, web_socket=client)

    async def webSocketMessage(self, socket, message):
        self.ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS t (a)")
        self.ctx.storage.sql.exec("INSERT INTO t VALUES (?), (?)", message, message)
        answer = await js.fetch("https://example.com/charge?card=1", method="POST")
        reader = answer.body.getReader()
        while not (part := await reader.read()).done:
            pass
        socket.send(message + "\\n" + "x" * 100)

    async def count(self):
        return len(self.ctx.storage.sql.exec("SELECT * FROM t").toArray())

    async def nothing(self):
        return None

class Default(WorkerEntrypoint):
    async def fetch(self, request):
        box = self.env.BOX.getByName("a\\nb")
        if urlsplit(request.url).path == "/ws":
            return await box.fetch(request)
        return Response(json.dumps([await box.count(), await box.nothing()]))
"""


async def streamed() -> object:
    yield b"one"
    await asyncio.sleep(0.01)
    yield b"two"


async def connect(gateway: Gateway) -> int:
    answer = await asyncio.wait_for(gateway.request("/ws", upgrade=True).answer, 10)
    assert answer.upgraded
    return answer.id


async def test_every_turn_is_told_with_what_it_used(tmp_path: Path) -> None:
    async with host(tmp_path, SOURCE) as gateway:
        socket = await connect(gateway)
        gateway.link.send(Kind.TEXT, socket, b"hello")
        await gateway.until(lambda: len(gateway.turns) == 2)
        assert await gateway.fetch("/") == [2, None]
    labels = [turn[4] for turn in gateway.turns]
    assert labels == ["fetch", "webSocketMessage", "count", "nothing"]
    assert all(turn[:4] == ["Box", gateway.id("a\nb"), "a b", "1"] for turn in gateway.turns)
    #            ms, commits, rows read, rows written, statements
    assert [turn[5:] for turn in gateway.turns] == [
        ["0.000", "0", "0", "0", "0"],
        ["0.000", "1", "0", "2", "2"],
        ["0.000", "0", "2", "0", "1"],
        ["0.000", "0", "0", "0", "0"],
    ]


async def test_no_points_until_somebody_asks(tmp_path: Path) -> None:
    async with host(tmp_path, SOURCE) as gateway:
        await connect(gateway)
        gateway.link.note("points", on=True, trap=None)
        await connect(gateway)
        gateway.link.note("points", on=False, trap=None)
        await connect(gateway)
        await gateway.clock()
    assert [point[:2] for point in gateway.points] == [["1", "turn"], ["2", "end"], ["3", "respond"]]


async def test_points_are_the_boundaries_of_a_turn_in_order(tmp_path: Path) -> None:
    async with host(tmp_path, SOURCE) as gateway:
        gateway.answer = lambda incoming: incoming.respond(200, b"OK", [], streamed())
        socket = await connect(gateway)
        gateway.link.note("points", on=True, trap=None)
        gateway.link.send(Kind.TEXT, socket, b"hello")
        await gateway.until(lambda: len(gateway.turns) == 2)
        await gateway.clock()
    told = [(point[1], point[6]) for point in gateway.points]
    charge = "POST https://example.com/charge"
    assert told == [
        ("turn", "webSocketMessage"),
        ("commit", ""),
        ("request", charge),
        ("answer", charge),
        ("chunk", charge),
        ("chunk", charge),
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


async def test_a_trap_stops_the_process_there_and_nothing_is_lost(tmp_path: Path) -> None:
    async with host(tmp_path, SOURCE) as gateway:
        socket = await connect(gateway)
        gateway.link.note("points", on=True, trap=3)
        gateway.link.send(Kind.TEXT, socket, b"hello")
        await stopped(gateway)
        await gateway.until(lambda: len(gateway.points) == 3)
        assert gateway.points[-1][1] == "request" and len(gateway.asked) == 1, "what was written before has arrived"
        assert gateway.texts == []
        os.kill(gateway.process.pid, signal.SIGCONT)
        await gateway.until(lambda: bool(gateway.texts))
        assert len(gateway.asked) == 1
        await gateway.clock()
        assert not [note for note in gateway.notes if note["op"] == "stall"]


async def test_a_process_killed_in_a_trap_has_done_nothing_more(tmp_path: Path) -> None:
    async with host(tmp_path, SOURCE) as gateway:
        socket = await connect(gateway)
        gateway.link.note("points", on=True, trap=2)
        gateway.link.send(Kind.TEXT, socket, b"hello")
        await stopped(gateway)
        os.kill(gateway.process.pid, signal.SIGKILL)
        await gateway.process.wait()
        await gateway.until(lambda: gateway.link.lost)
    assert gateway.points[-1][1] == "commit" and gateway.asked == [] and gateway.texts == []
    async with host(tmp_path, SOURCE) as again:
        assert await again.fetch("/") == [2, None], "the commit is in the file"


async def test_the_kernel_has_all_bytes_before_the_stop(tmp_path: Path) -> None:
    """More than a socket takes at once, and nobody reads while the host writes."""
    source = SOURCE.replace('"x" * 100', '"x" * 3_000_000')
    async with host(tmp_path, source) as gateway:
        socket = await connect(gateway)
        gateway.link.note("points", on=True, trap=5)
        gateway.link.send(Kind.TEXT, socket, b"hello")
        await gateway.until(lambda: len(gateway.points) == 5)
        await stopped(gateway)
        assert gateway.points[-1][1] == "frame"
        assert [len(text) for text in gateway.texts] == [3_000_006]
        os.kill(gateway.process.pid, signal.SIGKILL)
