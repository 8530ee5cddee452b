"""Each measurement: what is asked of which server, how often, and into which rows the answers go. All of them are closed loops seen from
the client's side; nothing reads the servers' own clocks."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from bench import processes
from bench.client import Broken, WebSocket, fetch, request, text_frame
from bench.processes import Patience
from bench.servers import CHECKOUT, Server, Target
from bench.table import OURS, Row

CLIENTS = (1, 32, 100)
LOAD_S = 1.0
SETTLED_S = 2.0
"""After a start: the standby host has imported what it can."""
SOCKETS = 5_000
CHUNKS = 200
FIRST_CHUNK_MS, CHUNK_MS = 100, 5
"""As bench/project/fixtures has it."""
WATCHERS = 20
"""Sockets that have to survive each reload."""
BOUND_S = 30.0


async def starts(targets: list[Target], rounds: int, scratch: Path, patience: Patience) -> list[Row]:
    """Spawn to first answer."""
    row = targets[0].row("start to first answer", "ms")
    for number in range(rounds):
        for target in _turned(targets, number):
            await patience.wait()
            async with target.running(scratch) as server:
                row.add(target.name, server.start_ms)
    return [row]


async def throughput(servers: list[Server], rounds: int, patience: Patience) -> list[Row]:
    """Requests and echoes per second, and the CPU time of a server for each. The servers take turns, load by load."""
    row_of = servers[0].row
    http = [row_of(f"HTTP, {_clients(n)}", "requests/s") for n in CLIENTS]
    echo = [row_of(f"WebSocket echo, {_clients(n)}", "round trips/s") for n in CLIENTS]
    request_cost = Row(f"CPU for a request, {_clients(CLIENTS[1])}", "us")
    echo_cost = Row(f"CPU for an echo, {_clients(CLIENTS[2])}", "us")
    costs = {http[1].label: request_cost, echo[2].label: echo_cost}
    for number in range(rounds):
        for kind, rows in (("http", http), ("echo", echo)):
            for clients, row in zip(CLIENTS, rows, strict=True):
                await patience.wait()
                for server in _turned(servers, number):
                    before = processes.cpu_s(server.process.pid)
                    result = await load("bench.load", kind, str(server.port), server.suite.echo, str(clients), str(LOAD_S))
                    if result["errors"]:
                        raise Broken(f"{server.name} failed {result['errors']} times under {row.label}")
                    row.add(server.name, result["per_s"])
                    if row.label in costs:
                        spent = processes.cpu_s(server.process.pid) - before
                        costs[row.label].add(server.name, spent / result["answers"] * 1e6)
    return [*http, request_cost, *echo, echo_cost]


async def idle_memory(servers: list[Server]) -> list[Row]:
    """Of all processes of a server that has answered once and then nothing for a while."""
    await asyncio.sleep(SETTLED_S)
    rss = servers[0].row("idle memory, RSS of all processes", "MiB")
    pss = servers[0].row("idle memory, PSS of all processes", "MiB")
    for server in servers:
        memory = processes.memory(server.process.pid)
        rss.add(server.name, memory.rss)
        pss.add(server.name, memory.pss)
    return [rss, pss]


async def reloads(servers: list[Server], times: int, patience: Patience) -> list[Row]:
    """Save a module, ask until the new code answers, then ask the sockets that were open all the time. A server that drops them gets
    new ones."""
    took = servers[0].row("save to new code answering", "ms")
    lost = Row(f"sockets lost in {times} reloads, of {WATCHERS}", "sockets", servers[0].suite.goal("sockets lost"))
    for server in servers:
        suite, gone = server.suite, 0
        sockets: list[WebSocket] = []
        for number in range(times):
            sockets = [socket if socket.open else await WebSocket.upgrade(server.port, suite.echo) for socket in sockets]
            sockets += [await WebSocket.upgrade(server.port, suite.echo) for _ in range(WATCHERS - len(sockets))]
            await asyncio.sleep(SETTLED_S)
            await patience.wait()
            word = f"save{number}"
            began = time.perf_counter()
            (server.project / suite.marker).write_text(suite.marked.format(word), "utf-8")
            await _new_code(server, word, began)
            took.add(server.name, (time.perf_counter() - began) * 1000)
            for socket in sockets:
                if socket.open and await _ask(socket, b"marker?") != word.encode():
                    raise Broken("a socket was answered by old code")
            gone += sum(not socket.open for socket in sockets)
        lost.add(server.name, gone)
        for socket in sockets:
            socket.close()
    return [took, lost]


async def _new_code(server: Server, word: str, began: float) -> None:
    while True:
        try:
            if word.encode() in (await fetch(server.port, server.suite.echo))[1]:
                return
        except (Broken, OSError):
            pass  # a server that ends its connections when it takes new code
        if time.perf_counter() - began > BOUND_S:
            raise TimeoutError(f"no new code after {BOUND_S} s:\n{server.printed()}")
        await asyncio.sleep(0.002)


async def many_sockets(target: Target, scratch: Path, rows: list[Row], patience: Patience, count: int = SOCKETS) -> None:
    """Open sockets, let their objects hibernate, weigh them, and see that each still answers."""
    opening, per_rss, per_pss, wake = rows
    async with target.running(scratch) as server:
        await asyncio.sleep(SETTLED_S)
        await patience.wait()
        before = processes.memory(server.process.pid)
        holder = await _spawn("bench.load", "hold", str(server.port), target.suite.echo, str(count))
        assert holder.stdin is not None
        try:
            opened = await _answer(holder)
            opening.add(server.name, opened["seconds"])
            await _hibernated(server)
            after = processes.memory(server.process.pid)
            per_rss.add(server.name, (after.rss - before.rss) * 1024 / count)
            per_pss.add(server.name, (after.pss - before.pss) * 1024 / count)
            holder.stdin.write(b"\n")
            end = await _answer(holder)
            if end["alive"] != count:
                raise Broken(f"{server.name} lost {count - end['alive']} of {count} idle sockets")
            wake.add(server.name, end["wake_ms"])
        finally:
            await _ended(holder)


def socket_rows(target: Target, count: int = SOCKETS) -> list[Row]:
    """The rows of `many_sockets`."""
    goal = target.suite.goal
    return [
        Row(f"open {count:,} sockets", "s", goal(f"open {count:,} sockets"), digits=2),
        Row(f"memory of an idle, hibernated socket, RSS{_of(count)}", "KiB", goal("memory of an idle, hibernated socket, RSS"), digits=1),
        Row(f"memory of an idle, hibernated socket, PSS{_of(count)}", "KiB", digits=1),
        Row(f"first message to a hibernated object{_of(count)}", "ms", digits=1),
    ]


def _of(count: int) -> str:
    return "" if count == SOCKETS else f", of {count:,}"


async def paced_model(server: Server, times: int, patience: Patience) -> list[Row]:
    """A recorded answer at the recording's own pace."""
    first = server.row("model stream at 1x: first chunk later than recorded", "ms", digits=1)
    last = Row("model stream at 1x: last chunk later than recorded", "ms", digits=1)
    for number in range(times + 1):
        await patience.wait()
        arrivals = await _chunks(server.port)
        if number:  # the first one warms up
            first.add(server.name, arrivals[0] - FIRST_CHUNK_MS)
            last.add(server.name, arrivals[-1] - (FIRST_CHUNK_MS + (CHUNKS - 1) * CHUNK_MS))
    return [first, last]


