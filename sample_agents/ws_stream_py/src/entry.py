"""A model's answer, streamed over a WebSocket: `{"type": "chunk"}` for each piece, then `done`, or `error`."""

import json

from agents import Agent, Connection, route_agent_request
from sse import payloads
from workers import Request, Response, WorkerEntrypoint

MODEL = "@cf/zai-org/glm-4.7-flash"


class Reasoner(Agent):
    async def on_message(self, connection: Connection, message: str | bytes) -> None:
        await self.query_reasoning_model(connection, json.loads(message)["prompt"])

    async def query_reasoning_model(self, connection: Connection, prompt: str) -> None:
        try:
            answer = await self.env.AI.run(MODEL, {"messages": [{"role": "user", "content": prompt}], "stream": True})
            async for chunk in payloads(answer):
                for choice in chunk["choices"]:
                    if text := choice["delta"].get("content"):
                        connection.send(json.dumps({"type": "chunk", "content": text}))
            connection.send(json.dumps({"type": "done"}))
        except Exception as error:
            connection.send(json.dumps({"type": "error", "error": str(error)}))


class Default(WorkerEntrypoint):
    async def fetch(self, request: Request) -> Response:
        return await route_agent_request(request, self.env) or Response("Not found", status=404)
