"""Scenarios 32 to 36: schedules and the queue."""

from __future__ import annotations

import asyncio
import time

from harness.frames import connect
from harness.server import PROJECTS, Server, serving
from harness.waiting import eventually


async def told(socket, heard: list, *wanted: str) -> None:
    """Read until each of the texts has come; `heard` is what came before."""
    missing = set(wanted) - {frame for frame in heard if isinstance(frame, str)}

    def all_came(frame) -> bool:
        missing.discard(frame if isinstance(frame, str) else "")
        return not missing

    if missing:
        await socket.until(all_came)


async def test_32_a_delay_a_past_date_and_an_interval_ring(raw, name):
    a = await raw("clockwork", name)
    await a.fence()
    heard = await a.call("plan_in", 1, "tea")
    assert heard[-1]["result"]["type"] == "delayed"
    heard += await a.call("plan_past", "late")
    assert heard[-1]["result"]["type"] == "scheduled"
    heard += await a.call("plan_every", 1, "breathe")
    every = heard[-1]["result"]
    assert every["type"] == "interval"
    await told(a, heard, "scheduled:late", "delayed:tea", "interval:breathe")
    await told(a, [], "interval:breathe")
    (left,) = (await a.call("planned"))[-1]["result"]
    assert left["id"] == every["id"], "one-shots are gone, the interval stays"
    assert (await a.call("forget", every["id"]))[-1]["result"] is True
    assert (await a.call("planned"))[-1]["result"] == []


async def test_32_a_cron_expression_gets_its_next_minute(raw, name):
    a = await raw("clockwork", name)
    cron = (await a.call("plan_cron", "* * * * *", "minute"))[-1]["result"]
    assert (cron["type"], cron["cron"]) == ("cron", "* * * * *")
    assert cron["due"] % 60 == 0 and 0 < cron["due"] - time.time() <= 60
    refused = (await a.call("plan_cron", "not cron", "never"))[-1]
    assert refused["success"] is False


async def test_33_what_recurs_is_planned_once(raw, name):
    a = await raw("clockwork", name)

    async def id_of(method: str, *arguments) -> str:
        return (await a.call(method, *arguments))[-1]["result"]["id"]

    assert await id_of("plan_every", 100, "x") == await id_of("plan_every", 100, "x")
    assert await id_of("plan_cron", "0 0 1 1 *", "x") == await id_of("plan_cron", "0 0 1 1 *", "x")
    assert await id_of("plan_in", 100, "x") != await id_of("plan_in", 100, "x")
    assert await id_of("plan_in", 100, "y", True) == await id_of("plan_in", 100, "y", True)


async def test_34_a_failing_schedule_is_tried_again_then_reported(raw, name):
    a = await raw("clockwork", name)
    heard = await a.call("plan_failure")
    await told(a, heard, "on_error:planned to fail")
    assert (await a.call("runs"))[-1]["result"] == ["failing:bad", "failing:bad", "on_error:planned to fail"]
    assert (await a.call("planned"))[-1]["result"] == []


async def test_35_queued_work_runs_in_order_after_the_reply(raw, name):
    a = await raw("clockwork", name)
    await a.fence()
    answer = await a.call("queue_up", ["one", "two"])
    assert len(answer[-1]["result"]) == 2
    await told(a, answer, "queued:two")
    assert (await a.call("runs"))[-1]["result"] == ["queued:one", "queued:two"]


async def test_36_what_fell_due_while_the_server_was_dead_rings_once_after_the_restart(tmp_path):
    """`kill -9` of the gateway; nobody connects after the restart until the schedules have run."""
    async with serving(PROJECTS / "protocol", tmp_path) as server:
        assert server.session is not None
        a = await connect(server.session, server.origin, "/agents/clockwork/alone")
        await a.call("plan_in", 1, "once")
        await a.call("plan_every", 1, "again")
        await server.kill()
        await asyncio.sleep(2)
        await server.restart()
        await nobody_connects_until(server, "alone")
        b = await connect(server.session, server.origin, "/agents/clockwork/alone")
        runs = (await b.call("runs"))[-1]["result"]
        assert runs.count("delayed:once") == 1
        assert runs[:2] in (["delayed:once", "interval:again"], ["interval:again", "delayed:once"])


async def nobody_connects_until(server: Server, name: str) -> None:
    """Wait until the object has worked through what was due: its next alarm lies in the future again."""

    async def caught_up() -> bool:
        rows = [row for row in (await server.control("GET", "alarms"))["alarms"] if row["name"] == name]
        return bool(rows) and all(row["time_ms"] > time.time() * 1000 and not row["running"] for row in rows)

    await eventually(caught_up)
