"""Loads for agents of the real SDK, in a process of their own: closed loops in the Agents protocol. Prints one JSON object.

python -m bench.agent_load calls PORT PATH SECONDS       {"per_s"}: calls that set a state, of which ten other connections hear
python -m bench.agent_load events PORT PATH SECONDS      {"per_s", "first_ms"}: chunks of answers that are server-sent events
python -m bench.agent_load stream PORT PATH SECONDS      {"per_s", "first_ms"}: chunks of streaming calls
python -m bench.agent_load chat PORT PATH SECONDS        {"per_s", "first_ms"}: chunks of chat turns
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop

from bench.client import Broken, WebSocket, request, text_frame

SUBSCRIBERS = 10
CHUNKS = 200
"""As bench/project_ts has it."""
BOUND_S = 30.0

Answer = Callable[[], Awaitable[tuple[float, float]]]
"""One streamed answer: seconds to its first chunk and to its last."""


class Frames:
    """A connection whose JSON frames are read one by one."""

    def __init__(self) -> None:
        self._socket: WebSocket | None = None
        self._frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    @classmethod
    async def connect(cls, port: int, path: str) -> Frames:
        frames = cls()
        frames._socket = await WebSocket.upgrade(port, path, lambda payload: frames._frames.put_nowait(json.loads(payload)))
        return frames

    def send(self, frame: dict[str, Any]) -> None:
        assert self._socket is not None
        self._socket.write(text_frame(json.dumps(frame).encode()))

    async def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(BOUND_S):
            while not wanted(frame := await self._frames.get()):
                pass
        return frame

    @property
    def waiting(self) -> int:
        return self._frames.qsize()

    def take(self) -> list[dict[str, Any]]:
        """Everything that has come."""
        return [self._frames.get_nowait() for _ in range(self._frames.qsize())]


async def calls(port: int, path: str, seconds: float) -> dict[str, Any]:
    """One caller, and subscribers that must hear of each change."""
    subscribers = [await Frames.connect(port, path) for _ in range(SUBSCRIBERS)]
    caller = await Frames.connect(port, path)
    await caller.until(lambda frame: frame["type"] == "cf_agent_mcp_servers")
    for subscriber in subscribers:
        await subscriber.until(lambda frame: frame["type"] == "cf_agent_mcp_servers")
    number = 0
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        number += 1
        name = f"call{number}"
        caller.send({"type": "rpc", "id": name, "method": "increment", "args": []})
        answer = await caller.until(lambda frame, name=name: frame.get("id") == name)  # type: ignore[misc]
        if not answer["success"]:
            raise Broken(f"a call failed: {answer}")
    took = time.perf_counter() - began
    async with asyncio.timeout(BOUND_S):
        while any(subscriber.waiting < number for subscriber in subscribers):
            await asyncio.sleep(0.01)
    for subscriber in subscribers:
        if [frame["type"] for frame in subscriber.take()] != ["cf_agent_state"] * number:
            raise Broken("a subscriber heard something else than the changes")
    return {"per_s": number / took}


async def events(port: int, path: str) -> Answer:
    """GET, and count what comes."""

    async def one() -> tuple[float, float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        began = time.perf_counter()
        writer.write(request(path, connection="close"))
        seen, first = b"", 0.0
        async with asyncio.timeout(BOUND_S):
            while data := await reader.read(65536):
                seen += data
                first = first or (time.perf_counter() - began if b"data: " in seen else 0.0)
        writer.close()
        if seen.count(b"data: {") != CHUNKS:
            raise Broken(f"{seen.count(b'data: {')} of {CHUNKS} events came: {seen[:300]!r}")
        return first, time.perf_counter() - began

    return one


async def stream(port: int, path: str) -> Answer:
    """A call whose answers are many."""
    connection = await Frames.connect(port, path)
    await connection.until(lambda frame: frame["type"] == "cf_agent_mcp_servers")
    number = 0

    async def one() -> tuple[float, float]:
        nonlocal number
        number += 1
        name = f"call{number}"
        began = time.perf_counter()
        connection.send({"type": "rpc", "id": name, "method": "count", "args": []})
        await connection.until(lambda frame: frame.get("id") == name)
        first = time.perf_counter() - began
        for _ in range(CHUNKS - 1):
            await connection.until(lambda frame: frame.get("id") == name)
        await connection.until(lambda frame: frame.get("id") == name and frame.get("done") is True)
        return first, time.perf_counter() - began

    return one


async def chat(port: int, path: str) -> Answer:
    """A turn of a conversation that begins anew with each."""
    turn = 0

    async def one() -> tuple[float, float]:
        nonlocal turn
        turn += 1
        name = f"turn{turn}"
        connection = await Frames.connect(port, f"{path}{turn}")
        await connection.until(lambda frame: frame["type"] == "cf_agent_mcp_servers")
        question = {"id": f"u{turn}", "role": "user", "parts": [{"type": "text", "text": "count"}]}
        body = json.dumps({"messages": [question], "trigger": "submit-message"})
        began = time.perf_counter()
        connection.send({"type": "cf_agent_use_chat_request", "id": name, "init": {"method": "POST", "body": body}})
        deltas, first = 0, 0.0
        while True:
            frame = await connection.until(lambda frame: frame["type"] == "cf_agent_use_chat_response")
            first = first or time.perf_counter() - began
            deltas += "text-delta" in frame["body"]
            if frame["done"]:
                break
        if deltas != CHUNKS:
            raise Broken(f"{deltas} of {CHUNKS} chunks came")
        return first, time.perf_counter() - began

    return one


async def repeated(answer: Answer, seconds: float) -> dict[str, Any]:
    """One answer after the other; the first is not counted."""
    await answer()
    firsts: list[float] = []
    took: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() - began < seconds or not took:
        first, last = await answer()
        firsts.append(first)
        took.append(last)
    return {"per_s": CHUNKS / statistics.median(took), "first_ms": statistics.median(firsts) * 1000}


async def run(kind: str, port: int, path: str, seconds: float) -> dict[str, Any]:
    """One measurement."""
    if kind == "calls":
        return await calls(port, path, seconds)
    return await repeated(await {"events": events, "stream": stream, "chat": chat}[kind](port, path), seconds)


def main() -> None:
    """As the module's docstring says."""
    kind, port, path, seconds = sys.argv[1:5]
    print(json.dumps(uvloop.run(run(kind, int(port), path, float(seconds)))))


if __name__ == "__main__":
    main()
