"""Scenarios 36, 59 and 66: the server is killed, and comes back on the same state and port."""

from __future__ import annotations

import asyncio

from harness.chat import submit, take_stream, user
from harness.frames import is_type
from playing.stage import Stage, scenario

from scenarios.chat import replayed, said, tab


@scenario(36, "Schedules fall due while the server is dead", kills=True)
async def due_while_dead(stage: Stage) -> None:
    a = await stage.connect("A", "clockwork")
    # Due times are floored to whole seconds: what is due in three may come after two.
    await a.call("planIn", 3, "once")
    await a.call("planEvery", 4, "again")
    await stage.server.kill()
    await asyncio.sleep(5)
    await stage.server.restart()
    await asyncio.sleep(7)  # no client may wake the object
    b = await stage.connect("B", "clockwork")
    runs = await b.asks("runs")
    stage.note("runs", "are", runs[:3], f"delayed: {runs.count('delayed:tick:once')}")
    first, second = (await b.asks("times", "interval:tick:again"))[:2]
    stage.note("interval", "four seconds lie between the first runs", 3900 <= second - first < 6000)


@scenario(59, "The server is killed in mid answer", kills=True)
async def killed_in_mid_answer(stage: Stage) -> None:
    a = await tab(stage, "A")
    await a.send(submit("req1", [user("hello", "u1")], k=30, gated=True))
    await stage.release(19)
    await a.until(said("d18 "))
    await stage.server.kill()
    await stage.server.restart()
    await stage.thinking()
    back = await tab(stage, "A")
    offer = [frame for frame in back.heard if is_type(frame, "cf_agent_stream_resuming")][-1]
    await back.send(take_stream(offer["id"]))
    await back.until(replayed)
    await stage.release(31)
    await back.until(lambda frame: is_type(frame, "cf_agent_chat_recovering") and not frame["recovering"])
    await stage.history()


@scenario(66, "The real client has calls under way when the server is killed", kills=True)
async def killed_under_the_client(stage: Stage) -> None:
    async with stage.client("Counter") as client:
        await client.ready()
        await client.use("begin", "slow", "wait", [])
        await client.call("add", 1, 1)
        await stage.server.kill()
        await client.seen("close")
        await client.use("begin", "queued", "add", [1, 2])
        await stage.server.restart()
        for label in ("slow", "queued"):
            stage.note("client", f"{label} comes to", await client.use("outcome", label))
        await client.ready()
