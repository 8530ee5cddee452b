"""The load generator, a process of its own: closed loop, each client sends again when its answer is there. Prints one JSON object.

python -m bench.load http PORT PATH CLIENTS SECONDS      {"per_s", "answers", "errors"}; by wrk when that is on PATH
python -m bench.load echo PORT PATH CLIENTS SECONDS      {"per_s", "answers", "errors"}
python -m bench.load hold PORT PATH SOCKETS              {"opened", "seconds"}; at a line on stdin, an echo on each: {"alive", "wake_ms"}
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import statistics
import subprocess
import sys
import time
from typing import Any

import uvloop

from bench.client import Broken, Requests, WebSocket, text_frame

SETTLE_S = 0.2
"""Load before the clock starts: connections are there, objects are awake."""
OPENING = 100
"""Handshakes in flight while sockets are opened."""
HELD_OBJECTS = 10
"""Objects that the held sockets are spread over."""
ANSWER_BOUND_S = 30.0
_MESSAGES = [b"%03d " % n + b"x" * 60 for n in range(16)]


class Counter:
    """Answers, and how many of them come within the window that `run` opens."""

    def __init__(self) -> None:
        self.count = 0
        self.errors = 0
        self.over = False

    async def run(self, seconds: float) -> dict[str, Any]:
        """Count for so long."""
        await asyncio.sleep(SETTLE_S)
        began, before = time.perf_counter(), self.count
        await asyncio.sleep(seconds)
        took, after = time.perf_counter() - began, self.count
        self.over = True
        return {"per_s": (after - before) / took, "answers": after, "errors": self.errors}


async def http(port: int, path: str, clients: int, seconds: float) -> dict[str, Any]:
    """GET requests on connections that are kept."""
    counter = Counter()

    async def client() -> None:
        connection = await Requests.connect(port)

        def answered(status: int, body: bytes) -> None:
            counter.count += 1
            counter.errors += status != 200
            if not counter.over:
                connection.get(path)

        def lost() -> None:
            counter.errors += not counter.over

        connection.on_response, connection.on_lost = answered, lost
        connection.get(path)

    await asyncio.gather(*(client() for _ in range(clients)))
    return await counter.run(seconds)


def wrk(port: int, path: str, clients: int, seconds: float) -> dict[str, Any]:
    """The same by wrk, which takes less of the machine."""
    command = ("wrk", "-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s", f"http://127.0.0.1:{port}{path}")
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    errors = sum(int(number) for line in re.findall(r"(?:Non-2xx|Socket errors).*", text) for number in re.findall(r" (\d+)", line))
    rate, answers = re.search(r"Requests/sec:\s+([\d.]+)", text), re.search(r"(\d+) requests in", text)
    if rate is None or answers is None:
        raise Broken(f"wrk says no rate: {text}")
    return {"per_s": float(rate[1]), "answers": int(answers[1]), "errors": errors}


async def echo(port: int, path: str, clients: int, seconds: float) -> dict[str, Any]:
    """WebSocket messages of 64 bytes, each checked against its echo."""
    counter = Counter()

    async def client() -> WebSocket:
        socket = await WebSocket.upgrade(port, path)
        frames = [(message, text_frame(message)) for message in _MESSAGES]
        turn = 0

        def answered(payload: bytes) -> None:
            nonlocal turn
            counter.count += 1
            counter.errors += payload != frames[turn % len(frames)][0]
            if not counter.over:
                turn += 1
                socket.write(frames[turn % len(frames)][1])

        socket.on_message = answered
        socket.write(frames[0][1])
        return socket

    sockets = [await client() for _ in range(clients)]
    result = await counter.run(seconds)
    result["errors"] += sum(not socket.open for socket in sockets)
    return result


async def hold(port: int, path: str, wanted: int) -> None:
    """Open sockets and keep them silent; on a line from stdin see which still answer."""
    gate = asyncio.Semaphore(OPENING)

    async def one(n: int) -> WebSocket:
        async with gate:
            return await WebSocket.upgrade(port, f"{path}{n % HELD_OBJECTS}")

    began = time.perf_counter()
    sockets = await asyncio.gather(*(one(n) for n in range(wanted)))
    print(json.dumps({"opened": len(sockets), "seconds": time.perf_counter() - began}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    wakes: list[float] = []
    alive = 0
    for n, socket in enumerate(sockets):
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        socket.on_message = answer.set_result
        began = time.perf_counter()
        if not socket.open:
            continue
        socket.write(text_frame(_MESSAGES[0]))
        async with asyncio.timeout(ANSWER_BOUND_S):
            alive += await answer == _MESSAGES[0]
        if n < HELD_OBJECTS:
            wakes.append((time.perf_counter() - began) * 1000)
    print(json.dumps({"alive": alive, "wake_ms": statistics.median(wakes) if wakes else None}), flush=True)


def main() -> None:
    """One measurement."""
    kind, port, path, clients = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    if kind == "hold":
        uvloop.run(hold(port, path, clients))
        return
    seconds = float(sys.argv[5])
    if kind == "echo":
        result = uvloop.run(echo(port, path, clients, seconds))
    elif shutil.which("wrk"):
        result = wrk(port, path, clients, seconds)
    else:
        result = uvloop.run(http(port, path, clients, seconds))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
