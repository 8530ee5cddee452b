"""A chat turn as histories of frames (agents-protocol.md 8.3 to 8.6)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from emulator.scenarios.chat_turn import ChatTurn, Ended, ReadTranscript, Send, Step, Text, ToolUse


def turn(history: list[Any] | None = None) -> ChatTurn:
    return ChatTurn("r1", "m1", "p1", "hi", history or [])


def chunk(seq: int | None, body: dict[str, Any], **more: Any) -> dict[str, Any]:
    number = {} if seq is None else {"seq": seq}
    return {"type": "cf_agent_use_chat_response", "id": "r1", "body": json.dumps(body), "done": False, **number, **more}


def delta(seq: int | None, text: str, **more: Any) -> dict[str, Any]:
    return chunk(seq, {"type": "text-delta", "id": "t", "delta": text}, **more)


def done(**more: Any) -> dict[str, Any]:
    return {"type": "cf_agent_use_chat_response", "id": "r1", "body": "", "done": True, **more}


def steps(chat: ChatTurn, *frames: dict[str, Any]) -> list[Step]:
    return [step for frame in frames for step in chat.receive(frame)]


def test_opening_has_the_history_and_the_new_message() -> None:
    frame = turn([{"id": "m0", "role": "user", "parts": []}]).opening()
    assert (frame["type"], frame["id"], frame["init"]["method"]) == ("cf_agent_use_chat_request", "r1", "POST")
    body = json.loads(frame["init"]["body"])
    assert body["trigger"] == "submit-message"
    assert body["messages"] == [
        {"id": "m0", "role": "user", "parts": []},
        {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "hi"}]},
    ]


def test_a_plain_answer() -> None:
    chat = turn()
    found = steps(
        chat,
        {"type": "cf_agent_identity", "name": "me"},
        chunk(0, {"type": "start", "messageId": "a"}),
        delta(1, "Hel"),
        {**delta(2, "not ours"), "id": "other"},
        delta(2, "lo"),
        chunk(3, {"type": "tool-input-available", "toolCallId": "c1", "toolName": "clock", "input": {"a": 1}}),
        chunk(4, {"type": "tool-output-available", "toolCallId": "c1", "output": "noon"}),
        done(messageIds=["m1"]),
    )
    assert found == [Text("Hel"), Text("lo"), ToolUse("clock", {"a": 1}), Ended("completed")]
    assert chat.said == "Hello"


def test_a_second_paragraph() -> None:
    start = {"type": "text-start", "id": "t"}
    assert steps(turn(), chunk(0, start), delta(1, "a"), chunk(2, start), delta(3, "b"), delta(4, "c")) == [
        Text("a"),
        Text("b", new_block=True),
        Text("c"),
    ]


@pytest.mark.parametrize(
    ("frames", "ended"),
    [
        ([{**done(), "error": True, "body": "boom"}], Ended("error", "boom")),
        ([{**done(), "error": True, "body": "boom", "done": False}, done(outcome="error")], Ended("error", "boom")),
        ([chunk(0, {"type": "error", "errorText": "boom"}), done(outcome="error")], Ended("error", "boom")),
        ([done(outcome="aborted")], Ended("aborted")),
        ([done(outcome="skipped")], Ended("skipped")),
        ([{**done(outcome="completed"), "body": "No response"}], Ended("completed", "No response")),
    ],
)
def test_ends(frames: list[dict[str, Any]], ended: Ended) -> None:
    assert steps(turn(), *frames) == [ended]


@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize("seen", range(6))
def test_a_broken_connection_shows_every_chunk_once(seen: int, numbered: bool) -> None:
    """Wherever the connection breaks, and whether or not the server numbers its chunks."""

    def part(index: int, **more: Any) -> dict[str, Any]:
        return delta(index if numbered else None, str(index), **more)

    chat = turn()
    shown = steps(chat, *(part(index) for index in range(seen)))
    assert chat.resume() == {"type": "cf_agent_stream_resume_request", "probeId": "p1"}
    offers = steps(
        chat, {"type": "cf_agent_stream_resuming", "id": "r1"}, {"type": "cf_agent_stream_resuming", "id": "r1", "probeId": "p1"}
    )
    assert offers == [Send({"type": "cf_agent_stream_resume_ack", "id": "r1"})], "offered twice, acknowledged once"
    shown += steps(chat, *(part(index, replay=True) for index in range(5)))
    shown += steps(chat, {**done(), "done": False, "replay": True, "replayComplete": True}, part(5), part(6), done())
    assert shown == [*(Text(str(index)) for index in range(7)), Ended("completed")]


def test_a_chunk_too_large_to_be_stored_does_not_shift_the_others() -> None:
    chat = turn()
    steps(chat, delta(0, "a"), delta(None, "huge"), delta(1, "b"))
    chat.resume()
    steps(chat, {"type": "cf_agent_stream_resuming", "id": "r1"})
    assert steps(chat, delta(0, "a", replay=True), delta(1, "b", replay=True), delta(2, "c", replay=True)) == [Text("c")]


def test_a_tool_that_nobody_answered_is_named() -> None:
    asked = chunk(0, {"type": "tool-input-available", "toolCallId": "c1", "toolName": "pay", "input": {}})
    approval = chunk(1, {"type": "tool-approval-request", "toolCallId": "c1", "approvalId": "a"})
    assert steps(turn(), asked, approval, done()) == [ToolUse("pay", {}), Ended("completed", None, ("pay",))]


def test_a_turn_that_goes_on_while_we_stay_connected_is_read_when_it_ends() -> None:
    """The agent's process died and came back; the socket never noticed."""
    chat = turn()
    recovered = {"id": "r2", "continuation": True}
    found = steps(
        chat,
        delta(0, "Hel"),
        {"type": "cf_agent_chat_recovering", "recovering": True, "id": "r1"},
        {**delta(0, "again"), **recovered},
        {**done(outcome="recovering"), **recovered},
        {**done(), **recovered},
    )
    assert found == [Text("Hel"), ReadTranscript()]
    stored = [{"id": "m1", "role": "user"}, {"role": "assistant", "parts": [{"type": "text", "text": "Hello"}]}]
    assert list(chat.finish_from(stored)) == [Text("lo"), Ended("completed")]


