"""The real cf-agents on the virtual clock and with a seed: its schedules fire by the clock, and a second run is the first one again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from link_gateway import START_MS, Gateway, host

SOURCE = """
import asyncio, json, time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from agents import Agent
from workers import Response, WorkerEntrypoint

class Box(Agent):
    async def on_request(self, request):
        name = urlsplit(request.url).path.rsplit("/", 1)[1]
        return Response(json.dumps(await getattr(self, name)()))

    async def plan(self):
        self.sql("CREATE TABLE IF NOT EXISTS log (id TEXT, what TEXT, at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')))")
        once = await self.schedule(90, "ring", "once")
        dated = await self.schedule(datetime.now(UTC) + timedelta(hours=2), "ring", "dated")
        cron = await self.schedule("0 9 * * *", "ring", "cron")
        every = await self.schedule_every(timedelta(hours=12), "ring", "every")
        return [schedule.id for schedule in (once, dated, cron, every)]

    async def ring(self, payload, schedule):
        await asyncio.sleep(0.5)
        self.sql("INSERT INTO log (id, what) VALUES (?, ?)", schedule.id, f"{payload} {datetime.now(UTC):%d %H:%M:%S.%f}")

    async def read(self):
        return [[row["id"], row["what"], row["at"]] for row in self.sql("SELECT * FROM log ORDER BY at, id")]

class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return await self.env.BOX.getByName("a").fetch(request)
"""
A_DAY_MS = 86_400_000 + 60_000


async def live_a_day(gateway: Gateway) -> None:
    """What the gateway's timekeeper does: whatever is due next, the gateway's alarms first."""
    while True:
        host_next = await gateway.clock()
        alarm = gateway.alarms[-1] if gateway.alarms else None
        due = [moment for moment in (host_next, alarm) if moment is not None]
        if not due or min(due) > START_MS + A_DAY_MS:
            return
        gateway.now_ms = max(min(due), gateway.now_ms)
        if alarm is not None and alarm <= gateway.now_ms:
            gateway.alarms.append(None)
            ringing = gateway.link.call("alarm", **{"class": "Box"}, id=gateway.id("a"), name="a", scheduled_ms=alarm, retry=0)
            ended = False
            while not ended:
                next_ms = await gateway.clock()
                ended = ringing.done()
                if not ended and next_ms is not None:
                    gateway.now_ms = max(next_ms, gateway.now_ms)
            assert (await ringing)["outcome"] == "done"


async def a_day(root: Path) -> dict[str, Any]:
    async with host(root, SOURCE, seed=42, idle_ms=60_000) as gateway:
        planned = await gateway.fetch("/plan")
        await live_a_day(gateway)
        return {"planned": planned, "log": await gateway.fetch("/read"), "turns": gateway.turns}


async def test_schedules_fire_by_the_clock_and_a_second_run_is_the_first(tmp_path: Path) -> None:
    first = await a_day(tmp_path / "one")
    once, dated, cron, every = first["planned"]
    assert len({once, dated, cron, every}) == 4
    assert [[what.split(".")[0], at] for _, what, at in first["log"]] == [
        ["once 01 00:01:30", "2026-01-01T00:01:30.500Z"],
        ["dated 01 02:00:00", "2026-01-01T02:00:00.500Z"],
        ["cron 01 09:00:00", "2026-01-01T09:00:00.500Z"],
        ["every 01 12:00:00", "2026-01-01T12:00:00.500Z"],
        ["every 02 00:00:01", "2026-01-02T00:00:01.000Z"],
    ]
    again = await a_day(tmp_path / "two")
    assert json.dumps(again) == json.dumps(first)