async def instant_model(server: Server, times: int, patience: Patience) -> list[Row]:
    """The same without pauses, from request to last chunk."""
    row = server.row("model stream, instant", "chunks/s")
    for number in range(times + 1):
        await patience.wait()
        arrivals = await _chunks(server.port)
        if number:
            row.add(server.name, CHUNKS / arrivals[-1] * 1000)
    return [row]


async def schedules(servers: list[Server], times: int) -> list[Row]:
    """`this.schedule(1, ...)` of the real SDK: from the time it is due to the message that says it rang."""
    row = servers[0].row("schedule rings later than due", "ms", digits=1)

    async def one(server: Server, number: int) -> float:
        await asyncio.sleep(number * 0.13)  # spread over a second
        socket = await WebSocket.upgrade(server.port, f"{server.suite.reminder}r{number}")
        said: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        socket.on_message = lambda payload: said.put_nowait((time.time(), payload))
        socket.write(text_frame(b"1"))
        due = 0.0
        async with asyncio.timeout(BOUND_S):
            while True:
                now, message = await said.get()
                if message.startswith(b"due "):
                    due = float(message[4:])
                elif message == b"rings":
                    socket.close()
                    return (now - due) * 1000

    for server in servers:
        for late in await asyncio.gather(*(one(server, number) for number in range(times))):
            row.add(server.name, late)
    return [row]


