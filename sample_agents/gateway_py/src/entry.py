"""A model call routed through AI Gateway: the same binding, with the gateway and its cache named in the third argument."""

from agents import Agent, route_agent_request
from workers import Request, Response, WorkerEntrypoint

MODEL = "@cf/deepseek-ai/deepseek-r1-distill-qwen-32b"


class Routed(Agent):
    async def on_request(self, request: Request) -> Response:
        answer = await self.env.AI.run(
            MODEL,
            {"prompt": "Build me a Cloudflare Worker that returns JSON."},
            {"gateway": {"id": self.env.GATEWAY_ID, "skipCache": False, "cacheTtl": 3360}},
        )
        return Response.from_json(answer)


class Default(WorkerEntrypoint):
    async def fetch(self, request: Request) -> Response:
        return await route_agent_request(request, self.env) or Response("Not found", status=404)
