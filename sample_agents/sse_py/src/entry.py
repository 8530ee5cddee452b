"""A model's stream, handed to the HTTP client as it comes: server-sent events, byte for byte."""

from agents import Agent, route_agent_request
from workers import Request, Response, WorkerEntrypoint

MODEL = "@cf/deepseek-ai/deepseek-r1-distill-qwen-32b"


class Generator(Agent):
    async def on_request(self, request: Request) -> Response:
        stream = await self.env.AI.run(
            MODEL,
            {"prompt": "Build me a Cloudflare Worker that returns JSON.", "stream": True},
        )
        return Response(stream, headers={"content-type": "text/event-stream"})


class Default(WorkerEntrypoint):
    async def fetch(self, request: Request) -> Response:
        return await route_agent_request(request, self.env) or Response("Not found", status=404)