async def agents(servers: list[Server], rounds: int, patience: Patience) -> list[Row]:
    """What agents do all day: calls that set a state, streams, a chat turn. The servers take turns, load by load."""
    calls = servers[0].row("calls that set a state, 10 subscribers", "calls/s")
    loads = [
        ("calls", "/agents/counter/a", calls, None),
        ("events", "/agents/stream/a", servers[0].row("server-sent events", "chunks/s"), Row("their first", "ms", digits=1)),
        ("stream", "/agents/stream/b", servers[0].row("streaming call", "chunks/s"), Row("its first", "ms", digits=1)),
        ("chat", "/agents/chat/a", servers[0].row("chat turn", "chunks/s"), Row("its first chunk", "ms", digits=1)),
    ]
    for number in range(rounds):
        for kind, path, rate, first in loads:
            await patience.wait()
            for server in _turned(servers, number):
                result = await load("bench.agent_load", kind, str(server.port), path, str(LOAD_S))
                rate.add(server.name, result["per_s"])
                if first is not None:
                    first.add(server.name, result["first_ms"])
    return [row for _, _, rate, first in loads for row in (rate, first) if row is not None]


async def _chunks(port: int) -> list[float]:
    """Milliseconds from the request to each chunk of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    arrivals: list[float] = []
    seen = b""
    began = time.perf_counter()
    writer.write(request("/answer/a", connection="close"))
    async with asyncio.timeout(BOUND_S):
        while data := await reader.read(65536):
            now = (time.perf_counter() - began) * 1000
            seen += data
            arrivals += [now] * (seen.count(b"data: {") - len(arrivals))
    writer.close()
    if len(arrivals) != CHUNKS:
        raise Broken(f"{len(arrivals)} of {CHUNKS} chunks came: {seen[:300]!r}")
    return arrivals


async def _ask(socket: WebSocket, question: bytes) -> bytes:
    answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    socket.on_message = answer.set_result
    socket.write(text_frame(question))
    async with asyncio.timeout(BOUND_S):
        return await answer


async def _hibernated(server: Server) -> None:
    """Wait until no object is awake; a server that knows no hibernation just gets the time to settle."""
    await asyncio.sleep(SETTLED_S)
    if server.name != OURS:
        return
    async with asyncio.timeout(BOUND_S):
        while True:
            _, body = await fetch(server.port, "/cdn-cgi/emu/api/objects")
            if all(one["state"] in ("hibernated", "inactive") for one in json.loads(body)["objects"]):
                return
            await asyncio.sleep(0.2)


async def load(*arguments: str) -> dict[str, Any]:
    """One run of a load generator: its module, then its arguments."""
    process = await _spawn(*arguments)
    try:
        return await _answer(process)
    finally:
        await _ended(process)


async def _spawn(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments),
        cwd=CHECKOUT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )


async def _answer(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    async with asyncio.timeout(4 * BOUND_S):
        line = await process.stdout.readline()
    if not line:
        raise Broken(f"the load generator ended with {await process.wait()}")
    result: dict[str, Any] = json.loads(line)
    return result


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    await process.wait()


def _clients(count: int) -> str:
    return "1 client" if count == 1 else f"{count} clients"


def _turned[T](items: list[T], number: int) -> list[T]:
    """The items in the order of this round."""
    return items if number % 2 == 0 else items[::-1]
