"""Scenarios 27 to 31: which object a path leads to."""

from __future__ import annotations

from contextlib import suppress

import aiohttp
from playing.stage import Stage, scenario


@scenario(27, "A name with an escaped space")
async def escaped_name(stage: Stage) -> None:
    a = await stage.connect("A", "counter", f"{stage.name}%20b%2Fc")
    await a.fence()


@scenario(28, "Paths that lead nowhere")
async def nowhere(stage: Stage) -> None:
    for path in ("/agents/no-such/x", "/agents/Counter/x", "/agents/counter", "/elsewhere", f"/agents//counter//{stage.name}"):
        await stage.http("GET", path)


@scenario(29, "OPTIONS with and without cors")
async def options(stage: Stage) -> None:
    cors = [f"Access-Control-{rest}" for rest in ("Allow-Origin", "Allow-Methods", "Allow-Headers", "Max-Age")]
    for path in (f"/agents/counter/{stage.name}?cors=1", f"/agents/counter/{stage.name}", "/agents/no-such/x?cors=1"):
        await stage.http("OPTIONS", path, *cors)
    await stage.http("GET", f"/agents/counter/{stage.name}?cors=1", *cors)


@scenario(30, "A route of the project's own to an object that it names")
async def named_by_the_project(stage: Stage) -> None:
    a = await stage.connect("A", "", path="/session")
    await a.fence()
    async with stage.client("Counter", name="ignored", basePath="session") as client:
        await client.ready()
        await stage.tell("client", client)


@scenario(31, "onBeforeConnect refuses")
async def refused(stage: Stage) -> None:
    with suppress(aiohttp.WSServerHandshakeError):
        await stage.connect("A", "counter", refused="1")
    async with stage.client("Counter", query={"refused": "1"}, maxRetries=2) as client:
        await client.seen("connection_error")
        # Not why: the client says "timeout" when a loaded machine is slow to refuse.
        stage.note("client", "sees", [event["kind"] for event in await client.use("happened")])
