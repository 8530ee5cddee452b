"""Scenarios 37 to 58: turns, tabs, resuming, cancelling, queueing, with raw frames."""

from __future__ import annotations

import json

import pytest
import pytest_asyncio
from harness import chat
from harness.chat import Listener, chunk, done, kinds, resume, submit, user
from harness.frames import is_type

TURN = ["start", "start-step", "text-start", "text-delta", "text-delta", "text-end", "finish-step", "finish"]


@pytest_asyncio.fixture(loop_scope="session")
async def tabs(raw, name):
    """Two tabs of one conversation; what they were sent on connect has been read."""
    a, b = await raw("chat", name, _pk="A"), await raw("chat", name, _pk="B")
    await a.fence(), await b.fence()
    return a, b


@pytest.fixture
def release(protocol, name):
    async def permit(n: int, agent: str = "chat") -> None:
        await protocol.request("POST", f"/agents/{agent}/{name}/release?n={n}")

    return permit


@pytest.fixture
def stored(protocol, name):
    async def history(agent: str = "chat") -> list[dict]:
        status, messages = await protocol.get(f"/agents/{agent}/{name}/get-messages")
        assert status == 200
        return messages

    return history


def text_of(message: dict) -> str:
    return "".join(part.get("text", "") for part in message["parts"])


async def test_37_an_idle_chat_has_nothing_to_resume(raw, name):
    a = await raw("chat", name)
    assert [frame["type"] for frame in await a.fence()] == ["cf_agent_identity", "cf_agent_mcp_servers"]
    await a.send(chat.ask_for_stream("p1"))
    assert await a.receive() == {"type": "cf_agent_stream_resume_none", "reason": "idle", "probeId": "p1"}


async def test_38_a_turn_as_two_tabs_see_it(tabs, stored):
    a, b = tabs
    question = user("hello", "u1")
    await a.send(submit("req1", [question], k=2))
    seen_by_a = await a.until(done("req1"))
    seen_by_b = await b.until(done("req1"))
    assert kinds(seen_by_a) == [*TURN, "done"]
    assert kinds(seen_by_b) == [chat.MESSAGES, chat.MESSAGES, *TURN, chat.MESSAGES, "done"]
    assert [frame["seq"] for frame in seen_by_a[:-1]] == list(range(len(TURN)))
    first, last = chunk(seen_by_a[0]), chunk(seen_by_a[-2])
    assert first["messageId"].startswith("assistant_")
    assert last == {"type": "finish", "messageMetadata": {"finishReason": "stop"}}
    assert seen_by_a[-1] == {"type": chat.RESPONSE, "id": "req1", "body": "", "done": True, "messageIds": ["u1"]}
    assert [frame["messages"] for frame in seen_by_b[:2]] == [[question], [question]]
    assert seen_by_b[-2]["messages"] == await stored()
    assert [(m["id"], m["role"], text_of(m)) for m in await stored()] == [
        ("u1", "user", "hello"),
        (first["messageId"], "assistant", "d0 d1 "),
    ]
    assert await a.fence() == []


async def test_39_plain_text_becomes_one_text_part(tabs):
    a, b = tabs
    await a.send(submit("req1", [user("hello")], script="text", k=2))
    seen = await a.until(done("req1"))
    assert kinds(seen) == ["start", "text-start", "text-delta", "text-delta", "text-end", "finish", "done"]
    assert {chunk(frame)["id"] for frame in seen[1:5]} == {"req1"}
    assert kinds(await b.until(done("req1")))[-2:] == [chat.MESSAGES, "done"]


async def test_40_a_turn_without_an_answer(tabs):
    a, _ = tabs
    await a.send(submit("req1", [user("hello", "u1")], script="nothing"))
    assert await a.until(done("req1")) == [{"type": chat.RESPONSE, "id": "req1", "body": "", "done": True, "messageIds": ["u1"]}]
    await a.send(submit("req2", [user("hello", "u2")], script="throw"))
    (failure,) = await a.until(done("req2"))
    assert (failure["error"], failure["body"], failure["messageIds"]) == (True, "no model today", ["u2"])


async def test_41_42_an_error_chunk_ends_the_turn_and_is_told_to_who_returns(tabs, raw, name):
    a, b = tabs
    await a.send(submit("req1", [user("hello", "u1")], script="error", k=1))
    seen = await a.until(done("req1"))
    assert kinds(seen)[-3:] == ["finish-step", "error", "done"]
    assert seen[-2] == {
        "type": chat.RESPONSE,
        "id": "req1",
        "error": True,
        "body": "the model gave up",
        "done": False,
        "messageIds": ["u1"],
    }
    assert seen[-1]["outcome"] == "error"
    assert kinds(await b.until(done("req1")))[-3:] == [chat.MESSAGES, "error", "done"]
    await a.fence(), await b.fence()

    c = await raw("chat", name)
    id, _ = await resume(c, "p1")
    assert id == "req1"
    replay = await c.until(done("req1"))
    assert kinds(replay) == ["start", "start-step", "text-start", "text-delta", "text-end", "finish-step", "error"]
    assert all(frame["replay"] for frame in replay[:-1])
    assert (replay[-1]["body"], replay[-1]["error"], "replay" in replay[-1]) == ("the model gave up", True, False)


