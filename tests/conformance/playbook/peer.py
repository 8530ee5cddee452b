"""A server on this machine that objects call: it answers, stalls, streams, and talks WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import WSMsgType, web

CHUNK = b"x" * 65_536
SENT = web.AppKey("sent", list[str])


async def echo(request: web.Request) -> web.Response:
    """What came, as JSON."""
    body = await request.text()
    return web.json_response({"method": request.method, "body": body, "probe": request.headers.get("x-probe")}, headers={"x-peer": "yes"})


async def slow(request: web.Request) -> web.Response:
    await asyncio.sleep(60)
    return web.Response(text="late")


async def endless(request: web.Request) -> web.StreamResponse:
    """Chunks for as long as somebody takes them; `/sent` tells how many."""
    response = web.StreamResponse()
    await response.prepare(request)
    count = request.app[SENT]
    count.clear()
    try:
        while True:
            await response.write(CHUNK)
            count.append("chunk")
    except ConnectionError:
        count.append("cut")
    return response


async def sent(request: web.Request) -> web.Response:
    count = request.app[SENT]
    return web.json_response("cut" if "cut" in count else len(count))


async def talk(request: web.Request) -> web.WebSocketResponse:
    """Repeats messages; `bye` is answered by Close 4010."""
    socket = web.WebSocketResponse(protocols=("probe",))
    await socket.prepare(request)
    await socket.send_str("welcome")
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
        elif message.data == "bye":
            await socket.close(code=4010, message=b"so long")
        else:
            await socket.send_str("echo " + message.data)
    return socket


@asynccontextmanager
async def peer_server() -> AsyncIterator[str]:
    """Its `host:port`."""
    app = web.Application()
    app[SENT] = []
    app.add_routes(
        [web.route("*", "/echo", echo), web.get("/slow", slow), web.get("/endless", endless), web.get("/sent", sent), web.get("/ws", talk)]
    )
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"{host}:{port}"
    finally:
        await runner.cleanup()
