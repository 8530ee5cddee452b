"""Chat with the transport of useAgentChat (`agents/chat/transport`) and the AI SDK's own folding of its stream."""

from __future__ import annotations

import pytest
from harness.node import Node
from harness.server import Server
from harness.waiting import eventually
from harness.wire import wire_to

TEXT = "d0 d1 d2 d3 "


@pytest.fixture
def release(protocol, name):
    async def permit(n: int) -> None:
        await protocol.request("POST", f"/agents/chat/{name}/release?n={n}")

    return permit


async def test_two_turns(node: Node, protocol: Server, name):
    async with node.tab(protocol.host, "Chat", name) as tab:
        for turn in ("first", "second"):
            await tab.say(turn, f"the {turn} question", k=4)
            answer = await tab.turn(turn)
            assert (answer["text"], answer["failure"]) == (TEXT, None)
            assert answer["kinds"][0] == "start" and answer["kinds"][-1] == "finish"
            stored = await tab.history()
            assert stored[-1]["id"] == answer["id"]
        assert [message["role"] for message in stored] == ["user", "assistant", "user", "assistant"]


async def test_the_other_tab_is_kept_up_to_date(node: Node, protocol: Server, name):
    async with node.tab(protocol.host, "Chat", name) as a, node.tab(protocol.host, "Chat", name) as b:
        await a.ready(), await b.ready()
        await a.say("turn", "hello", k=4)
        await a.turn("turn")
        assert await b.history() == await a.history()


async def test_stop(node: Node, protocol: Server, name, release):
    async with node.tab(protocol.host, "Chat", name) as tab:
        await tab.say("turn", "hello", k=4, gated=True)
        await release(2)
        await tab.seen("chunk", 5)
        assert await tab.use("stop")

        async def answered() -> list[dict]:
            history = await tab.history()
            return history if len(history) == 2 else []

        stored = await eventually(answered)
        assert stored[-1]["parts"][-1]["text"] == "d0 d1 "


async def test_a_page_that_is_opened_in_mid_answer_takes_it_up(node: Node, protocol: Server, name, release):
    async with node.tab(protocol.host, "Chat", name) as a:
        await a.say("turn", "hello", k=4, gated=True)
        await release(2)
        await a.seen("chunk", 5)
        async with node.tab(protocol.host, "Chat", name) as page:
            await page.ready()
            assert await page.resume("rest")
            await release(3)
            assert (await page.turn("rest"))["text"] == TEXT
        assert (await a.turn("turn"))["text"] == TEXT


async def test_nothing_to_take_up(node: Node, protocol: Server, name):
    async with node.tab(protocol.host, "Chat", name) as tab:
        await tab.ready()
        assert await tab.resume("rest") is False


@pytest.mark.parametrize("heard", range(5))
async def test_a_lost_network_in_mid_answer(node: Node, protocol: Server, name, release, heard):
    """The socket is reset after `heard` pieces; AgentClient reconnects, the transport takes the stream up again from its start."""
    async with wire_to(protocol.host) as wire, node.tab(wire.host, "Chat", name) as tab:
        await tab.say("turn", "hello", k=4, gated=True)
        await release(heard)
        await tab.seen("chunk", 3 + heard)
        assert wire.cut() == 1
        cut = await tab.turn("turn")
        assert cut["failure"] == "WebSocket closed mid-stream"
        assert cut["text"] == TEXT[: 3 * heard]
        await tab.seen("open", 2)
        assert await tab.resume("rest")
        await release(5 - heard)
        rest = await tab.turn("rest")
        assert (rest["text"], rest["failure"]) == (TEXT, None)
        assert [message["role"] for message in await tab.history()] == ["user", "assistant"]


async def test_a_call_in_flight_is_rejected_and_a_queued_one_survives(node: Node, protocol: Server, name):
    async with wire_to(protocol.host) as wire, node.client(wire.host, "Counter", name) as client:
        await client.ready()
        await client.use("begin", "slow", "wait", [])
        await client.call("add", 1, 1)
        wire.cut()
        assert await client.use("outcome", "slow") == {"error": "Connection closed"}
        assert await client.call("add", 2, 2) == 4