async def test_43_a_tab_that_joins_in_mid_answer_gets_the_past_once_and_then_the_present(tabs, raw, name, release):
    a, _ = tabs
    await a.send(submit("req1", [user("hello")], k=4, gated=True))
    await release(2)
    heard_by_a = Listener("req1").hear(await a.until(lambda frame: (chunk(frame) or {}).get("delta") == "d1 "))

    c = await raw("chat", name, _pk="C")
    assert kinds(await c.fence()) == ["cf_agent_identity", "cf_agent_mcp_servers", chat.RESUMING]
    await release(1)
    heard_by_a.hear(await a.until(lambda frame: (chunk(frame) or {}).get("delta") == "d2 "))
    assert await c.fence() == [], "nothing before the acknowledgement"
    id, _ = await resume(c, "p2")
    assert id == "req1"
    replay = await c.until(lambda frame: is_type(frame, chat.RESPONSE) and frame.get("replayComplete"))
    assert kinds(replay) == ["start", "start-step", "text-start", "text-delta", "text-delta", "text-delta", "replayed"]
    await release(2)
    live = await c.until(done("req1"))
    heard_by_a.hear(await a.until(done("req1")))
    heard_by_c = Listener("req1").hear([*replay, *live])
    assert heard_by_c.text == heard_by_a.text == "d0 d1 d2 d3 "
    assert heard_by_c.whole and not heard_by_c.twice
    assert kinds(live)[-2:] == [chat.MESSAGES, "done"]


async def test_44_the_sender_returns_with_its_id(tabs, raw, name, release):
    a, _ = tabs
    await a.send(submit("req1", [user("hello")], k=3, gated=True))
    await release(1)
    await a.until(lambda frame: (chunk(frame) or {}).get("delta") == "d0 ")
    a.reset()
    again = await raw("chat", name, _pk="A")
    await again.fence()
    await resume(again)
    replay = await again.until(lambda frame: is_type(frame, chat.RESPONSE) and frame.get("replayComplete"))
    await release(3)
    live = await again.until(done("req1"))
    heard = Listener("req1").hear([*replay, *live])
    assert (heard.text, heard.whole, heard.twice) == ("d0 d1 d2 ", True, [])
    assert chat.MESSAGES not in kinds(live), "the sender of a turn is known by its id, also after a reconnect"


async def test_45_the_sender_returns_after_the_end(tabs, raw, name, stored, protocol, release):
    a, b = tabs
    await a.send(submit("req1", [user("hello")], k=2, gated=True))
    await a.until(lambda frame: (chunk(frame) or {}).get("type") == "text-start")
    await a.close()
    await release(3)
    await b.until(done("req1"))
    again = await raw("chat", name, _pk="A")
    assert kinds(await again.fence()) == ["cf_agent_identity", "cf_agent_mcp_servers"]
    assert await resume(again, "p") == (None, [{"type": chat.RESUME_NONE, "reason": "idle", "probeId": "p"}])
    assert [text_of(message) for message in await stored()] == ["hello", "d0 d1 "]


async def test_46_a_late_or_unknown_acknowledgement_gets_an_end(tabs):
    a, _ = tabs
    await a.send(submit("req1", [user("hello", "u1")], k=1))
    await a.until(done("req1"))
    await a.send(chat.take_stream("req1"))
    assert await a.receive() == {"type": chat.RESPONSE, "id": "req1", "body": "", "done": True, "replay": True, "messageIds": ["u1"]}
    await a.send(chat.take_stream("nobody"))
    assert await a.receive() == {"type": chat.RESPONSE, "id": "nobody", "body": "", "done": True, "replay": True}


async def test_47_a_tab_that_joins_before_the_turn_streams_waits_for_it(raw, name, release):
    """cf-agents opens the stream with the turn, so only a turn that waits for its slot is `pending`: here behind a debounce."""
    a = await raw("patient-chat", name)
    await a.fence()
    await a.send(submit("req1", [user("one", "u1")], k=1, gated=True))
    await a.until(lambda frame: (chunk(frame) or {}).get("type") == "text-start")
    await a.send(submit("req2", [user("one", "u1"), user("two", "u2")], k=1))
    await release(2, "patient-chat")
    await a.until(done("req1"))
    c = await raw("patient-chat", name)
    assert {"type": chat.PENDING, "id": "req2"} in await c.fence()
    await c.send(chat.ask_for_stream("p1"))
    assert await c.receive() == {"type": chat.PENDING, "id": "req2", "probeId": "p1"}
    frames = await c.until(lambda frame: is_type(frame, chat.RESUMING))
    assert frames[-1] == {"type": chat.RESUMING, "id": "req2"}
    await c.send(chat.take_stream("req2"))
    assert Listener("req2").hear(await c.until(done("req2"))).text in ("d0 ", "")


