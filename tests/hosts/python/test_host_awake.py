"""`awake`: what keeps an object in memory, with the user's own line."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from link_gateway import START_MS, Gateway, host

SOURCE = """
import asyncio, json
import js
from urllib.parse import urlsplit
from workers import DurableObject, Response, WorkerEntrypoint

class Box(DurableObject):
    async def fetch(self, request):
        name = urlsplit(request.url).path.strip("/").split("/")[1]
        answer = getattr(self, name)()
        return await answer if asyncio.iscoroutine(answer) else Response("{}")

    def interval(self):
        js.setInterval(lambda: None, 30000)  # LINE interval

    def later(self):
        asyncio.get_running_loop().call_later(5, print)  # LINE later

    def task(self):
        self.work = asyncio.create_task(self.research())

    async def research(self):
        await self.deeper()

    async def deeper(self):
        await asyncio.sleep(7)  # LINE task

    def forgotten(self):
        self.ctx.waitUntil(asyncio.Event().wait())  # LINE forgotten

    async def event(self):
        await js.fetch("https://example.com/slow?token=1")  # LINE event

    def stream(self):
        async def read():
            answer = await js.fetch("https://example.com/stream")  # LINE stream
            self.reader = answer.body.getReader()
            await self.reader.read()
        self.work = asyncio.create_task(read())

    async def socket(self):
        client, server = js.WebSocketPair.new().object_values()
        server.accept()  # LINE socket
        return Response(None, status=101, web_socket=client)

    def outgoing(self):
        self.out = js.WebSocket.new("wss://example.com/feed?k=1")  # LINE outgoing

    async def stub(self):
        def told():
            pass
        await self.env.BOX.getByName("keeper").keep(told)
        return Response("{}")

    async def keep(self, function):
        self.kept = function.dup()  # LINE stub

    def sleeping(self):
        import time
        time.sleep(3)  # LINE sleeping

class Default(WorkerEntrypoint):
    async def fetch(self, request):
        name = urlsplit(request.url).path.strip("/").split("/")[0]
        return await self.env.BOX.getByName(name).fetch(request)
"""


def line_of(mark: str) -> str:
    number = next(number for number, line in enumerate(SOURCE.split("\n"), 1) if line.endswith(f"# LINE {mark}"))
    return f"src/main.py:{number}"


async def awake(gateway: Gateway, name: str) -> list[dict[str, Any]]:
    await gateway.clock()
    return await gateway.call("awake", **{"class": "Box", "id": gateway.id(name)})


async def test_each_reason_has_its_line(tmp_path: Path) -> None:
    async with host(tmp_path, SOURCE) as gateway:
        gateway.answer = lambda incoming: None
        expected = {
            "interval": ("timer", "setInterval 30000 ms"),
            "later": ("timer", "loop.call_later 5000 ms"),
            "forgotten": ("waitUntil", "waitUntil()"),
            "outgoing": ("outgoing socket", "wss://example.com/feed"),
            "socket": ("socket", "http://h/socket/socket"),
            "event": ("fetch", "GET https://example.com/slow"),
            "stub": ("stub", "a stub of Box.stub.<locals>.told"),
        }
        for name, (what, text) in expected.items():
            asking = gateway.request(f"/{name}/{name}", upgrade=name == "socket").answer
            found = await awake(gateway, name)
            assert {"what": what, "text": text, "where": line_of(name), "since_ms": START_MS} in found, (name, found)
            assert asking.done() is (name != "event")


async def test_tasks_and_events_have_the_line_where_they_stand(tmp_path: Path) -> None:
    async with host(tmp_path, SOURCE) as gateway:
        gateway.answer = lambda incoming: None
        await gateway.fetch("/a/task")
        found = await awake(gateway, "a")
        assert sorted((reason["what"], reason["text"], reason["where"]) for reason in found) == [
            ("task", "Box.research", line_of("task")),
            ("timer", "asyncio.sleep 7000 ms", line_of("task")),
        ]
        asking = gateway.request("/b/event").answer
        found = await awake(gateway, "b")
        assert {"what": "event", "text": "fetch", "where": line_of("event"), "since_ms": START_MS} in found
        asking = gateway.request("/c/sleeping").answer
        found = await awake(gateway, "c")
        assert {"what": "event", "text": "fetch", "where": line_of("sleeping"), "since_ms": START_MS} in found
        assert not asking.done()


async def test_a_body_that_is_not_read_to_its_end(tmp_path: Path) -> None:
    async def endless() -> Any:
        yield b"x"
        await asyncio.Event().wait()

    async with host(tmp_path, SOURCE) as gateway:
        gateway.answer = lambda incoming: incoming.respond(200, b"OK", [], endless())
        await gateway.fetch("/a/stream")
        text = "the body of GET https://example.com/stream"
        async with asyncio.timeout(10):
            # Until the first piece, which is ours to send, has been read.
            while len(found := await awake(gateway, "a")) > 1 or found[0]["what"] != "body":
                await asyncio.sleep(0.005)
        assert [(reason["what"], reason["text"], reason["where"]) for reason in found] == [("body", text, line_of("stream"))]


async def test_since_is_the_clocks_and_an_interval_keeps_its_line_and_its_beginning(tmp_path: Path) -> None:
    async with host(tmp_path, SOURCE) as gateway:
        await gateway.fetch("/a/interval")
        await gateway.clock(30_000)
        (reason,) = await awake(gateway, "a")
        assert reason == {
            "what": "timer",
            "text": "setInterval 30000 ms",
            "where": line_of("interval"),
            "since_ms": START_MS,
        }


async def test_nothing_keeps_a_quiet_object_and_eviction_waits_for_the_rest(tmp_path: Path) -> None:
    async with host(tmp_path, SOURCE) as gateway:
        await gateway.fetch("/a/later")
        evicting = gateway.link.call("evict", **{"class": "Box", "id": gateway.id("a"), "sockets": "hibernate"})
        await gateway.clock()
        assert not evicting.done()
        await gateway.clock(5_000)
        assert await asyncio.wait_for(evicting, 5) == {"evicted": True}
        assert await awake(gateway, "a") == []
