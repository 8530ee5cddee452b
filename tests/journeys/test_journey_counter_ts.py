"""counter_ts with AgentClient: state in every tab, calls, a streaming call, and all of it after the agent was forgotten or killed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from harness import npm
from harness.node import Node, NodeError
from harness.server import SAMPLES, Server, serving
from harness.wire import wire_to


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with serving(SAMPLES / "counter_ts", tmp_path_factory.mktemp("counter_ts"), modules=npm.sample_modules()) as server:
        yield server


@pytest.fixture
def counter(node: Node, server: Server, name: str):
    return lambda host=None: node.client(host or server.host, "Counter", name)


async def test_every_tab_hears_the_state(counter, name):
    async with counter() as one, counter() as two:
        assert await one.ready() == {"name": name, "agent": "counter", "state": {"count": 0}}
        await two.ready()
        await one.use("setState", {"count": 5})
        assert (await two.seen("state", 2))[-1] == {"kind": "state", "state": {"count": 5}, "source": "server"}
        assert await two.call("add", -2) == 3
        assert (await one.seen("state", 3))[-1]["state"] == {"count": 3}


async def test_a_refused_state(counter):
    async with counter() as one, counter() as two:
        await one.ready(), await two.ready()
        await one.use("setState", {"count": -1})
        assert (await one.seen("state_error"))[0]["error"] == "State update rejected"
        with pytest.raises(NodeError, match="a counter does not go below zero"):
            await one.call("add", -1)
        assert await two.call("add", 1) == 1, "the agent never took the refused state"


@pytest.mark.parametrize(("method", "message"), [("nope", "Method nope does not exist"), ("onRequest", "Method onRequest is not callable")])
async def test_what_cannot_be_called(counter, method, message):
    async with counter() as client:
        with pytest.raises(NodeError, match=f"^{message}$"):
            await client.call(method)


async def test_a_stream_beside_other_calls(counter):
    async with counter() as client:
        await client.call("add", 3)
        await client.use("begin", "slow", "countDown", [])
        assert await client.call("add", 1) == 4, "a call does not wait for the stream"
        assert await client.stream("countDown") == ([4, 3, 2, 1], "lift-off")


@pytest.mark.parametrize("blow", ["hibernate", "abort", "crash"])
async def test_the_state_outlives_the_instance_and_the_sockets_do_too(server: Server, counter, name, blow):
    async with counter() as one, counter() as two:
        await one.ready(), await two.ready()
        await one.call("add", 7)
        await two.seen("state", 2)
        if blow == "crash":
            await server.crash_host("node")
        else:
            await server.control("POST", f"objects/Counter/{name}/{blow}")
        if blow == "abort":  # an aborted object drops its clients, and they come back
            await one.seen("open", 2), await two.seen("open", 2)
            await one.ready(), await two.ready()
        assert await one.call("add", 1) == 8
        states = [event["state"] for event in await two.seen("state", 3)]
        assert states[-1] == {"count": 8}


async def test_a_lost_network(server: Server, counter):
    async with wire_to(server.host) as wire, counter(wire.host) as client:
        await client.call("add", 2)
        wire.cut()
        await client.seen("open", 2)
        assert (await client.ready())["state"] == {"count": 2}
        assert await client.call("add", 1) == 3


async def test_http_sees_the_same_state(server: Server, counter, name):
    async with counter() as client:
        await client.call("add", 4)
        assert await server.get(f"/agents/counter/{name}") == (200, {"count": 4})