def test_a_recovered_turn_goes_on_under_another_id() -> None:
    chat = turn()
    chat.resume()
    assert steps(chat, {"type": "cf_agent_stream_resuming", "id": "r2"}) == [Send({"type": "cf_agent_stream_resume_ack", "id": "r2"})]
    assert steps(chat, {**delta(0, "x"), "id": "r2"}) == [Text("x")]
    assert chat.cancel()["id"] == "r2"


def test_a_recovered_turn_that_counts_its_chunks_anew_is_read_when_it_ends() -> None:
    chat = turn()
    steps(chat, delta(0, "Hel"), delta(1, "lo"))
    chat.resume()
    offered = steps(chat, {"type": "cf_agent_stream_resuming", "id": "r2"})
    assert offered == [Send({"type": "cf_agent_stream_resume_ack", "id": "r2"})]
    assert steps(chat, {**delta(0, "again"), "id": "r2"}, {**done(), "id": "r2"}) == [ReadTranscript()]


class TestLost:
    """We were back before the agent took the turn up again: nothing to resume, no answer stored (8.9)."""

    ASKED = {"id": "m1", "role": "user"}  # noqa: RUF012 - never changed
    ANSWER = {"role": "assistant", "parts": [{"type": "text", "text": "Hello"}]}  # noqa: RUF012

    def lost(self) -> ChatTurn:
        chat = turn()
        chat.resume()
        assert steps(chat, {"type": "cf_agent_stream_resume_none", "reason": "idle"}) == [ReadTranscript()]
        (ended,) = chat.finish_from([self.ASKED])
        assert isinstance(ended, Ended)
        assert (ended.outcome, ended.recoverable) == ("lost", True)
        return chat

    def test_the_answer_that_comes_later_under_another_id_is_read_when_it_ends(self) -> None:
        chat = self.lost()
        recovered = {**delta(0, "Hello"), "id": "r2"}
        assert steps(chat, {"type": "cf_agent_chat_recovering", "recovering": True, "id": "r1"}, recovered) == []
        assert steps(chat, {**done(messageIds=["m1"]), "id": "r2"}) == [ReadTranscript()]
        assert list(chat.finish_from([self.ASKED, self.ANSWER])) == [Text("Hello"), Ended("completed")]

    def test_the_end_of_a_turn_of_others_does_not_end_it_again(self) -> None:
        chat = self.lost()
        assert steps(chat, {**done(), "id": "another"}) == [ReadTranscript()]
        assert list(chat.finish_from([self.ASKED])) == []