async def test_48_a_tab_that_never_acknowledges_gets_the_end_only(tabs, raw, name, release):
    a, _ = tabs
    await a.send(submit("req1", [user("hello")], k=2, gated=True))
    await a.until(lambda frame: (chunk(frame) or {}).get("type") == "text-start")
    c = await raw("chat", name)
    await c.fence()
    await release(3)
    await a.until(done("req1"))
    assert kinds(await c.until(done("req1"))) == [chat.MESSAGES, "done"]


async def test_49_a_cancelled_turn_keeps_what_was_said(tabs, release, stored):
    a, b = tabs
    await a.send(submit("req1", [user("hello")], k=3, gated=True))
    await release(1)
    await a.until(lambda frame: (chunk(frame) or {}).get("delta") == "d0 ")
    await a.send(chat.cancel("req1"))
    end = (await a.until(done("req1")))[-1]
    assert end["outcome"] == "aborted"
    seen_by_b = await b.until(done("req1"))
    assert kinds(seen_by_b)[-2:] == [chat.MESSAGES, "done"]
    assert [text_of(message) for message in await stored()] == ["hello", "d0 "]
    await a.send(chat.cancel("nobody"))
    assert await a.fence() == []


async def test_50_two_submits_run_one_after_the_other(tabs, release):
    a, b = tabs
    one, two = user("one", "u1"), user("two", "u2")
    await a.send(submit("req1", [one], k=1, gated=True))
    await a.send(submit("req2", [one, two], k=1, gated=True))
    heard = await b.until(lambda frame: is_type(frame, chat.MESSAGES) and len(frame["messages"]) == 2)
    assert "done" not in kinds(heard), "both histories are told before the first turn ends"
    await release(4)
    seen = await a.until(done("req2"))
    ids = [frame["id"] for frame in seen]
    assert ids == sorted(ids), "turn 2 starts after the end of turn 1"
    assert kinds(seen).count("done") == 2


async def test_51_the_drop_policy_refuses_the_second_submit(raw, name, release):
    a, b = await raw("drop-chat", name), await raw("drop-chat", name)
    await a.fence(), await b.fence()
    await a.send(submit("req1", [user("one", "u1")], k=1, gated=True))
    await a.until(lambda frame: (chunk(frame) or {}).get("type") == "text-start")
    await b.send(submit("req2", [user("one", "u1"), user("two", "u2")], k=1))
    seen = await b.until(done("req2"))
    assert kinds(seen)[-2:] == [chat.MESSAGES, "done"]
    assert seen[-1]["outcome"] == "skipped"
    assert "u2" not in [message["id"] for message in seen[-2]["messages"]]
    assert await a.fence() == []
    await release(2, "drop-chat")
    await a.until(done("req1"))


async def test_52_the_latest_policy_skips_what_was_overtaken(raw, name, release):
    a = await raw("latest-chat", name)
    await a.fence()
    said = [user(f"m{n}", f"u{n}") for n in range(3)]
    for n in range(3):
        await a.send(submit(f"req{n}", said[: n + 1], k=1, gated=n == 0))
    await a.until(lambda frame: (chunk(frame) or {}).get("type") == "text-start")
    await release(2, "latest-chat")
    ends = {}
    while len(ends) < 3:
        frame = await a.receive()
        if is_type(frame, chat.RESPONSE) and frame["done"]:
            ends[frame["id"]] = frame.get("outcome", "completed")
    assert ends == {"req0": "completed", "req1": "skipped", "req2": "completed"}


async def test_53_regenerating_replaces_the_answer(tabs, stored):
    a, _ = tabs
    question = user("hello", "u1")
    await a.send(submit("req1", [question], k=1))
    await a.until(done("req1"))
    first = (await stored())[-1]["id"]
    await a.send(submit("req2", [question], trigger="regenerate-message", k=2))
    await a.until(done("req2"))
    assert [(m["role"], text_of(m)) for m in await stored()] == [("user", "hello"), ("assistant", "d0 d1 ")]
    assert (await stored())[-1]["id"] != first


async def test_54_clearing_is_told_to_the_others(tabs, stored):
    a, b = tabs
    await a.send(submit("req1", [user("hello")], k=1))
    await a.until(done("req1")), await b.until(done("req1"))
    await a.send({"type": chat.CLEAR})
    assert await a.fence() == []
    assert await b.fence() == [{"type": chat.CLEAR}]
    assert await stored() == []


async def test_58_a_turn_that_the_server_starts(tabs, stored):
    a, b = tabs
    frames = await a.call("ask", "are you there?")
    assert kinds(frames)[0] == chat.MESSAGES
    assert kinds(frames)[-3:] == [chat.MESSAGES, "done", "rpc"]
    assert frames[-1]["result"] == "completed"
    assert kinds(await b.fence()) == kinds(frames[:-1])
    assert "messageIds" not in frames[-2]
    assert [text_of(message) for message in await stored()] == ["are you there?", "d0 d1 d2 "]


async def test_a_chat_request_that_is_no_post_reaches_nobody(tabs):
    a, _ = tabs
    frame = submit("req1", [user("hello")])
    await a.send({**frame, "init": {**frame["init"], "method": "GET"}})
    await a.send({**frame, "init": {"method": "POST", "body": json.dumps({"messages": "none"})}})
    assert await a.fence() == []
