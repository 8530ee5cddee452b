"""Ten thousand clients that leave in the middle of what they began: nothing of them is left in the gateway or the host."""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
import struct
from pathlib import Path

from harness.server import Server
from harness.waiting import eventually

ABORTS = 10_000
WARM_UP = 6_000
"""Then the journal's ring of entries is full."""
AT_ONCE = 100
OBJECTS = 20
GROWTH_BYTES = 24 << 20
"""What the journal, the allocators and the invocations of the last half minute may still take after the warm-up; a leak of 3 KiB for each
abort would be more."""

HOST = b"Host: localhost\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
BEGUN = [
    b"POST /%s/upload HTTP/1.1\r\n" + HOST + b"Content-Length: 100000\r\n\r\n" + b"x" * 3000,
    b"POST /%s/upload HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    b"GET /%s/stream HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /%s/slowws HTTP/1.1\r\n" + HOST + UPGRADE + b"\r\n",
    b"GET /%s/ws HTTP/1.1\r\n" + HOST + UPGRADE + b"\r\n",
    b"GET /%s/hel",
]
"""In mid-upload twice, in mid-stream, in mid-handshake, with an open socket, in the head."""


async def leave(address: tuple[str, int], chance: random.Random) -> None:
    """Begin something and end the connection in the middle of it, by reset or by FIN."""
    _, writer = await asyncio.open_connection(*address)
    words = chance.choice(BEGUN)
    writer.write(words.replace(b"%s", b"o%d" % chance.randrange(OBJECTS)))
    await asyncio.sleep(chance.random() * 0.03)
    if chance.random() < 0.5:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def leave_often(server: Server, times: int, chance: random.Random) -> None:
    host, port = server.host.split(":")
    numbers = itertools.count()

    async def one_after_another() -> None:
        while next(numbers) < times:
            await leave((host, int(port)), chance)

    await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))


async def quiet(server: Server) -> None:
    """Every client has been noticed to be gone, and no object is busy for one."""

    async def nothing_left() -> bool:
        if (await server.control("GET", "sockets"))["sockets"]:
            return False
        rows = (await server.control("GET", "objects"))["objects"]
        held = [await server.control("GET", f"objects/Thing/{row['name']}/awake") for row in rows if row["state"] == "active"]
        return not held

    await eventually(nothing_left)


def processes(server: Server) -> dict[str, Path]:
    """The gateway and the serving host, as folders of /proc."""
    gateway = server.process.pid
    children = Path(f"/proc/{gateway}/task/{gateway}/children").read_text().split()
    return {"gateway": Path(f"/proc/{gateway}"), "host": Path(f"/proc/{children[0]}")}


def descriptors(process: Path) -> int:
    return len(list((process / "fd").iterdir()))


def memory(process: Path) -> int:
    """RSS in bytes."""
    return int((process / "status").read_text().partition("VmRSS:")[2].split()[0]) * 1024


async def test_an_object_outlives_clients_that_left_in_mid_handshake(server: Server):
    """It had accepted their sockets already; it can still be dropped and constructed anew."""
    host, port = server.host.split(":")
    for _ in range(20):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /left/slowws HTTP/1.1\r\n" + HOST + UPGRADE + b"\r\n")
        await asyncio.sleep(0.01)
        writer.transport.abort()
    await quiet(server)
    await server.control("POST", "objects/Thing/left/evict")
    assert await server.get("/left/hello") == (200, "hello")


async def test_ten_thousand_aborts_leave_nothing_behind(server: Server):
    chance = random.Random(11)
    await leave_often(server, WARM_UP, chance)
    await quiet(server)
    await server.get("/o0/hello")  # over a connection that our own client keeps
    found = processes(server)
    before = {role: (descriptors(process), memory(process)) for role, process in found.items()}
    await leave_often(server, ABORTS, chance)
    await quiet(server)
    for number in range(OBJECTS):
        await server.control("POST", f"objects/Thing/o{number}/evict")
        assert await server.get(f"/o{number}/hello") == (200, "hello")
    assert processes(server) == found, "no process was replaced"

    async def no_more_descriptors() -> bool:
        return all(descriptors(process) <= before[role][0] for role, process in found.items())

    await eventually(no_more_descriptors)
    grown = {role: memory(process) - before[role][1] for role, process in found.items()}
    assert all(size < GROWTH_BYTES for size in grown.values()), grown
    assert "E9" not in server.output() and "Traceback" not in server.output()
