"""Scenarios 1 to 3, 10, 17 to 26 and 65: how connections begin, what reaches `onMessage`, how they end and what outlives the instance."""

from __future__ import annotations

import asyncio

from playing.stage import Stage, scenario

# Objects leave memory after ten idle seconds, here and on the real runtime.
_IDLE_S = 12


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
    for label, agent in (("A", "quiet"), ("B", "quiet-counter")):
        line = await stage.connect(label, agent)
        await line.fence()


@scenario(10, "Reconnect after the state has changed")
async def reconnect(stage: Stage) -> None:
    a = await stage.connect("A", "counter")
    await a.call("bump")
    await a.goes()
    again = await stage.connect("A", "counter")
    await again.fence()


@scenario(17, "What is no protocol frame reaches onMessage")
async def no_protocol_frames(stage: Stage) -> None:
    a = await stage.connect("A", "counter")
    for message in (
        '{"type":"rpc","id":"1","method":"add"}',
        '{"type":"rpc","id":1,"method":"add","args":[]}',
        '{"type":"cf_agent_state"}',
        '{"type":"who knows"}',
        "not json",
        "",
        b"\x00\x01\xff",
    ):
        await a.send(message)
        await a.fence()


@scenario(18, "onMessage throws")
async def on_message_throws(stage: Stage) -> None:
    a = await stage.connect("A", "counter")
    await a.send("throw")
    await a.send("still here")
    await a.fence()


@scenario(19, "onConnect throws")
async def on_connect_throws(stage: Stage) -> None:
    a = await stage.connect("A", "counter", connect="throw")
    await a.closing()


@scenario(20, "onConnect takes its time, then sends and broadcasts")
async def on_connect_takes_its_time(stage: Stage) -> None:
    b = await stage.connect("B", "counter")
    await b.fence()
    opening = asyncio.create_task(stage.connect("A", "counter", connect="gated"))

    async def connections() -> list[str]:
        return (await b.asks("recall"))["connections"]

    await stage.eventually(connections, lambda ids: "A" in ids)
    stage.note("A", "still waits for the end of the handshake", not opening.done())
    await stage.http("GET", f"/agents/counter/{stage.name}/open")
    a = await opening
    await a.fence()
    await b.fence()


@scenario(21, "The server closes with a terminal code")
async def terminal_close(stage: Stage) -> None:
    a = await stage.connect("A", "counter")
    await a.send("goodbye")
    await a.closing()
    b = await stage.connect("B", "counter")
    await stage.eventually(lambda: b.asks("closes"))
    await b.call("closes")
    async with stage.client("Counter") as client:
        await client.ready()
        await client.use("send", "goodbye")
        await client.seen("connection_error")
        await stage.tell("client", client)


@scenario(21, "The server closes with any other code")
async def passing_close(stage: Stage) -> None:
    async with stage.client("Counter") as client:
        await client.ready()
        await client.use("send", "reset")
        await client.seen("open", 2)
        await client.ready()
        await stage.tell("client", client)


@scenario(22, "The client closes with a code of its own")
async def client_close(stage: Stage) -> None:
    a, b = await stage.connect("A", "counter"), await stage.connect("B", "counter")
    await a.goes(3001, "cya")
    await stage.eventually(lambda: b.asks("closes"))
    await b.call("closes")


@scenario(22, "The client closes without a code")
async def client_close_without_code(stage: Stage) -> None:
    """Whether the server answers such a Close is S-95 in docs/parity.md, so nobody waits for it."""
    a, b = await stage.connect("A", "counter"), await stage.connect("B", "counter")
    await a.goes_silently()
    await stage.eventually(lambda: b.asks("closes"))
    await b.call("closes")


@scenario(23, "Two sockets with the same _pk")
async def twins(stage: Stage) -> None:
    a, twin, b = [await stage.connect(label, "counter", _pk=pk) for label, pk in (("A", "same"), ("A2", "same"), ("B", "other"))]
    for line in (a, twin, b):
        await line.fence()
    await a.send({"type": "cf_agent_state", "state": {"n": 3}})
    for line in (a, twin, b):
        await line.fence()


@scenario(24, "An empty _pk")
async def empty_pk(stage: Stage) -> None:
    a = await stage.connect("A", "counter", _pk="")
    await a.call("aboutMe")


@scenario(25, "Nine tags and ten tags")
async def tags(stage: Stage) -> None:
    a = await stage.connect("A", "counter", tags="9")
    await a.call("aboutMe")
    b = await stage.connect("B", "counter", tags="10")
    await b.closing()


@scenario(26, "A call after the object has left memory")
async def hibernation(stage: Stage) -> None:
    a = await stage.connect("A", "counter", tags="2")
    await a.call("remember", "gone after this")
    await a.call("noteOnMe", {"deep": [1, None]})
    await a.call("bump")
    await a.call("recall")
    await asyncio.sleep(_IDLE_S)
    await a.call("recall")
    await a.call("aboutMe")
    await a.call("bump")


@scenario(65, "A client's TCP connection is reset")
async def reset(stage: Stage) -> None:
    await _lost(stage, "vanishes")


@scenario(65, "A client's TCP connection ends without a Close frame")
async def hung_up(stage: Stage) -> None:
    await _lost(stage, "hangs_up")


async def _lost(stage: Stage, how: str) -> None:
    a, b = await stage.connect("A", "counter"), await stage.connect("B", "counter")
    await a.fence()
    await b.fence()
    getattr(a, how)()
    await stage.eventually(lambda: b.asks("closes"))
    await b.call("closes")
    await b.call("recall")
