"""Plays scenarios on a server: those that do not kill it all at once, each with agents of its own; the others one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import aiohttp
from harness.node import Node

from playing.stage import Scenario, Server, Stage
from playing.transcript import Line, Transcript

_AT_ONCE = 16
_BOUND_S = 60

Serve = Callable[[Path], AbstractAsyncContextManager[Server]]
Outcome = list[Line] | Exception


async def play_all(serve: Serve, folders: tuple[Path, Path], wanted: Sequence[Scenario], node: Node) -> dict[str, Outcome]:
    """What each scenario (by its key) came to: its transcript, or the exception that ended it. `folders` are empty, one for each server."""
    shared = [one for one in wanted if not one.kills]
    killing = [one for one in wanted if one.kills]
    outcomes = await asyncio.gather(
        _play(serve, folders[0], shared, node, _AT_ONCE),
        _play(serve, folders[1], killing, node, 1),
    )
    return outcomes[0] | outcomes[1]


async def _play(serve: Serve, folder: Path, wanted: Sequence[Scenario], node: Node, at_once: int) -> dict[str, Outcome]:
    if not wanted:
        return {}
    slots = asyncio.Semaphore(at_once)

    async def one(scenario: Scenario, server: Server) -> Outcome:
        transcript = Transcript()
        async with slots:
            try:
                async with asyncio.timeout(_BOUND_S), _session() as session:
                    await scenario.play(Stage(server, session, node, f"s{scenario.key}", transcript))
            except Exception as error:
                error.add_note("\n".join(["the transcript so far:", *map(str, transcript.lines()[-12:])]))
                return error
        return transcript.lines()

    async with serve(folder) as server:
        outcomes = await asyncio.gather(*(one(scenario, server) for scenario in wanted))
    return {scenario.key: outcome for scenario, outcome in zip(wanted, outcomes, strict=True)}


@asynccontextmanager
async def _session() -> AsyncIterator[aiohttp.ClientSession]:
    # `wrangler dev` compresses for who can unpack, which holds lines back, and has a page of its own for errors, but not for curl.
    headers = {"Accept-Encoding": "identity", "User-Agent": "curl/8"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers) as session:
        yield session
