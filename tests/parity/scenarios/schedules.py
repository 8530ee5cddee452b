"""Scenarios 32 to 35: schedules and the queue. Every run is broadcast, so scenarios wait for what they hear."""

from __future__ import annotations

import time

from playing.stage import Stage, scenario


@scenario(32, "A delay, a past date, an interval and a cron expression")
async def planned(stage: Stage) -> None:
    a = await stage.connect("A", "clockwork")
    await a.call("planIn", 1, "tea")
    await a.hears("delayed:tick:tea")
    await a.call("planPast", "late")
    await a.hears("scheduled:tick:late")
    every = await a.value("planEvery", 2, "breathe")
    await a.hears("interval:tick:breathe")
    await a.hears("interval:tick:breathe")
    await a.call("planned")
    await a.call("forget", every["id"])
    await a.call("forget", "nobody")
    cron = await a.asks("planCron", "* * * * *", "minute")
    await a.asks("forget", cron["id"])
    stage.note("cron", "is due at the next whole minute", cron["time"] % 60 == 0 and 0 < cron["time"] - time.time() <= 60)
    await a.call("planCron", "0 0 1 1 *", "new year")
    await a.call("planned")


@scenario(32, "What cannot be planned")
async def refused_plans(stage: Stage) -> None:
    a = await stage.connect("A", "clockwork")
    await a.call("planCron", "not cron", "never")
    await a.call("planEvery", 0, "never")
    await a.call("planEvery", 2_592_001, "never")
    await a.call("planNonsense")
    await a.call("planUnknown")
    await a.call("planned")


@scenario(33, "Planning the same twice")
async def planned_twice(stage: Stage) -> None:
    a = await stage.connect("A", "clockwork")
    for _ in range(2):
        await a.call("planEvery", 100, "x")
        await a.call("planCron", "0 0 1 1 *", "x")
        await a.call("planIn", 100, "x")
        await a.call("planIn", 100, "y", {"idempotent": True})


@scenario(34, "A schedule that fails")
async def failing(stage: Stage) -> None:
    a = await stage.connect("A", "clockwork")
    await a.call("planFailure")
    await a.hears("onError:planned to fail")
    await stage.eventually(lambda: a.asks("planned"), lambda left: left == [])
    await a.call("runs")


@scenario(35, "Two queued items")
async def queued(stage: Stage) -> None:
    a = await stage.connect("A", "clockwork")
    await a.call("queueUp", ["one", "two"])
    await a.until(lambda frame: isinstance(frame, str) and frame.startswith("queued:two"))
