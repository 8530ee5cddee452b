"""Handlers that end in unusual ways still answer: a task that cancelled itself, `sys.exit()`. A given-up alarm leaves nothing behind."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from harness.server import Server, serving
from harness.waiting import eventually

ENTRY = """
import asyncio
import sys
import time
from workers import DurableObject, Response, WorkerEntrypoint


async def cancelled():
    task = asyncio.create_task(asyncio.sleep(60))
    task.cancel()
    await task


class Thing(DurableObject):
    async def fetch(self, request):
        deed = request.url.rsplit("/", 1)[1]
        if deed == "cancel":
            await cancelled()
        elif deed == "exit":
            sys.exit(3)
        elif deed == "arm":
            await self.ctx.storage.setAlarm(time.time() * 1000 + 300)
        elif deed == "alarm":
            return Response.from_json({"alarm": await self.ctx.storage.getAlarm(), "runs": self.ctx.storage.kv.get("runs") or 0})
        return Response(deed)

    async def alarm(self):
        self.ctx.storage.kv.put("runs", (self.ctx.storage.kv.get("runs") or 0) + 1)
        await self.ctx.storage.sync()
        self.ctx._ctx.abort("enough", retryAlarm=False)


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        if "/thing/" in request.url:
            return await self.env.THING.getByName("one").fetch(request)
        if request.url.endswith("cancel"):
            await cancelled()
        elif request.url.endswith("later"):
            asyncio.create_task(leave())
        elif request.url.endswith("exit"):
            sys.exit(3)
        return Response("hello")


async def leave():
    sys.exit(4)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def odd(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    folder = tmp_path_factory.mktemp("endings") / "made"
    (folder / "src").mkdir(parents=True)
    configuration = {
        "name": "endings",
        "main": "src/entry.py",
        "compatibility_date": "2026-06-11",
        "durable_objects": {"bindings": [{"name": "THING", "class_name": "Thing"}]},
        "migrations": [{"tag": "v1", "new_sqlite_classes": ["Thing"]}],
    }
    (folder / "wrangler.jsonc").write_text(json.dumps(configuration))
    (folder / "src" / "entry.py").write_text(ENTRY)
    async with serving(folder, folder.parent) as server:
        yield server


@pytest.mark.parametrize(("path", "word"), [("/cancel", "CancelledError"), ("/exit", "SystemExit")])
@pytest.mark.parametrize("where", ["", "/thing"])
async def test_an_unusual_end_is_an_answer(odd: Server, where: str, path: str, word: str):
    status, body = await odd.get(where + path)
    assert status == 500 and word in body
    assert (await odd.get("/thing/hello"))[0] == 200, "the host and the object live on"


async def test_a_task_that_exits_ends_itself_only(odd: Server):
    assert await odd.get("/later") == (200, "hello")
    assert await odd.get("/later") == (200, "hello")
    assert "E402" not in odd.output(), "the host did not end"


async def test_an_alarm_that_was_given_up_is_no_alarm(odd: Server):
    assert (await odd.get("/thing/arm"))[0] == 200

    async def over() -> bool:
        return (await odd.get("/thing/alarm"))[1] == {"alarm": None, "runs": 1}

    await eventually(over)
