"""Scenarios 60 to 63: sub-agents and their clients."""

from __future__ import annotations

import pytest
from harness.frames import types
from harness.server import Server


async def test_60_a_client_of_a_sub_agent_sees_only_the_sub_agent(raw, name):
    child = await raw("parent", f"{name}/sub/child/c1")
    parent = await raw("parent", name)
    first = await child.fence()
    identity = next(frame for frame in first if frame["type"] == "cf_agent_identity")
    assert (identity["name"], identity["agent"]) == ("c1", "child")
    assert types(first)[-3:] == ["cf_agent_identity", "cf_agent_state", "cf_agent_mcp_servers"]
    await parent.fence()
    assert (await child.call("add", 1, 2))[-1]["result"] == 3
    frames = await child.call("bump")
    assert frames[-1]["result"] == 1
    await parent.call("shout", "to my own")
    assert await parent.fence() == []
    heard = [*frames[:-1], *await child.fence()]
    assert heard == [{"type": "cf_agent_state", "state": {"n": 1}}], "its own state, and not what the parent shouts"


async def test_60_calls_between_parent_and_child(raw, name):
    parent = await raw("parent", name)
    assert (await parent.call("ask", "c1", 2, 3))[-1]["result"] == 5
    assert (await parent.call("children"))[-1]["result"] == ["c1"]


async def test_60_http_reaches_the_child_without_the_marker(protocol: Server, name):
    status, answer = await protocol.get(f"/agents/parent/{name}/sub/child/c%201/deep/er?q=1")
    assert status == 200
    assert answer["child"] == "c 1"
    assert answer["url"].endswith("/deep/er?q=1")


@pytest.mark.parametrize(("child", "code"), [("forbidden", 4403), ("broken", 1011)])
async def test_61_a_refused_sub_agent(raw, name, child, code):
    socket = await raw("parent", f"{name}/sub/child/{child}")
    assert (await socket.closing()).code == code


async def test_62_an_unknown_sub_agent_is_the_parent(raw, name, protocol: Server):
    socket = await raw("parent", f"{name}/sub/unknown/x")
    assert (await socket.fence())[0]["agent"] == "parent"
    assert (await protocol.get(f"/agents/parent/{name}/sub/unknown/x")) == (200, "the parent")


async def test_63_deleting_a_sub_agent_closes_its_clients(raw, name):
    parent = await raw("parent", name)
    child = await raw("parent", f"{name}/sub/child/c1")
    nested = await raw("parent", f"{name}/sub/child/c1/sub/child/c2")
    assert (await nested.fence())[-3]["name"] == "c2"
    await child.call("bump")
    assert (await parent.call("forget", "c1"))[-1]["result"] == "forgot c1"
    for socket in (child, nested):
        end = await socket.closing()
        assert (end.code, end.reason) == (1001, "Sub-agent deleted")
    again = await raw("parent", f"{name}/sub/child/c1")
    assert {"type": "cf_agent_state", "state": {"n": 0}} in await again.fence()
