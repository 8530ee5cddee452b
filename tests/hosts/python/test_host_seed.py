"""Seeded randomness of the Python host: the same seed draws the same, from wherever user code draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from link_gateway import host

SOURCE = """
import asyncio, json, os, random, secrets, uuid
import js
from os import urandom
from random import choice
from workers import DurableObject, Response, WorkerEntrypoint

AT_IMPORT = secrets.token_hex(4)

class Box(DurableObject):
    async def fetch(self, request):
        db = self.ctx.storage.sql
        async def named():
            return asyncio.current_task().get_name()
        typed = js.Uint8Array.new(4)
        js.crypto.getRandomValues(typed)
        row = db.exec("SELECT random() AS r, hex(randomblob(4)) AS b").one()
        drawn = {
            "import": AT_IMPORT, "random": random.random(), "choice": choice(range(10**9)), "secrets": secrets.token_urlsafe(8),
            "below": secrets.randbelow(10**9), "urandom": urandom(4).hex(), "os": os.urandom(4).hex(), "uuid4": str(uuid.uuid4()),
            "uuid1": str(uuid.uuid1()), "system": random.SystemRandom().random(), "own": random.Random().random(),
            "Math": js.Math.random(), "randomUUID": js.crypto.randomUUID(), "values": list(typed.to_py().tolist()),
            "id": str(self.env.BOX.newUniqueId()), "sql": [row.r, row.b], "task": await asyncio.create_task(named()),
        }
        random.seed()
        drawn["seeded anew"] = random.random()
        random.seed(7)
        drawn["the user's own seed"] = random.random()
        return Response(json.dumps(drawn))

class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return await self.env.BOX.getByName("a").fetch(request)
"""
OWN_SEED = "the user's own seed"


async def drawn(root: Path, seed: int | None, pings: int = 0) -> Any:
    async with host(root, SOURCE, seed=seed) as gateway:
        for _ in range(pings):
            await gateway.clock()
        return [await gateway.fetch("/"), await gateway.fetch("/")]


async def test_a_seed_repeats_everything_that_user_code_draws(tmp_path: Path) -> None:
    first = await drawn(tmp_path / "a", 42)
    again = await drawn(tmp_path / "b", 42, pings=3)
    assert first == again, "however often we asked meanwhile"
    once, twice = first
    assert not {name for name in once if once[name] == twice[name]} - {"import", OWN_SEED}


async def test_another_seed_and_none_draw_something_else(tmp_path: Path) -> None:
    one, other, none, again = [(await drawn(tmp_path / str(number), seed))[0] for number, seed in enumerate((42, 43, None, None))]
    for left, right in ((one, other), (none, again), (one, none)):
        same = {name for name in left if left[name] == right[name]}
        assert same - {"task"} == {OWN_SEED}
    assert {drawn[OWN_SEED] for drawn in (one, other, none)} == {one[OWN_SEED]}
