"""Scenarios 4 to 9 and 11: state and who hears of it."""

from __future__ import annotations

from typing import Any

from playing.stage import Stage, scenario


def state(n: int) -> dict[str, Any]:
    return {"type": "cf_agent_state", "state": {"n": n}}


@scenario(4, "A sends a state")
async def a_state_is_sent(stage: Stage) -> None:
    a, b = await stage.connect("A", "counter"), await stage.connect("B", "counter")
    await a.fence()
    await b.fence()
    await a.send(state(5))
    await a.fence()
    await b.fence()
