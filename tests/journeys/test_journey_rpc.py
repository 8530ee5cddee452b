"""Scenarios 12 to 16 and 26: calls of `@callable` methods, and what a hibernated object remembers."""

from __future__ import annotations

import pytest
from harness.frames import connect
from harness.node import Node, NodeError
from harness.server import PROJECTS, Server, serving
from harness.waiting import eventually


@pytest.fixture
def counter(node: Node, protocol: Server, name):
    return lambda **options: node.client(protocol.host, "Counter", name, **options)


async def test_12_results(counter, raw, name):
    async with counter() as client:
        assert await client.call("add", 1, 2) == 3
        assert await client.use("call", "fence", []) == {"present": False}
    answer = (await (await raw("counter", name)).call("fence"))[-1]
    assert (answer["done"], answer["success"], "result" in answer) == (True, True, False)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("nope", "Method nope does not exist"),
        ("hidden", "Method hidden is not callable"),
        ("set_state", "Method set_state is not callable"),
        ("boom", "boom goes the agent"),
        ("unreadable", "Result is not JSON-serializable: Object of type set is not JSON serializable"),
    ],
)
async def test_13_errors(counter, method, message):
    async with counter() as client:
        with pytest.raises(NodeError, match=f"^{message}$"):
            await client.call(method)


async def test_14_a_stream_of_results(counter):
    async with counter() as client:
        assert await client.stream("stream", 2) == ([0, 1], "fin")


async def test_15_a_stream_that_fails(raw, name):
    a = await raw("counter", name)
    await a.fence()
    chunk, error = await a.call("stream_and_fall")
    assert (chunk["done"], chunk["result"]) == (False, 0)
    assert (error["success"], error["error"]) == (False, "fell")
    assert await a.fence() == []


async def test_16_a_fast_call_overtakes_a_slow_one(counter):
    async with counter() as client:
        await client.ready()
        await client.use("begin", "slow", "wait", [])
        assert await client.call("add", 1, 1) == 2
        await client.call("open")
        assert await client.use("outcome", "slow") == {"result": "waited"}


@pytest.mark.parametrize("verb", ["hibernate", "evict"])
async def test_26_an_object_that_left_memory_is_rebuilt_with_its_sockets(protocol: Server, raw, counter, name, verb):
    a = await raw("counter", name, _pk="me", tags="2")
    async with counter() as client:
        await client.ready()
        before = (await a.call("recall"))[-1]["result"]
        await a.call("remember", "gone after this")
        await a.call("note_on_me", {"deep": [1, None]})
        await client.call("bump")
        await a.fence()
        await protocol.control("POST", f"objects/Counter/{name}/{verb}")
        after = (await a.call("recall"))[-1]
        assert (after["result"]["memory"], after["result"]["starts"]) == (None, before["starts"] + 1)
        assert after["result"]["connections"] == before["connections"], "both sockets stayed open"
        me = (await a.call("about_me"))[-1]["result"]
        assert me == {"id": "me", "tags": ["me", "tag0", "tag1"], "state": {"note": {"deep": [1, None]}}}
        assert await a.fence() == [], "no identity, no state: the client never noticed"
        assert await client.call("bump") == 2


async def test_26_idle_objects_hibernate_by_themselves(tmp_path):
    async with serving(PROJECTS / "protocol", tmp_path, "--idle-ms", "100") as server:
        assert server.session is not None
        a = await connect(server.session, server.origin, "/agents/counter/sleepy")
        assert (await a.call("recall"))[-1]["result"]["starts"] == 1

        async def asleep() -> bool:
            return (await described(server, "Counter", "sleepy"))["state"] == "hibernated"

        await eventually(asleep)
        assert (await a.call("recall"))[-1]["result"]["starts"] == 2


async def described(server: Server, class_name: str, name: str) -> dict:
    (row,) = [row for row in (await server.control("GET", "objects"))["objects"] if (row["class"], row["name"]) == (class_name, name)]
    return row