class TestOrphaned:
    """The agent's process died in mid-answer, and what it had stored is replayed as if it were the end (8.5, 8.9)."""

    ASKED = {"id": "m1", "role": "user"}  # noqa: RUF012 - never changed

    def orphaned(self) -> ChatTurn:
        chat = turn()
        steps(chat, delta(0, "Hel"))
        chat.resume()
        found = steps(chat, delta(0, "Hel", replay=True), delta(1, "lo ", replay=True), done(replay=True, outcome="aborted"))
        assert found == [Text("lo "), Ended("aborted", recoverable=True)]
        return chat

    @pytest.mark.parametrize("how", [{"continuation": True}, {}])
    def test_what_the_agent_says_when_it_goes_on_is_read_when_it_ends(self, how: dict[str, Any]) -> None:
        chat = self.orphaned()
        assert steps(chat, {"type": "cf_agent_chat_recovering", "recovering": True, "id": "r1"}) == []
        assert steps(chat, {**delta(0, "you"), "id": "r2", **how}, {**done(), "id": "r2", **how}) == [ReadTranscript()]
        stored = {"role": "assistant", "parts": [{"type": "text", "state": "done", "text": "Hello you"}]}
        assert list(chat.finish_from([self.ASKED, stored])) == [Text("you"), Ended("completed")]

    def test_the_part_that_was_stored_is_no_end(self) -> None:
        stored = {"role": "assistant", "parts": [{"type": "text", "state": "streaming", "text": "Hello "}]}
        assert list(self.orphaned().finish_from([self.ASKED, stored])) == []

    def test_a_turn_that_is_ended_on_purpose_is_over(self) -> None:
        assert steps(turn(), done(outcome="aborted")) == [Ended("aborted")]


class TestAnotherTurnIsOffered:
    """An agent sends no chunks to a connection that has not taken the stream it was offered."""

    OFFER = {"type": "cf_agent_stream_resuming", "id": "r0"}  # noqa: RUF012 - never changed
    TAKEN = Send({"type": "cf_agent_stream_resume_ack", "id": "r0"})

    def test_it_is_taken_and_not_shown(self) -> None:
        chat = turn()
        found = steps(chat, self.OFFER, {**delta(0, "not ours", replay=True), "id": "r0"}, {"type": "cf_agent_stream_resume_none"})
        assert found == [self.TAKEN]
        assert steps(chat, delta(0, "Hel"), delta(1, "lo"), done()) == [Text("Hel"), Text("lo"), Ended("completed")]

    def test_an_answer_that_was_missed_is_read(self) -> None:
        assert steps(turn(), self.OFFER, done()) == [self.TAKEN, ReadTranscript()]

    def test_an_answer_whose_beginning_was_missed_is_read(self) -> None:
        assert steps(turn(), self.OFFER, delta(3, "lo"), delta(4, "!"), done()) == [self.TAKEN, ReadTranscript()]


class TestNothingToResume:
    """The turn ended, or never began, while we were away."""

    @staticmethod
    def away(*frames: dict[str, Any]) -> ChatTurn:
        chat = turn()
        steps(chat, *frames)
        chat.resume()
        assert steps(chat, {"type": "cf_agent_stream_resume_none", "reason": "idle"}) == [ReadTranscript()]
        return chat

    OURS = {"id": "m1", "role": "user", "parts": []}  # noqa: RUF012 - never changed

    def test_the_rest_comes_from_the_transcript(self) -> None:
        answer = {"id": "a", "role": "assistant", "parts": [{"type": "step-start"}, {"type": "text", "text": "Hello"}]}
        assert list(self.away(delta(0, "Hel")).finish_from([self.OURS, answer])) == [Text("lo"), Ended("completed")]
        assert list(self.away(delta(0, "Hello")).finish_from([self.OURS, answer])) == [Ended("completed")]
        assert list(self.away(delta(0, "Other")).finish_from([self.OURS, answer])) == [Text("Hello", new_block=True), Ended("completed")]

    def test_a_request_that_never_arrived_is_sent_again(self) -> None:
        chat = self.away()
        assert list(chat.finish_from([])) == [Send(chat.opening())]

    def test_a_turn_without_an_answer(self) -> None:
        (ended,) = self.away().finish_from([self.OURS])
        assert isinstance(ended, Ended)
        assert ended.outcome == "lost"
