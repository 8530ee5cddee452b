"""The samples on several versions of the SDK, with the clients of the same version: what a project that has not updated gets."""

from __future__ import annotations

from harness.node import Node
from harness.wire import wire_to


async def test_counter_ts(serve, node: Node):
    """State, calls, a refused state and a streaming call; the state and the sockets outlive the instance."""
    async with (
        serve("counter_ts") as server,
        node.client(server.host, "Counter", "a") as one,
        node.client(server.host, "Counter", "a") as two,
    ):
        assert await one.ready() == {"name": "a", "agent": "counter", "state": {"count": 0}}
        await two.ready()
        assert await one.call("add", 3) == 3
        assert (await two.seen("state", 2))[-1]["state"] == {"count": 3}
        await two.use("setState", {"count": -1})
        assert (await two.seen("state_error"))[0]["error"] == "State update rejected"
        assert await one.stream("countDown") == ([3, 2, 1], "lift-off")
        assert (await server.control("POST", "objects/Counter/a/hibernate"))["evicted"]
        assert await two.call("add", 1) == 4
        assert (await one.seen("state", 3))[-1]["state"] == {"count": 4}
        assert len(await one.seen("open")) == 1, "the socket was never lost"
        assert await server.get("/agents/counter/a") == (200, {"count": 4})


async def test_chat_ts(serve, node: Node):
    """A streamed turn, one that is resumed after the network was lost, consent that an object waits for in its sleep, a reminder."""
    async with serve("chat_ts", "--ai", "replay", "--ai-speed", "4x") as server, wire_to(server.host) as wire:
        async with node.tab(wire.host, "Chat", "main") as tab:
            await tab.say("whole", "Tell me about yourself")
            whole = await tab.turn("whole")
            assert whole["failure"] is None
            assert whole["kinds"].count("text-delta") > 10
            assert whole["text"].startswith("I am a Durable Object with a few tools")

            await tab.history()
            await tab.say("cut", "Tell me about yourself")
            await tab.seen("chunk", len(whole["kinds"]) + 20)
            assert wire.cut()
            assert (await tab.turn("cut"))["text"] != whole["text"]
            await tab.seen("open", 2)
            assert await tab.resume("rest")
            assert (await tab.turn("rest"))["text"] == whole["text"]
            assert [message["role"] for message in await tab.history()] == ["user", "assistant"] * 2

        async with node.tab(server.host, "Chat", "desk") as tab:
            await tab.say("ask", "Send a postcard to Ada")
            await tab.turn("ask")
            (call,) = [part for part in (await tab.history())[-1]["parts"] if part["type"].startswith("tool-")]
            assert call["state"] == "approval-requested"
            assert (await server.control("POST", "objects/Chat/desk/hibernate"))["evicted"]
            await tab.use("approve", "sent", call["toolCallId"], True)
            assert (await tab.turn("sent"))["text"] == "The postcard to Ada is on its way."
            assert [postcard["to"] for postcard in (await tab.state())["postcards"]] == ["Ada"]
            assert len(await tab.seen("open")) == 1, "the socket was never lost"

        async with node.tab(server.host, "Chat", "bell") as tab:
            await tab.say("remind", "Remind me of my tea")
            assert (await tab.turn("remind"))["text"].startswith("I shall ring")
            rung = [[reminder["rung"] for reminder in event["state"]["reminders"]] for event in await tab.seen("state", 3)]
            assert rung == [[], [False], [True]]
