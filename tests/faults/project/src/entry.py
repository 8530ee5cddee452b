"""An object that does what goes wrong: `/NAME/DEED` leads a request to the object of that name."""

import asyncio
import os
import time
from urllib.parse import urlsplit

import js
from pyodide.ffi import to_js
from workers import DurableObject, Response, WorkerEntrypoint


class Thing(DurableObject):
    def __init__(self, ctx, env):
        super().__init__(ctx, env)
        self.storage = ctx.storage
        if ctx.id.name.startswith("unborn"):
            raise RuntimeError("not born today")

    async def fetch(self, request):
        deed = getattr(self, "do_" + urlsplit(request.url).path.split("/")[2])
        return await deed(request)

    async def do_boom(self, request):
        raise RuntimeError("no answer today")

    async def do_hello(self, request):
        return Response("hello")

    async def do_about(self, request):
        """What memory and disk know; `pid` is the host's."""
        kv = self.storage.kv
        return Response.from_json({"pid": os.getpid(), "count": kv.get("count") or 0, "alarms": kv.get("alarms") or 0})

    async def do_count(self, request):
        self.storage.kv.put("count", (self.storage.kv.get("count") or 0) + 1)
        return Response("counted")

    async def do_upload(self, request):
        return Response(str(len(await request.bytes())))

    async def do_stream(self, request):
        """Counts each piece as it is said, for as long as somebody listens."""

        async def pull(controller):
            await asyncio.sleep(0.01)
            await self.do_count(None)
            controller.enqueue(to_js(b"x" * 1000))

        return Response(js.ReadableStream.new(to_js({"pull": pull}, dict_converter=js.Object.fromEntries)))

    async def do_block(self, request):
        time.sleep(60)  # noqa: ASYNC251 - what it is for
        return Response("blocked")

    async def do_alarm(self, request):
        await self.storage.setAlarm(time.time() * 1000 + 600)
        return Response("set")

    async def do_badalarm(self, request):
        self.storage.kv.put("bad", True)
        return await self.do_alarm(request)

    async def do_mend(self, request):
        self.storage.kv.delete("bad")
        return Response("mended")

    async def alarm(self, info):
        if self.storage.kv.get("bad"):
            raise RuntimeError("no ringing today")
        self.storage.kv.put("alarms", (self.storage.kv.get("alarms") or 0) + 1)

    async def do_ws(self, request):
        pair = js.WebSocketPair.new()
        client, server = pair.object_values()
        self.ctx.acceptWebSocket(server)
        return Response(None, status=101, web_socket=client)

    async def do_slowws(self, request):
        await asyncio.sleep(0.02)
        return await self.do_ws(request)

    async def webSocketMessage(self, ws, message):
        match message:
            case "boom":
                raise RuntimeError("cannot read that")
            case "attach":
                ws.serializeAttachment("x" * 20_000)
            case "count":
                await self.do_count(None)
                ws.send(str(self.storage.kv.get("count")))
            case _ if message.startswith("echo"):
                ws.send(message)
            case _:
                ws.send(f"{len(message)}")


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        path = urlsplit(request.url).path
        if path == "/":
            return Response("here")
        return await self.env.THING.getByName(path.split("/")[1]).fetch(request.js_object)
