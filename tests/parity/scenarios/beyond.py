"""Scenarios from 71 on: what the protocol's table does not name and agents do all the same."""

from __future__ import annotations

import asyncio

from harness.chat import ask_for_stream, done, submit, user
from harness.frames import Frame
from playing.stage import Stage, scenario

from scenarios.chat import tab, two_tabs
from scenarios.state import state

_IDLE_S = 12


def calling(method: str) -> Frame:
    """A call that may never be answered."""
    return {"type": "rpc", "id": method, "method": method, "args": []}


@scenario(71, "An agent destroys itself")
async def destroyed(stage: Stage) -> None:
    a, b = await stage.connect("A", "explorer"), await stage.connect("B", "explorer")
    await a.call("bump")
    await a.fence()
    await b.fence()
    await a.send(calling("end"))
    await a.closing()
    await b.closing()
    again = await stage.connect("A", "explorer")
    await again.call("noted")


@scenario(72, "An agent aborts its object")
async def aborted(stage: Stage) -> None:
    a, b = await stage.connect("A", "explorer"), await stage.connect("B", "explorer")
    await a.call("bump")
    await a.fence()
    await b.fence()
    await a.send(calling("abort"))
    await a.closing()
    await b.closing()
    again = await stage.connect("A", "explorer")
    await again.call("bump")
    await again.call("recall")


@scenario(73, "onRequest throws")
async def on_request_throws(stage: Stage) -> None:
    await stage.http("GET", f"/agents/explorer/{stage.name}/throw")
    a = await stage.connect("A", "explorer")
    await a.call("noted")


@scenario(74, "A connection's state is too large")
async def large_connection_state(stage: Stage) -> None:
    a = await stage.connect("A", "explorer")
    await a.call("noteMuch", 20_000)
    await a.call("noteMuch", 3)
    await a.call("aboutMe")


@scenario(75, "Agents call each other")
async def agents_among_themselves(stage: Stage) -> None:
    a = await stage.connect("A", "explorer")
    other = await stage.connect("other", "explorer", f"{stage.name}-other")
    await other.fence()
    for method, arguments in (("add", [1, 2]), ("bump", []), ("boom", []), ("boomText", []), ("big", []), ("nope", [])):
        await a.call("askOther", f"{stage.name}-other", method, *arguments)
    await other.fence()


@scenario(76, "Bodies of requests and answers")
async def bodies(stage: Stage) -> None:
    path = f"/agents/explorer/{stage.name}"
    await stage.http("POST", f"{path}/back", body="there and back\n" * 3)
    await stage.http("POST", f"{path}/length", body="x" * 300_000)
    await stage.http("GET", f"{path}/who")


@scenario(76, "An answer that is told line by line")
async def line_by_line(stage: Stage) -> None:
    path = f"/agents/explorer/{stage.name}"
    async with stage.session.get(f"{stage.server.origin}{path}/lines") as answer:
        for number in range(3):
            stage.note("lines", "come", (await answer.content.readline()).decode())
            if number < 2:
                await stage.http("GET", f"{path}/release")
        stage.note("lines", "end", (await answer.content.read()).decode())


@scenario(77, "A chat leaves memory between two turns")
async def chat_sleeps(stage: Stage) -> None:
    a, b = await two_tabs(stage)
    question = user("hello", "u1")
    await a.send(submit("req1", [question], k=1))
    await a.until(done("req1"))
    await b.until(done("req1"))
    await asyncio.sleep(_IDLE_S)
    await a.send(ask_for_stream("p1"))
    await a.fence()
    history = await stage.history()
    await a.send(submit("req2", [*history, user("again", "u2")], k=1))
    await a.until(done("req2"))
    await b.until(done("req2"))
    c = await tab(stage, "C")
    await c.fence()
    await stage.history()


@scenario(78, "A sub-agent leaves memory, its client stays")
async def sub_agent_sleeps(stage: Stage) -> None:
    child = await stage.connect("child", "parent", f"{stage.name}/sub/child/c1")
    await child.fence()
    await child.call("bump")
    await child.fence()
    await child.call("recall")
    await asyncio.sleep(_IDLE_S)
    await child.call("recall")
    await child.fence()
    await child.call("bump")
    await child.fence()


@scenario(79, "A sub-agent's schedule")
async def sub_agent_schedules(stage: Stage) -> None:
    child = await stage.connect("child", "parent", f"{stage.name}/sub/child/c1")
    await child.fence()
    await child.call("planIn", 1, "tea")
    await child.hears("delayed:tea in c1")


@scenario(80, "A queued item that fails")
async def queue_with_failure(stage: Stage) -> None:
    a = await stage.connect("A", "explorer")
    await a.fence()
    await a.call("queueWithFailure")
    await a.until(lambda frame: isinstance(frame, str) and frame.startswith("works"))
    await a.call("noted")


@scenario(81, "Who changed the state, as the agent hears it")
async def state_changes(stage: Stage) -> None:
    a, b = await stage.connect("A", "explorer"), await stage.connect("B", "explorer")
    await a.fence()
    await a.send(state(5))
    await a.call("bump")
    await a.fence()
    await b.fence()
    await a.call("noted")


@scenario(82, "Retries, and who is calling")
async def retries_and_callers(stage: Stage) -> None:
    a = await stage.connect("A", "explorer")
    for failures in (0, 2, 3):
        await a.call("tryAgain", failures)
    await a.call("who")


@scenario(83, "Large frames and binary ones")
async def large_frames(stage: Stage) -> None:
    a = await stage.connect("A", "explorer")
    stage.note("A", "is told the length of 900,000 characters", await a.asks("measure", "ä" * 900_000))
    stage.note("A", "is told that many", len(await a.asks("much", 900_000)))
    await a.call("shoutBytes")


@scenario(84, "A broadcast to many")
async def broadcast_to_many(stage: Stage) -> None:
    lines = [await stage.connect(f"A{number}", "explorer") for number in range(40)]
    for line in lines:
        await line.fence()
    await lines[0].call("bump")
    for line in lines:
        await line.fence()


@scenario(85, "Work that is written down, and the server is killed", kills=True)
async def fiber_killed(stage: Stage) -> None:
    a = await stage.connect("A", "explorer")
    await a.fence()
    await a.send(calling("work"))
    await a.hears("half way")
    await stage.server.kill()
    await stage.server.restart()
    again = await stage.connect("A", "explorer")
    await stage.eventually(lambda: again.asks("noted"), lambda noted: len(noted) > 1)
    stage.note("noted", "is", await again.asks("noted"))
