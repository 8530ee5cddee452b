"""chat_ts with the transport of useAgentChat and raw frames: streams, tools, consent, reminders, and all that may die meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from harness import chat, npm
from harness.chat import Listener, chunk, done, kinds, resume, submit, user
from harness.frames import RawSocket, connect, is_type
from harness.node import Node, NpmTab
from harness.page import spoken_by_recording
from harness.server import SAMPLES, Server, serving
from harness.waiting import eventually
from harness.wire import wire_to

ANSWER = spoken_by_recording("chat_ts", "00-binding.run-glm-4.7-flash-any")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    arguments = ("--ai", "replay", "--ai-speed", "4x")
    async with serving(SAMPLES / "chat_ts", tmp_path_factory.mktemp("chat_ts"), *arguments, modules=npm.sample_modules()) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def tab(node: Node, server: Server, name: str) -> AsyncIterator[NpmTab]:
    async with node.tab(server.host, "Chat", name) as tab:
        await tab.ready()
        yield tab


@pytest.fixture
def raw(session, server: Server, name: str):
    async def open_socket(**query: str) -> RawSocket:
        return await connect(session, server.origin, f"/agents/chat/{name}", **query)

    return open_socket


@pytest.fixture
def put_to_sleep(server: Server, name: str):
    async def forget() -> None:
        assert (await server.control("POST", f"objects/Chat/{name}/hibernate"))["evicted"]

    return forget


def text_of(message: dict) -> str:
    return "".join(part.get("text", "") for part in message["parts"])


def call_in(message: dict) -> dict:
    """The tool call of a message."""
    (part,) = [part for part in message["parts"] if part["type"].startswith("tool-")]
    return part


async def asked(tab: NpmTab, question: str) -> dict:
    """The tool call that the answer to `question` ends with; the tab then shows what is stored."""
    await tab.say("turn", question)
    answer = await tab.turn("turn")
    assert answer["failure"] is None
    return call_in((await tab.history())[-1])


async def test_a_turn_as_two_tabs_see_it(raw):
    a, b = await raw(_pk="A"), await raw(_pk="B")
    await a.send(submit("req1", [user("Tell me about yourself", "u1")]))
    seen_by_a = await a.until(done("req1"))
    answer = Listener("req1").hear(seen_by_a)
    assert (answer.text, answer.whole) == (ANSWER, True)
    assert seen_by_a[-1]["messageIds"] == ["u1"]
    assert chat.MESSAGES not in kinds(seen_by_a)
    seen_by_b = await b.until(done("req1"))
    assert kinds(seen_by_b).count(chat.MESSAGES) == 3
    assert kinds(seen_by_b)[-2:] == [chat.MESSAGES, "done"]
    assert text_of(seen_by_b[-2]["messages"][-1]) == ANSWER


async def test_a_tool_of_the_agent(tab):
    await tab.say("turn", "What does the moon look like?")
    answer = await tab.turn("turn")
    assert answer["text"].startswith("That is the phase of today")
    assert answer["kinds"].index("tool-output-available") < answer["kinds"].index("text-start")
    question, stored = await tab.history()
    call = call_in(stored)
    assert (call["type"], call["state"]) == ("tool-moonPhase", "output-available")
    assert 0 <= call["output"]["lit"] <= 100
    assert question["role"] == "user"


async def test_a_tool_of_the_browser(tab, raw):
    other = await raw()
    call = await asked(tab, "Where am I?")
    assert (call["type"], call["state"]) == ("tool-whereAmI", "input-available")
    await other.until(lambda frame: is_type(frame, chat.RESPONSE) and frame["done"])
    await tab.use("toolResult", "rest", call["toolCallId"], "whereAmI", {"timeZone": "Europe/Vienna", "language": "de"})
    assert (await tab.turn("rest"))["text"].startswith("Your browser told me")
    heard = await other.until(lambda frame: is_type(frame, chat.RESPONSE) and frame["done"])
    assert kinds(heard)[0] == "cf_agent_message_updated"
    assert all(frame["continuation"] for frame in heard if is_type(frame, chat.RESPONSE))
    stored = await tab.history()
    assert [message["role"] for message in stored] == ["user", "assistant"], "the agent went on in the same message"
    assert call_in(stored[-1])["output"] == {"timeZone": "Europe/Vienna", "language": "de"}
    assert text_of(stored[-1]).startswith("Your browser told me")


async def test_the_first_result_of_a_tool_counts(tab):
    call = await asked(tab, "Where am I?")
    await tab.use("toolResult", "rest", call["toolCallId"], "whereAmI", {"timeZone": "UTC", "language": "en"})
    await tab.turn("rest")
    await tab.use("toolResult", "again", call["toolCallId"], "whereAmI", {"timeZone": "late", "language": "late"})
    assert call_in((await tab.history())[-1])["output"] == {"timeZone": "UTC", "language": "en"}


@pytest.mark.parametrize(
    ("allowed", "state", "said", "sent"),
    [
        (True, "output-available", "The postcard to Ada is on its way.", [{"to": "Ada", "text": "The sky is clear tonight."}]),
        (False, "output-denied", "Then I keep the postcard in the drawer.", []),
    ],
)
async def test_consent(tab, allowed, state, said, sent):
    call = await asked(tab, "Send a postcard to Ada")
    assert call["state"] == "approval-requested"
    assert (await tab.state())["postcards"] == []
    await tab.use("approve", "rest", call["toolCallId"], allowed)
    assert (await tab.turn("rest"))["text"] == said
    assert call_in((await tab.history())[-1])["state"] == state
    assert (await tab.state())["postcards"] == sent


async def test_consent_is_waited_for_by_an_object_that_sleeps(node: Node, server: Server, tab, name, put_to_sleep):
    call = await asked(tab, "Send a postcard to Ada")
    await put_to_sleep()
    async with node.tab(server.host, "Chat", name) as other:
        await other.ready()
        assert call_in((await other.history())[-1]) == call
        await put_to_sleep()
        await other.use("approve", "rest", call["toolCallId"], True)
        assert (await other.turn("rest"))["text"] == "The postcard to Ada is on its way."
        assert len((await other.state())["postcards"]) == 1


async def test_a_reminder_rings_in_every_tab(node: Node, server: Server, tab, name):
    async with node.tab(server.host, "Chat", name) as other:
        await other.ready()
        await tab.say("turn", "Remind me of my tea")
        assert (await tab.turn("turn"))["text"].startswith("I shall ring")
        for one in (tab, other):
            first, planned, rung = (event["state"]["reminders"] for event in await one.seen("state", 3))
            assert first == []
            assert [(reminder["about"], reminder["rung"]) for reminder in (*planned, *rung)] == [("tea", False), ("tea", True)]


async def test_a_reminder_rings_while_nobody_is_there_and_the_object_sleeps(node: Node, server: Server, name, put_to_sleep):
    async with node.tab(server.host, "Chat", name) as tab:
        await tab.say("turn", "Remind me of my tea")
        await tab.turn("turn")
    await put_to_sleep()
    await no_alarm_left(server, name)
    async with node.tab(server.host, "Chat", name) as tab:
        assert [reminder["rung"] for reminder in (await tab.ready())["state"]["reminders"]] == [True]


async def test_a_forgotten_reminder_does_not_ring(server: Server, tab, name):
    await tab.say("turn", "Remind me of my tea")
    await tab.turn("turn")
    await tab.say("forget", "Forget my tea")
    assert (await tab.turn("forget"))["text"] == "Forgotten."
    assert (await tab.state())["reminders"] == []
    await no_alarm_left(server, name)


async def no_alarm_left(server: Server, name: str) -> None:
    async def quiet() -> bool:
        return not any(row["name"] == name for row in (await server.control("GET", "alarms"))["alarms"])

    await eventually(quiet)


@pytest.mark.parametrize("heard", [0, 1, 40])
async def test_a_lost_network_in_mid_answer(node: Node, server: Server, name, heard):
    async with wire_to(server.host) as wire, node.tab(wire.host, "Chat", name) as tab:
        await tab.say("turn", "Tell me about yourself")
        await tab.seen("chunk", 3 + heard)
        assert wire.cut() == 1
        cut = await tab.turn("turn")
        assert cut["failure"] == "WebSocket closed mid-stream"
        assert ANSWER.startswith(cut["text"]) and cut["text"] != ANSWER
        await tab.seen("open", 2)
        assert await tab.resume("rest")
        assert (await tab.turn("rest"))["text"] == ANSWER
        assert [message["role"] for message in await tab.history()] == ["user", "assistant"]


async def test_a_page_that_is_opened_in_mid_answer_takes_it_up(node: Node, server: Server, tab, name):
    await tab.say("turn", "Tell me about yourself")
    await tab.seen("chunk", 20)
    async with node.tab(server.host, "Chat", name) as page:
        await page.ready()
        assert await page.resume("rest")
        assert (await page.turn("rest"))["text"] == ANSWER
    assert (await tab.turn("turn"))["text"] == ANSWER


async def test_the_turn_goes_on_while_nobody_listens(node: Node, server: Server, name):
    async with node.tab(server.host, "Chat", name) as tab:
        await tab.say("turn", "Tell me about yourself")
        await tab.seen("chunk", 10)

    async def whole() -> list[dict]:
        _, messages = await server.get(f"/agents/chat/{name}/get-messages")
        return messages if len(messages) == 2 else []

    assert [text_of(message) for message in await eventually(whole)] == ["Tell me about yourself", ANSWER]


async def test_stop_keeps_what_was_said(tab):
    await tab.say("turn", "Tell me about yourself")
    await tab.seen("chunk", 10)
    assert await tab.use("stop")

    async def answered() -> list[dict]:
        history = await tab.history()
        return history if len(history) == 2 else []

    partial = text_of((await eventually(answered))[-1])
    assert 0 < len(partial) < len(ANSWER) and ANSWER.startswith(partial)


async def test_a_conversation_over_many_sleeps(tab, put_to_sleep):
    for turn in range(3):
        await tab.say(f"turn {turn}", "Hello")
        assert (await tab.turn(f"turn {turn}"))["text"].startswith("Hello! Ask me")
        await tab.history()
        await put_to_sleep()
    assert len(await tab.history()) == 6
    assert await tab.seen("open") == await tab.seen("open", 1), "the socket was never lost"
    assert len(await tab.use("happened")) > 0


@pytest.mark.parametrize("blow", ["abort", "crash"])
async def test_an_answer_that_is_cut_is_taken_up_by_the_agent_itself(server: Server, raw, name, blow):
    """The SDK recovers an interrupted turn: it goes on from what was stored, under another request. A crash keeps the socket."""
    a = await raw(_pk="A")
    await a.send(submit("req1", [user("Tell me about yourself", "u1")]))
    await a.until(lambda frame: (chunk(frame) or {}).get("type") == "text-delta" and frame["seq"] > 30)
    if blow == "crash":
        await server.crash_host("node")
    else:
        await server.control("POST", f"objects/Chat/{name}/abort")
        await a.closing()
        a = await raw(_pk="A")

    async def recovered() -> list[dict]:
        _, messages = await server.get(f"/agents/chat/{name}/get-messages")
        return messages if len(messages) == 2 and text_of(messages[-1]).endswith(ANSWER) else []

    question, answer = await eventually(recovered)
    before = text_of(answer).removesuffix(ANSWER)
    assert ANSWER.startswith(before) and question["id"] == "u1"
    assert (await resume(await raw(_pk="B")))[0] is None
    await a.send(submit("req2", [question, answer, user("Hello", "u2")]))
    assert Listener("req2").hear(await a.until(done("req2"))).text.startswith("Hello! Ask me")


async def taken_up(server: Server, name: str) -> str:
    """What had been said before the agent took its answer up again, once it is whole."""

    async def recovered() -> list[dict]:
        _, messages = await server.get(f"/agents/chat/{name}/get-messages")
        return messages if len(messages) == 2 and text_of(messages[-1]).endswith(ANSWER) else []

    return text_of((await eventually(recovered))[-1]).removesuffix(ANSWER)


@pytest.mark.parametrize("on_crash", ["keep", "close"])
async def test_a_page_while_the_agents_process_crashes(node: Node, tmp_path, name, on_crash):
    """With its socket kept the transport waits for the end of a request that has none, as it would on any silent server, until Stop.
    Without, as in production, its turn ends as one that was cut, and connecting again wakes the agent. It goes on in both cases."""
    arguments = ("--ai", "replay", "--ai-speed", "1x", "--reload", on_crash)
    async with (
        serving(SAMPLES / "chat_ts", tmp_path, *arguments, modules=npm.sample_modules()) as server,
        node.tab(server.host, "Chat", name) as tab,
    ):
        await tab.say("turn", "Tell me about yourself")
        await tab.seen("chunk", 5)
        await server.crash_host("node")
        if on_crash == "close":
            assert (await tab.turn("turn"))["failure"] == "WebSocket closed mid-stream"
            await tab.seen("open", 2)
        assert ANSWER.startswith(await taken_up(server, name))
        if on_crash == "keep":
            assert await tab.use("stop")
            assert (await tab.turn("turn"))["text"] != ANSWER
            assert len(await tab.seen("open")) == 1
        await tab.history()
        await tab.say("again", "Hello")
        assert (await tab.turn("again"))["text"].startswith("Hello! Ask me")


async def test_a_killed_gateway_comes_back_with_the_conversation(node: Node, tmp_path, name):
    arguments = ("--ai", "replay", "--ai-speed", "instant")
    async with (
        serving(SAMPLES / "chat_ts", tmp_path, *arguments, modules=npm.sample_modules()) as server,
        node.tab(server.host, "Chat", name) as tab,
    ):
        await tab.say("turn", "Remind me of my tea")
        await tab.turn("turn")
        await server.kill()
        await tab.seen("close")
        await server.restart()
        await no_alarm_left(server, name)
        await tab.seen("open", 2)
        assert (await tab.ready())["state"]["reminders"][0]["rung"]
        await tab.history()
        await tab.say("again", "Hello")
        assert (await tab.turn("again"))["text"].startswith("Hello! Ask me")


async def test_a_save_gives_the_next_turn_the_new_code_on_the_same_socket(server: Server, tab):
    source = server.folder / "src" / "index.ts"
    before = source.read_text("utf-8")
    await tab.say("before", "Hello")
    await tab.turn("before")
    try:
        source.write_text(before.replace('"Not found"', '"Nowhere"'), "utf-8")

        async def swapped() -> bool:
            return (await server.get("/agents"))[1] == "Nowhere"

        await eventually(swapped)
        await tab.history()
        await tab.say("after", "Hello")
        assert (await tab.turn("after"))["text"].startswith("Hello! Ask me")
        assert len(await tab.seen("open")) == 1
    finally:
        source.write_text(before, "utf-8")
