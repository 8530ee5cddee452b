"""Scenarios 4 to 9 and 11: state and who hears of it."""

from __future__ import annotations

from typing import Any

from playing.stage import Line, Stage, scenario


def state(n: int) -> dict[str, Any]:
    return {"type": "cf_agent_state", "state": {"n": n}}


async def two(stage: Stage, **query: str) -> tuple[Line, Line]:
    """A, as `query` has it, and B; both have read what they got on connect."""
    a, b = await stage.connect("A", "counter", **query), await stage.connect("B", "counter")
    await a.fence()
    await b.fence()
    return a, b


@scenario(4, "A sends a state")
async def sent(stage: Stage) -> None:
    a, b = await two(stage)
    await a.send(state(5))
    await a.fence()
    await b.fence()


@scenario(5, "A sends a state that is rejected")
async def rejected(stage: Stage) -> None:
    a, b = await two(stage)
    await a.send(state(-5))
    await a.fence()
    await b.fence()
    again = await stage.connect("C", "counter")
    await again.fence()


@scenario(6, "A readonly connection sends a state")
async def readonly(stage: Stage) -> None:
    a, b = await two(stage, readonly="1")
    await a.send(state(5))
    await a.fence()
    await b.fence()


@scenario(7, "A readonly connection calls a method that sets the state")
async def readonly_call(stage: Stage) -> None:
    a, b = await two(stage, readonly="1")
    await a.call("bump")
    await a.fence()
    await b.fence()


@scenario(8, "A calls a method that sets the state")
async def set_by_a_call(stage: Stage) -> None:
    a, b = await two(stage)
    await a.call("bump")
    await b.fence()


@scenario(9, "A connection without protocol")
async def no_protocol(stage: Stage) -> None:
    a, b = await two(stage, no_protocol="1")
    await a.send(state(7))
    await a.fence()
    await b.fence()
    await b.send(state(8))
    await b.fence()
    await a.fence()


@scenario(11, "The state is seeded while a client is connected that saw none")
async def seeded_late(stage: Stage) -> None:
    b = await stage.connect("B", "late")
    await b.call("decide")
    a = await stage.connect("A", "late")
    await a.fence()
    await b.fence()
