"""What has to be true of model calls, whoever makes them. The same routes in TypeScript: ../../model_proof_ts."""

import json
import socket
from typing import TypedDict
from urllib.parse import parse_qsl, urlsplit

from agents import Agent, route_agent_request
from openai import AsyncOpenAI
from workers import Response, WorkerEntrypoint, fetch

MODEL = "@cf/zai-org/glm-4.7-flash"
SCOPE = "x-emulator-scope"
CHAT = "https://api.openai.com/v1/chat/completions"
GEMINI = "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions"
JSON = {"content-type": "application/json"}


class Said(TypedDict):
    text: str
    done: bool


class Careful(Agent[Said]):
    """Guards its sends and keeps what was said, so that an answer outlives the client who asked."""

    initial_state = Said(text="", done=False)

    async def on_message(self, connection, message):
        inputs = {"messages": [{"role": "user", "content": json.loads(message)["prompt"]}], "stream": True}
        text = ""
        async for event in payloads(await self.env.AI.run(MODEL, inputs)):
            for choice in event["choices"]:
                if piece := choice["delta"].get("content"):
                    text += piece
                    # Only to those who are still there.
                    self.broadcast(json.dumps({"type": "chunk", "content": piece}))
        self.set_state(Said(text=text, done=True))

    async def on_request(self, request):
        return Response.from_json(self.state)


class Asker(Agent):
    """Asks what all of its kind ask."""

    async def on_request(self, request):
        return await answered(asked(self.env, "How are you?"))


async def ask(env, scope=None):
    return await asked(env, "Same for all?", scope)


async def post(env, scope=None):
    body = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "Same for all?"}]})
    headers = {**JSON, "authorization": f"Bearer {env.OPENAI_API_KEY}", **scoped(scope)}
    response = await fetch(CHAT, method="POST", headers=headers, body=body)
    return (await response.json())["choices"][0]["message"]["content"]


async def responses(env):
    client = AsyncOpenAI(api_key=getattr(env, "OPENAI_API_KEY", "none"))
    return (await client.responses.create(model="gpt-4o", input="Build me an AI agent on Cloudflare Workers")).output_text


async def chunks(env):
    """Each chunk of the body as user code reads it."""
    body = json.dumps(
        {"model": "gemini-2.0-flash", "messages": [{"role": "user", "content": "Write me a Cloudflare Worker."}], "stream": True}
    )
    response = await fetch(GEMINI, method="POST", headers=JSON, body=body)
    return [part.to_bytes().decode() async for part in response.body]


async def by_socket(env):
    """A way out, whose failure the agent swallows."""
    try:
        with socket.create_connection(("192.0.2.1", 9), timeout=5):
            return "connected"
    except OSError as error:
        return "E631" if "E631" in str(error) else str(error)


async def web(env):
    return (await fetch("http://192.0.2.1/")).status


DOES = {"ask": ask, "post": post, "responses": responses, "chunks": chunks, "socket": by_socket, "web": web}


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        url = urlsplit(request.url)
        work = DOES.get(url.path[1:])
        if work is not None:
            return await answered(work(self.env, **dict(parse_qsl(url.query))))
        return await route_agent_request(request, self.env) or Response("Not found", status=404)


async def asked(env, content, scope=None):
    answer = await env.AI.run(MODEL, {"messages": [{"role": "user", "content": content}]}, extraHeaders=scoped(scope))
    return answer["choices"][0]["message"]["content"]


def scoped(scope):
    return {SCOPE: scope} if scope else {}


async def answered(work):
    try:
        return Response.from_json(await work)
    except Exception as error:
        return Response.from_json({"name": getattr(error, "name", type(error).__name__), "message": str(error)})


async def payloads(stream):
    rest = b""
    async for part in stream:
        *lines, rest = (rest + part.to_bytes()).split(b"\n")
        for line in lines:
            if line.startswith(b"data: {"):
                yield json.loads(line[len(b"data: ") :])
