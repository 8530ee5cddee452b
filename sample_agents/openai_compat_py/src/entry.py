"""Google's Gemini through its OpenAI-compatible endpoint, streamed to the client while the request handler has long returned."""

import json
from typing import Any

from agents import Agent, route_agent_request
from js import TransformStream
from pyodide.ffi import to_js
from sse import payloads
from workers import Request, Response, WorkerEntrypoint, fetch


class Gemini(Agent):
    async def on_request(self, request: Request) -> Response:
        pipe = TransformStream.new()
        self.ctx.waitUntil(self.write_answer(pipe.writable.getWriter()))
        return Response(pipe.readable, headers={"content-type": "text/plain; charset=utf-8"})

    async def write_answer(self, writer: Any) -> None:
        """Ask the model and write each piece of its answer; a failure tears the client's stream."""
        try:
            completion = await fetch(
                f"{self.env.GEMINI_BASE_URL}/chat/completions",
                method="POST",
                headers={
                    "authorization": f"Bearer {getattr(self.env, 'GEMINI_API_KEY', '')}",
                    "content-type": "application/json",
                },
                body=json.dumps(
                    {
                        "model": "gemini-2.0-flash",
                        "messages": [{"role": "user", "content": "Write me a Cloudflare Worker."}],
                        "stream": True,
                    }
                ),
            )
            completion.raise_for_status()
            async for part in payloads(completion.body):
                for choice in part["choices"]:
                    if text := choice["delta"].get("content"):
                        await writer.write(to_js(text.encode()))
        except Exception as error:
            await writer.abort(str(error))
            raise
        await writer.close()


class Default(WorkerEntrypoint):
    async def fetch(self, request: Request) -> Response:
        return await route_agent_request(request, self.env) or Response("Not found", status=404)
