"""Scenarios 60 to 63: sub-agents and their clients."""

from __future__ import annotations

from playing.stage import Stage, scenario


@scenario(60, "A client of a sub-agent")
async def sub_agent(stage: Stage) -> None:
    child = await stage.connect("child", "parent", f"{stage.name}/sub/child/c1")
    await child.fence()
    parent = await stage.connect("parent", "parent")
    await parent.fence()
    await child.call("add", 1, 2)
    await child.call("bump")
    await child.fence()
    await parent.call("shout", "to my own")
    await child.fence()
    await parent.call("ask", "c1", 2, 3)
    await parent.call("children")


@scenario(60, "A request to a sub-agent")
async def sub_agent_http(stage: Stage) -> None:
    await stage.http("GET", f"/agents/parent/{stage.name}/sub/child/c%201/deep/er?q=1")


@scenario(61, "onBeforeSubAgent refuses")
async def refused(stage: Stage) -> None:
    for label, name in (("A", "forbidden"), ("B", "broken")):
        line = await stage.connect(label, "parent", f"{stage.name}/sub/child/{name}")
        await line.closing()
        await stage.http("GET", f"/agents/parent/{stage.name}/sub/child/{name}")


@scenario(62, "A sub-agent of an unknown class")
async def unknown(stage: Stage) -> None:
    a = await stage.connect("A", "parent", f"{stage.name}/sub/unknown/x")
    await a.fence()
    await stage.http("GET", f"/agents/parent/{stage.name}/sub/unknown/x")


@scenario(63, "A sub-agent with clients is deleted")
async def deleted(stage: Stage) -> None:
    parent = await stage.connect("parent", "parent")
    child = await stage.connect("child", "parent", f"{stage.name}/sub/child/c1")
    nested = await stage.connect("nested", "parent", f"{stage.name}/sub/child/c1/sub/child/c2")
    await nested.fence()
    await child.call("bump")
    await child.fence()
    await parent.call("forget", "c1")
    await child.closing()
    await nested.closing()
    again = await stage.connect("child", "parent", f"{stage.name}/sub/child/c1")
    await again.fence()
