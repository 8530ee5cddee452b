"""Answers are kept in the agent's state; who returns gets the history first, and hears the rest of an answer that is still coming."""

import json
from typing import TypedDict

from agents import Agent, Connection, ConnectionContext, route_agent_request
from sse import payloads
from workers import Request, Response, WorkerEntrypoint

MODEL = "@cf/zai-org/glm-4.7-flash"


class Line(TypedDict):
    role: str
    content: str


class Conversation(TypedDict):
    lines: list[Line]


class Companion(Agent[Conversation]):
    initial_state = Conversation(lines=[])

    async def on_connect(self, connection: Connection, ctx: ConnectionContext) -> None:
        connection.send(json.dumps({"type": "history", "lines": self.lines}))

    async def on_message(self, connection: Connection, message: str | bytes) -> None:
        self.keep(Line(role="user", content=json.loads(message)["prompt"]))
        answer = ""
        stream = await self.env.AI.run(MODEL, {"messages": self.lines, "stream": True})
        async for chunk in payloads(stream):
            for choice in chunk["choices"]:
                if text := choice["delta"].get("content"):
                    answer += text
                    # To whoever is connected by now: the one who asked may have gone and come back.
                    self.broadcast(json.dumps({"type": "chunk", "content": text, "so_far": len(answer)}))
        self.keep(Line(role="assistant", content=answer))
        self.broadcast(json.dumps({"type": "done"}))

    @property
    def lines(self) -> list[Line]:
        return self.state["lines"] if self.state else []

    def keep(self, line: Line) -> None:
        self.set_state(Conversation(lines=[*self.lines, line]))


class Default(WorkerEntrypoint):
    async def fetch(self, request: Request) -> Response:
        return await route_agent_request(request, self.env) or Response("Not found", status=404)
