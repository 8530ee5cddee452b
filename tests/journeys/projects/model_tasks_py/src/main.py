"""What the binding has beside `run`. The same routes in TypeScript: ../../model_tasks/src/members.ts."""

import asyncio
import json
from urllib.parse import urlsplit

from js import Uint8Array
from pyodide.ffi import create_proxy
from workers import Response, WorkerEntrypoint

WORDS = 5


async def names(env):
    return [row.id for row in (await env.AI.aiSearch().list()).result]


async def url(env):
    return await env.AI.gateway("g", {"beta": True}).getUrl("openai")


async def flux(env):
    """A conversation: five pieces of sound, then the end."""
    inputs = {"encoding": "linear16", "sample_rate": "16000"}
    response = await env.AI.run("@cf/deepgram/flux", inputs, {"websocket": True})
    socket, heard, closed = response.js_object.webSocket, [], asyncio.get_running_loop().create_future()
    socket.addEventListener("message", create_proxy(lambda event: heard.append(json.loads(event.data))))
    socket.addEventListener("close", create_proxy(lambda event: closed.set_result(event.code)))
    socket.accept()
    for _ in range(WORDS):
        socket.send(Uint8Array.new(4))
    socket.send('{"type":"CloseStream"}')
    code = await closed
    return {"status": response.status, "events": [event["event"] for event in heard], "said": heard[-1]["transcript"], "code": code}


async def mute(env):
    """A model that has no WebSocket."""
    response = await env.AI.run("@cf/meta/llama-3.1-8b-instruct", {"prompt": "hi"}, {"websocket": True})
    return {"status": response.status, "socket": bool(response.js_object.webSocket), "text": await response.text()}


ROUTES = {"list": names, "url": url, "flux": flux, "mute": mute}


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return Response.from_json(await ROUTES[urlsplit(request.url).path.rpartition("/")[2]](self.env))
