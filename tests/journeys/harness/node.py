"""The Node process that holds the real clients, and its clients as Python objects. Its side is node/driver.mjs."""

from __future__ import annotations

import asyncio
import itertools
import json
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from harness import npm

ANSWER_BOUND_S = 30


class NodeError(AssertionError):
    """What the client in Node threw; the text is the message of its error."""


class Node:
    """The driver's process. Requests may overlap; each gets its own answer."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, folder: Path | None = None) -> Node:
        """`folder` has driver.mjs and node_modules; the clients of the journeys if it is not given."""
        if folder is None:
            folder = await asyncio.to_thread(npm.clients)
        process = await asyncio.create_subprocess_exec(npm.NODE, "driver.mjs", cwd=folder, stdin=PIPE, stdout=PIPE, limit=64 << 20)
        return cls(process)

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await asyncio.wait_for(self._process.wait(), ANSWER_BOUND_S)
        await self._reading

    async def ask(self, op: str, **rest: Any) -> Any:
        """Raises NodeError when the operation throws there, TimeoutError when it never ends."""
        assert self._process.stdin is not None
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(json.dumps({"n": number, "op": op, **rest}).encode() + b"\n")
        try:
            async with asyncio.timeout(ANSWER_BOUND_S):
                return await self._waiting[number]
        except TimeoutError:
            raise TimeoutError(f"no answer to {op} {rest} within {ANSWER_BOUND_S} s") from None
        finally:
            del self._waiting[number]

    @asynccontextmanager
    async def client(self, host: str, agent: str, name: str, **options: Any) -> AsyncIterator[NpmClient]:
        """An AgentClient of agents/client; closed at the end."""
        async with self._opened(NpmClient, "client", {"host": host, "agent": agent, "name": name, **options}) as client:
            yield client

    @asynccontextmanager
    async def tab(self, host: str, agent: str, name: str, **options: Any) -> AsyncIterator[NpmTab]:
        """A chat tab: AgentClient and the transport of useAgentChat; closed at the end."""
        async with self._opened(NpmTab, "tab", {"host": host, "agent": agent, "name": name, **options}) as tab:
            yield tab

    @asynccontextmanager
    async def browser(self, executable: str) -> AsyncIterator[NpmClient]:
        """A Chromium with a fresh profile; its methods are those of node/browser.mjs."""
        async with self._opened(NpmClient, "browser", {"executablePath": executable}) as browser:
            yield browser

    @asynccontextmanager
    async def _opened[T: NpmClient](self, kind: type[T], op: str, options: dict[str, Any]) -> AsyncIterator[T]:
        client = kind(self, f"{op}-{next(self._numbers)}")
        try:
            await self.ask(op, key=client.key, options=options)
            yield client
        finally:
            await self.ask("gone", key=client.key)

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            answer = json.loads(line)
            future = self._waiting.get(answer["n"])
            if future is None or future.done():
                continue  # nobody waits any more: its bound has passed
            if "error" in answer:
                future.set_exception(NodeError(answer["error"]))
            else:
                future.set_result(answer["value"])


class NpmClient:
    """One object in the driver; methods are those of node/client.mjs."""

    def __init__(self, node: Node, key: str) -> None:
        self._node = node
        self.key = key

    async def use(self, method: str, *arguments: Any) -> Any:
        return await self._node.ask("use", key=self.key, method=method, args=list(arguments))

    async def ready(self) -> dict[str, Any]:
        """Name, agent and state as the client has them once the server has said who it is."""
        return await self.use("ready")

    async def call(self, method: str, *arguments: Any) -> Any:
        """The result; NodeError with the client's message when the call rejects."""
        return (await self.use("call", method, list(arguments))).get("result")

    async def stream(self, method: str, *arguments: Any) -> tuple[list[Any], Any]:
        """All chunks and the final result."""
        answer = await self.use("stream", method, list(arguments))
        return answer["chunks"], answer["final"]

    async def seen(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        """All events of a kind, once there are `count` of them."""
        return await self.use("seen", kind, count)

    async def state(self) -> Any:
        return await self.use("state")


class NpmTab(NpmClient):
    """A chat tab; methods are those of node/tab.mjs."""

    async def say(self, label: str, text: str, **body: Any) -> str:
        """Send a message; the id of it. The turn is asked for by its label."""
        return await self.use("say", label, text, body)

    async def turn(self, label: str) -> dict[str, Any]:
        """`{id, text, kinds, failure}` once the turn's stream has ended on this client."""
        return await self.use("turn", label)

    async def resume(self, label: str) -> bool:
        return await self.use("resume", label)

    async def history(self) -> list[dict[str, Any]]:
        return await self.use("history")
