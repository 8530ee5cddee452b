"""Scenarios 12 to 16 and 64: calls of `@callable` methods."""

from __future__ import annotations

from playing.stage import Stage, scenario


@scenario(12, "Results")
async def results(stage: Stage) -> None:
    a = await stage.connect("A", "counter")
    await a.call("add", 1, 2)
    for method in ("open", "nothing", "values"):
        await a.call(method)


@scenario(13, "Errors")
async def errors(stage: Stage) -> None:
    a = await stage.connect("A", "counter")
    for method in ("nope", "hidden", "setState", "constructor", "boom", "boomText", "big"):
        await a.call(method)


@scenario(14, "A stream of results")
async def stream(stage: Stage) -> None:
    a = await stage.connect("A", "counter")
    await a.call("stream", 2)
    await a.fence()


@scenario(15, "A streaming method throws after one chunk")
async def stream_falls(stage: Stage) -> None:
    a = await stage.connect("A", "counter")
    await a.call("streamAndFall")
    await a.fence()


@scenario(16, "A slow call followed by a fast one")
async def overtaken(stage: Stage) -> None:
    a = await stage.connect("A", "counter")
    await a.send({"type": "rpc", "id": "slow", "method": "wait", "args": []})
    await a.call("add", 1, 1)
    await a.call("open")
    await a.fence()


@scenario(64, "Cap'n Web")
async def capnweb(stage: Stage) -> None:
    a = await stage.connect("A", "counter", __agents_transport="capnweb")
    await a.send('["push",["pipeline",0,["add"],[1,2]]]')
    await a.send('["pull",1]')
    await a.until(lambda frame: frame.startswith('["reject"'))
