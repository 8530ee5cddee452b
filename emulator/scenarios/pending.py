"""What a scenario that does not end is waiting for, in words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from emulator.errors import EmuError
from emulator.scenarios.control import object_path
from emulator.scenarios.transcript import offset
from emulator.scenarios.world import World

WITHIN_S = 3.0
MOST_OBJECTS = 8
MOST_DEADLINES = 5


async def words(world: World) -> list[str]:
    """One line each: what was expected, who is connected, what holds objects in memory, what comes next."""
    found = [f"waiting for  {what}" for what in world.waiting_for]
    for player in world.players.values():
        if player.client.is_open:
            state = ", stalled" if player.client.stalled else ""
            found.append(f"open         {player.client.name}  {world.path_of(player.client.plan)}{state}")
    try:
        async with asyncio.timeout(WITHIN_S):
            found += [line async for line in _server(world)]
    except (TimeoutError, EmuError) as error:
        found.append(f"server       does not answer: {getattr(error, 'what', '') or type(error).__name__}")
    return found


async def _server(world: World) -> AsyncIterator[str]:
    clock = await world.control("GET", "clock")
    for row in clock["pending"][:MOST_DEADLINES]:
        yield f"next         {offset(max(0, row['at_ms'] - world.time.start_ms))}  {row['what']}"
    rows = (await world.control("GET", "objects"))["objects"]
    awake = [row for row in rows if row["state"] not in ("inactive", "hibernated")]
    for row in awake[:MOST_OBJECTS]:
        name = f"{row['class']}/{row.get('name') or row['id']}"
        why = _reasons(await world.control("GET", object_path(name, "awake")))
        yield f"awake        {name}  {why}".rstrip()


def _reasons(reasons: list[dict[str, Any]]) -> str:
    """What holds an object, each with the user's line."""
    return "; ".join(" ".join(part for part in (row.get("text"), row.get("where")) if part) for row in reasons)
