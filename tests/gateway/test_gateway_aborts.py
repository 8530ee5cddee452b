"""Clients that leave at bad moments, in bulk: nothing may be left of them in the gateway or the host."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
from typing import Any

import aiohttp

ABORTS = 1000
AT_ONCE = 50


async def leave(server: Any, chance: random.Random) -> None:
    """Begin one of several exchanges and end the connection in the middle of it."""
    host = b"Host: localhost\r\n"
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    request = chance.choice(
        [
            b"POST /count HTTP/1.1\r\n" + host + b"Content-Length: 1000000\r\n\r\n" + b"x" * chance.randrange(300_000),
            b"POST /echo HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            b"GET /stream/1000000/1 HTTP/1.1\r\n" + host + b"\r\n",
            b"GET /flood HTTP/1.1\r\n" + host + b"\r\n",
            b"GET /hold HTTP/1.1\r\n" + host + b"\r\n",
            b"GET /ws HTTP/1.1\r\n" + host + upgrade + b"\r\n",
            b"GET /slowws/5 HTTP/1.1\r\n" + host + upgrade + b"\r\n",
            b"GET /he",
        ]
    )
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request)
    await asyncio.sleep(chance.random() * 0.02)
    if chance.random() < 0.5:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def test_a_thousand_aborts_leave_nothing_behind(serve: Any, client: aiohttp.ClientSession, until: Any) -> None:
    server = serve(reload="off")
    chance = random.Random(4)
    # A first round, so that lazily made things are not taken for leaks.
    await asyncio.gather(*(leave(server, chance) for _ in range(AT_ONCE)))
    await until(lambda: len(server.children()) == 2)

    async def idle() -> tuple[int, int, int]:
        async with client.get(server.url + "/state") as response:
            state = json.loads(await response.read())
        return server.descriptors(), await server.tasks(), state["exchanges"] + len(state["sockets"])

    async def quiet() -> bool:
        return (await idle())[2] <= 1

    await until(quiet)
    before = await idle()
    for _ in range(ABORTS // AT_ONCE):
        await asyncio.gather(*(leave(server, chance) for _ in range(AT_ONCE)))

    async def as_before() -> bool:
        now = await idle()
        return all(value <= was for value, was in zip(now, before, strict=True))

    try:
        await until(as_before)
    except AssertionError:
        raise AssertionError(f"before {before}, after {await idle()}") from None
    async with client.get(server.url + "/hello") as response:
        assert await response.read() == b"hello"
