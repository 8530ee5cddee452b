"""One number, the same in every tab: state that syncs, methods that clients call, a method that streams."""

import asyncio
from collections.abc import AsyncIterator
from typing import TypedDict

from agents import Agent, StateSource, callable, route_agent_request
from workers import Request, Response, WorkerEntrypoint


class Count(TypedDict):
    count: int


class Counter(Agent[Count]):
    initial_state = Count(count=0)

    def validate_state_change(self, next_state: Count, source: StateSource) -> None:
        if next_state["count"] < 0:
            raise ValueError("a counter does not go below zero")

    @property
    def count(self) -> int:
        return self.state["count"] if self.state else 0

    @callable
    async def add(self, amount: int = 1) -> int:
        self.set_state(Count(count=self.count + amount))
        return self.count

    @callable
    async def count_down(self) -> AsyncIterator[int]:
        for number in range(self.count, 0, -1):
            yield number
            await asyncio.sleep(0.1)

    async def on_request(self, request: Request) -> Response:
        return Response.from_json({"count": self.count})


class Default(WorkerEntrypoint):
    async def fetch(self, request: Request) -> Response:
        return await route_agent_request(request, self.env) or Response("Not found", status=404)
