"""The Counter of the conformance scenarios, and its silent and stateless relatives."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any, TypedDict

from agents import Agent, AgentOptions, Connection, ConnectionContext, StateSource, StreamingResponse, callable, get_current_agent
from asked import asked
from workers import Request, Response


class Plain(Agent):
    """No state. Everything a scenario does to a connection is asked for in the connection's URL."""

    async def on_start(self) -> None:
        self.sql("CREATE TABLE IF NOT EXISTS closes (n INTEGER PRIMARY KEY, code INTEGER, reason TEXT, clean INTEGER)")
        self.sql("CREATE TABLE IF NOT EXISTS starts (n INTEGER PRIMARY KEY)")
        self.sql("INSERT INTO starts DEFAULT VALUES")
        self.memory: str | None = None
        self.gate = asyncio.Event()

    async def should_connection_be_readonly(self, connection: Connection, ctx: ConnectionContext) -> bool:
        return "readonly" in asked(ctx.request.url)

    async def should_send_protocol_messages(self, connection: Connection, ctx: ConnectionContext) -> bool:
        return "no_protocol" not in asked(ctx.request.url)

    async def get_connection_tags(self, connection: Connection, ctx: ConnectionContext) -> list[str]:
        return [f"tag{number}" for number in range(int(asked(ctx.request.url).get("tags", "0")))]

    async def on_connect(self, connection: Connection, ctx: ConnectionContext) -> None:
        match asked(ctx.request.url).get("connect"):
            case "throw":
                raise RuntimeError("not today")
            case "gated":
                await self.gate.wait()
                connection.send("hello")
                self.broadcast("joined")

    async def on_message(self, connection: Connection, message: str | bytes) -> None:
        match message:
            case "throw":
                raise RuntimeError("cannot read that")
            case "goodbye":
                connection.close(4002, "bye")
            case "reset":
                connection.close(3000, "come again")
            case _:
                connection.send(message)

    async def on_close(self, connection: Connection, code: int, reason: str, was_clean: bool) -> None:
        self.sql("INSERT INTO closes (code, reason, clean) VALUES (?, ?, ?)", code, reason, int(was_clean))

    async def on_request(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response("my own options")
        if request.url.endswith("/open"):
            self.gate.set()
        return Response.from_json({"name": self.name, "method": request.method})

    @callable
    async def fence(self) -> None:
        """Nothing: its answer shows that everything before it has been sent."""

    @callable
    async def add(self, a: int, b: int) -> int:
        return a + b

    @callable
    async def boom(self) -> None:
        raise RuntimeError("boom goes the agent")

    @callable
    async def unreadable(self) -> Any:
        return {1, 2}

    @callable
    async def wait(self) -> str:
        await self.gate.wait()
        return "waited"

    @callable
    async def open(self) -> None:
        self.gate.set()

    @callable(streaming=True)
    async def stream(self, response: StreamingResponse, count: int) -> None:
        for number in range(count):
            response.send(number)
        response.end("fin")

    @callable
    async def stream_and_fall(self) -> AsyncIterator[int]:
        yield 0
        raise RuntimeError("fell")

    async def hidden(self) -> None:
        """Not callable by clients."""

    @callable
    async def remember(self, text: str) -> None:
        self.memory = text

    @callable
    async def recall(self) -> dict[str, Any]:
        """What memory, disk and the platform know: the fields that a wake resets or keeps."""
        return {
            "memory": self.memory,
            "starts": self.sql("SELECT count(*) AS n FROM starts")[0]["n"],
            "pid": os.getpid(),
            "connections": sorted(connection.id for connection in self.get_connections()),
        }

    @callable
    async def note_on_me(self, value: Any) -> None:
        self.me().set_state({"note": value})

    @callable
    async def about_me(self) -> dict[str, Any]:
        me = self.me()
        return {"id": me.id, "tags": list(me.tags), "state": me.state}

    @callable
    async def closes(self) -> list[list[Any]]:
        rows = self.sql("SELECT code, reason, clean FROM closes ORDER BY n")
        return [[row["code"], row["reason"], bool(row["clean"])] for row in rows]

    def me(self) -> Connection:
        current = get_current_agent()
        assert current is not None and current.connection is not None
        return current.connection


class Count(TypedDict):
    n: int


class Counter(Plain):
    """With state `{"n": …}` that must not be negative."""

    initial_state = Count(n=0)

    def validate_state_change(self, next_state: Count, source: StateSource) -> None:
        if next_state["n"] < 0:
            raise ValueError("negative")

    @callable
    async def bump(self) -> int:
        n = self.state["n"] + 1
        self.set_state(Count(n=n))
        return n


class Quiet(Plain):
    """Does not say who it is."""

    options = AgentOptions(send_identity_on_connect=False)


class QuietCounter(Counter):
    options = AgentOptions(send_identity_on_connect=False)
