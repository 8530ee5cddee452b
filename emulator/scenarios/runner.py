"""Runs a scenario on a server, from its first step to its checks, and tells how it went."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import aiohttp

from emulator.errors import EmuError, RecordingError
from emulator.scenarios import pending, server_steps
from emulator.scenarios.control import Control
from emulator.scenarios.document import Document, Settings
from emulator.scenarios.failures import ScenarioFailed
from emulator.scenarios.performing import Performer
from emulator.scenarios.steps import Connect
from emulator.scenarios.transcript import Line
from emulator.scenarios.world import Place, World

BOUND_S = 120.0
"""How long (really) a scenario may take before it is ended."""


@dataclass(frozen=True, slots=True)
class Trap:
    """A fault (crash, evict, drop, deploy) at the point with this number, counted from 1 since the first step that is no `connect`."""

    at: int
    fault: str


@dataclass(frozen=True, slots=True)
class Run:
    """How a run went. `failure` is None when all was as expected; `outcome` is what came of it, as JSON: `{checks, chats, requests}`;
    `virtual` tells whether the transcript's times repeat; `trap` what the server says of its points and its trap, None without;
    `passed` how many points there were when the steps were done, where points were asked for;
    `violations` are the promises of the chat protocol that were broken, as `GET violations` has them, requests without an end among
    them."""

    name: str
    transcript: str
    failure: EmuError | None
    outcome: dict[str, Any]
    virtual: bool
    seconds: float
    virtual_ms: int
    trap: dict[str, Any] | None = None
    passed: int = 0
    violations: tuple[dict[str, Any], ...] = ()


def silent(_: Line) -> None:
    """Tells nobody."""


@asynccontextmanager
async def opened(
    place: Place, name: str, words: frozenset[str], *, timeout_ms: int, tell: Callable[[Line], None] = silent
) -> AsyncIterator[World]:
    """A world on a running server, given back at the end."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:
        world = World(place, Control(session, place.url), session, tell, timeout_ms=timeout_ms)
        await world.open(name, words)
        try:
            yield world
        finally:
            await world.close()


async def rewind(place: Place) -> None:
    """The server as at its start. Raises UsageError when it cannot be rewound."""
    async with aiohttp.ClientSession() as session:
        await Control(session, place.url)("POST", "rewind", {})


async def run(
    document: Document,
    place: Place,
    *,
    tell: Callable[[Line], None] = silent,
    bound_s: float = BOUND_S,
    trap: Trap | None = None,
    points: bool = False,
) -> Run:
    """Run the scenario on a server that is as the file wants it. `points` counts the points at which a trap could act."""
    began = time.monotonic()
    async with opened(place, document.name, document.words, timeout_ms=document.timeout_ms, tell=tell) as world:
        failure: EmuError | None = None
        outcome: dict[str, Any] = {}
        caught: dict[str, Any] | None = None
        passed = 0
        performer = Performer(world, document.place)
        try:
            async with asyncio.timeout(bound_s):
                await _play(performer, world, document, trap, points)
                if points:
                    passed = (await world.control("GET", "traps"))["count"]
                outcome = await _checked(performer, world, document)
        except TimeoutError:
            hint = "\n".join(await pending.words(world)) or None
            where = document.place(performer.step) if performer.step is not None else None
            failure = ScenarioFailed("E489", f"the scenario did not end within {bound_s:g} s and was ended", where=where, hint=hint)
        except EmuError as error:
            failure = error
        if failure is not None:
            outcome = {"requests": await _counted(world)}
        if trap is not None or points:
            caught = await _quietly(world, "traps")
        failure = await _missing_recording(world, document.settings, failure)
        violations = await _broken_promises(world)
        return Run(
            name=document.name,
            transcript=world.transcript.text(),
            failure=failure,
            outcome=outcome,
            virtual=world.time.is_virtual,
            seconds=time.monotonic() - began,
            virtual_ms=world.time.now_ms - world.time.start_ms,
            trap=caught,
            passed=passed,
            violations=violations,
        )


async def _play(performer: Performer, world: World, document: Document, trap: Trap | None, points: bool) -> None:
    if document.settings.state is not None:
        await world.control("POST", "state/load", {"name": document.settings.state})
    for plan in document.clients.values():
        world.add_client(plan)
    await world.settle()
    # A client that cannot connect tries again, which is no agent's business: interruptions begin behind the first connections.
    first = list(takewhile(lambda step: isinstance(step, Connect), document.steps))
    await performer.all(first)
    if points or trap is not None:
        await world.control("POST", "points", {"on": True})
    if trap is not None:
        await world.control("POST", "traps", {"at": trap.at, "fault": trap.fault})
    await performer.all(document.steps[len(first) :])


async def _checked(performer: Performer, world: World, document: Document) -> dict[str, Any]:
    checks = [await performer.perform(check) for check in document.outcome]
    return {
        "checks": checks,
        "chats": {name: player.chat.texts for name, player in world.players.items() if player.chat is not None},
        "requests": await server_steps.outside_requests(world),
    }


async def _counted(world: World) -> dict[str, int]:
    """What the agents asked others in a run that failed."""
    try:
        async with asyncio.timeout(pending.WITHIN_S):
            return await server_steps.outside_requests(world)
    except (EmuError, TimeoutError):
        return {}


async def _broken_promises(world: World) -> tuple[dict[str, Any], ...]:
    """What the checker of chat streams has found, each with a line of its own in the transcript."""
    found = await _quietly(world, "violations") or {}
    rows = (*found.get("violations", ()), *found.get("unfinished", ()))
    for row in rows:
        world.line(row.get("client") or "server", "violation", f"{row['code']} {row['what']}")
    return rows


async def _missing_recording(world: World, settings: Settings, failure: EmuError | None) -> EmuError | None:
    """In replay a call without a recording is what went wrong, whatever came of it."""
    session = await _quietly(world, "ai/session")
    missed = ((session or {}).get("summary") or {}).get("missed")
    if settings.ai != "replay" or not missed:
        return failure
    miss: dict[str, Any] = missed[0]
    what = f"there is no recording for {miss.get('what') or 'a call'}"
    hint = miss.get("why") or miss.get("problem") or "agents-emu ai record -- agents-emu scenario run FILE"
    return RecordingError("E501", what, where=failure.where if failure is not None else None, hint=str(hint))


async def _quietly(world: World, path: str) -> dict[str, Any] | None:
    """A last question to a server that may be gone."""
    try:
        async with asyncio.timeout(pending.WITHIN_S):
            found: dict[str, Any] = await world.control("GET", path)
            return found
    except (EmuError, TimeoutError):
        return None
