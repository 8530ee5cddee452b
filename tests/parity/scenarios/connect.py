"""Scenarios 1 to 3, 10, 19 to 25, 27, 30, 31 and 65: how connections begin and end."""

from __future__ import annotations

from playing.stage import Stage, scenario


@scenario(1, "First connect to a fresh Counter")
async def first_connect(stage: Stage) -> None:
    a = await stage.connect("A", "counter")
    await a.fence()


@scenario(2, "Connect to an agent without state")
async def without_state(stage: Stage) -> None:
    a = await stage.connect("A", "plain")
    await a.fence()


@scenario(3, "Identity is off, without and with state")
async def without_identity(stage: Stage) -> None:
    a = await stage.connect("A", "quiet")
    await a.fence()
    b = await stage.connect("B", "quiet-counter")
    await b.fence()
