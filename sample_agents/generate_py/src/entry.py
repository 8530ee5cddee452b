"""A generated text, answered as JSON."""

from agents import Agent, route_agent_request
from workers import Request, Response, WorkerEntrypoint

MODEL = "@cf/zai-org/glm-4.7-flash"


class Builder(Agent):
    async def on_request(self, request: Request) -> Response:
        answer = await self.env.AI.run(
            MODEL,
            {"messages": [{"role": "user", "content": "Build me an AI agent on Cloudflare Workers"}]},
        )
        return Response.from_json({"modelResponse": answer["choices"][0]["message"]["content"]})


class Default(WorkerEntrypoint):
    async def fetch(self, request: Request) -> Response:
        return await route_agent_request(request, self.env) or Response("Not found", status=404)
