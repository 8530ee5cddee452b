"""Rules of resumable streams: what breaks each of them, and what real SDKs do that does not (agents-protocol.md 8)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from emulator.core.resumable_streams import MAX_REQUESTS, StreamChecker, chat_frame
from emulator.core.stream_violations import explain

TRANSCRIPTS = Path(__file__).parents[1] / "parity" / "transcripts"
A, B, C = 1, 2, 3
REQUEST, RESPONSE = "cf_agent_use_chat_request", "cf_agent_use_chat_response"


class Talk:
    """Frames between clients and one agent; `codes` are the violations so far."""

    def __init__(self, *sockets: int) -> None:
        self.checker = StreamChecker()
        self.violations: list[Any] = []
        self.at = 0
        for socket in sockets or (A,):
            self.open(socket)

    @property
    def codes(self) -> list[str]:
        return [violation.code for violation in self.violations]

    @property
    def unfinished(self) -> list[str]:
        return [violation.code for violation in self.checker.unfinished()]

    def open(self, socket: int, connection: str | None = None) -> None:
        self.checker.opened(socket, connection or f"client-{socket}")
        self.checker.ready(socket)

    def pass_(self, socket: int, out: bool, **fields: Any) -> None:
        self.at += 1
        text = json.dumps(fields)
        frame = chat_frame(text)
        assert frame is not None
        self.violations += (self.checker.told if out else self.checker.heard)(socket, frame, text, self.at)

    def ask(self, socket: int, ident: str, *user_messages: str) -> None:
        messages = [{"id": name, "role": "user", "parts": []} for name in user_messages or (f"u-{ident}",)]
        self.pass_(socket, False, type=REQUEST, id=ident, init={"method": "POST", "body": json.dumps({"messages": messages})})

    def chunks(self, socket: int, ident: str, *numbers: int, **fields: Any) -> None:
        for number in numbers:
            body = json.dumps({"type": "text-delta", "delta": f"d{number} "})
            self.pass_(socket, True, type=RESPONSE, id=ident, done=False, body=body, seq=number, **fields)

    def unnumbered(self, socket: int, ident: str, *words: str, **fields: Any) -> None:
        for word in words:
            self.pass_(socket, True, type=RESPONSE, id=ident, done=False, body=word, **fields)

    def caught_up(self, socket: int, ident: str) -> None:
        self.pass_(socket, True, type=RESPONSE, id=ident, done=False, body="", replay=True, replayComplete=True)

    def end(self, socket: int, ident: str, **fields: Any) -> None:
        self.pass_(socket, True, type=RESPONSE, id=ident, done=True, body="", **fields)

    def offer(self, socket: int, ident: str, **fields: Any) -> None:
        self.pass_(socket, True, type="cf_agent_stream_resuming", id=ident, **fields)

    def probe(self, socket: int) -> None:
        self.pass_(socket, False, type="cf_agent_stream_resume_request", probeId="p")

    def acknowledge(self, socket: int, ident: str) -> None:
        self.pass_(socket, False, type="cf_agent_stream_resume_ack", id=ident)

    def resumed(self, socket: int, ident: str, *numbers: int) -> None:
        """Offered twice, acknowledged once, replayed."""
        self.offer(socket, ident)
        self.offer(socket, ident, probeId="p")
        self.acknowledge(socket, ident)
        self.chunks(socket, ident, *numbers, replay=True)
        self.caught_up(socket, ident)


# -- what is right


def test_a_turn_that_two_tabs_follow() -> None:
    talk = Talk(A, B)
    talk.ask(A, "r")
    for socket in (A, B):
        talk.chunks(socket, "r", 0, 1, 2)
        talk.end(socket, "r", messageIds=["u-r"])
    assert (talk.codes, talk.unfinished) == ([], [])


def test_a_client_that_drops_and_comes_back_in_mid_stream() -> None:
    talk = Talk(A)
    talk.ask(A, "r")
    talk.chunks(A, "r", 0, 1)
    talk.checker.ended(A)
    talk.open(B)
    talk.probe(B)
    talk.resumed(B, "r", 0, 1, 2)
    talk.chunks(B, "r", 3, 4)
    talk.end(B, "r")
    assert (talk.codes, talk.unfinished) == ([], [])


def test_an_end_that_crosses_the_acknowledgement_is_not_the_second() -> None:
    talk = Talk(A)
    talk.offer(A, "r")
    talk.acknowledge(A, "r")
    talk.end(A, "r", messageIds=["u"])
    talk.end(A, "r", messageIds=["u"], replay=True)
    assert (talk.codes, talk.unfinished) == ([], [])


def test_an_offer_that_crosses_the_acknowledgement_of_the_first_one() -> None:
    talk = Talk(A)
    talk.offer(A, "r")
    talk.probe(A)
    talk.acknowledge(A, "r")
    talk.offer(A, "r", probeId="p")
    talk.chunks(A, "r", 0, replay=True)
    talk.caught_up(A, "r")
    talk.chunks(A, "r", 1)
    talk.end(A, "r")
    assert (talk.codes, talk.unfinished) == ([], [])


def test_live_chunks_that_cross_an_acknowledgement_nobody_offered() -> None:
    talk = Talk(A)
    talk.ask(A, "r")
    talk.chunks(A, "r", 0)
    talk.acknowledge(A, "r")
    talk.chunks(A, "r", 1)
    talk.chunks(A, "r", 0, 1, replay=True)
    talk.caught_up(A, "r")
    talk.chunks(A, "r", 2)
    talk.end(A, "r")
    assert talk.codes == []


def test_a_remounted_page_probes_and_acknowledges_again() -> None:
    talk = Talk(A)
    talk.probe(A)
    talk.resumed(A, "r", 0)
    talk.probe(A)
    talk.resumed(A, "r", 0)
    talk.end(A, "r")
    assert talk.codes == []


def test_a_recovered_turn_goes_on_under_another_id() -> None:
    talk = Talk(A)
    talk.ask(A, "r", "u1")
    talk.chunks(A, "r", 0, 1)
    talk.checker.interrupted()
    talk.chunks(A, "s", 0, 1, continuation=True)
    talk.end(A, "s", continuation=True, messageIds=["u1"])
    assert (talk.codes, talk.unfinished) == ([], [])


def test_chunks_that_were_not_stored_may_be_missing_after_a_crash() -> None:
    talk = Talk(A)
    talk.ask(A, "r")
    talk.chunks(A, "r", 0, 1, 2, 3)
    talk.checker.interrupted()
    talk.checker.ended(A)
    talk.open(B)
    talk.offer(B, "r")
    talk.acknowledge(B, "r")
    talk.chunks(B, "r", 0, 1, replay=True)
    talk.end(B, "r", replay=True, outcome="aborted")
    assert (talk.codes, talk.unfinished) == ([], [])


def test_a_chunk_too_large_to_be_stored_has_no_number() -> None:
    talk = Talk(A, B)
    talk.ask(A, "r")
    for socket in (A, B):
        talk.chunks(socket, "r", 0)
        talk.unnumbered(socket, "r", "a very large one")
        talk.chunks(socket, "r", 1)
        talk.end(socket, "r")
    assert talk.codes == []


def test_the_older_socket_of_a_twin_is_left_out_too() -> None:
    talk = Talk()
    talk.open(B, "same")
    talk.open(A, "same")
    talk.ask(A, "r")
    talk.chunks(A, "r", 0)
    talk.chunks(B, "r", 0)
    talk.open(C, "same")
    talk.offer(C, "r")
    talk.acknowledge(C, "r")
    talk.chunks(C, "r", 0, 1, replay=True)
    talk.caught_up(C, "r")
    for socket in (A, B, C):
        talk.chunks(socket, "r", 2)
        talk.end(socket, "r")
    assert talk.codes == []


def test_what_is_no_chat_is_nothing() -> None:
    for text in ("", "hello", '{"type":"rpc"}', '{"type":"cf_agent_state","state":{}}', "cf_agent_ no JSON", '["cf_agent_chat_clear"]'):
        assert chat_frame(text) is None


# -- what is wrong


def test_no_end_when_nothing_more_comes() -> None:
    talk = Talk(A)
    talk.ask(A, "r")
    assert talk.unfinished == ["E460"]
    talk.chunks(A, "r", 0)
    assert talk.unfinished == ["E460"]
    talk.checker.ended(A)
    assert talk.unfinished == []  # nobody waits


def test_no_end_when_the_next_turn_begins() -> None:
    talk = Talk(A)
    talk.ask(A, "r")
    talk.chunks(A, "r", 0)
    talk.ask(A, "s")
    talk.chunks(A, "s", 0)
    assert talk.codes == ["E460"]
    assert talk.violations[0].request == "r"
    assert "after 1 chunks" in talk.violations[0].what
    talk.end(A, "s")
    assert talk.unfinished == []  # it is told once


def test_a_second_end() -> None:
    talk = Talk(A)
    talk.ask(A, "r")
    talk.chunks(A, "r", 0)
    talk.end(A, "r")
    talk.end(A, "r")
    talk.end(A, "r")
    assert talk.codes == ["E461"]
    assert [frame.at for frame in talk.violations[0].frames] == [3, 4]


def test_a_chunk_after_the_end() -> None:
    talk = Talk(A)
    talk.ask(A, "r")
    talk.chunks(A, "r", 0)
    talk.end(A, "r")
    talk.chunks(A, "r", 1)
    assert talk.codes == ["E462"]


@pytest.mark.parametrize("again", [1, 0])
def test_a_chunk_twice(again: int) -> None:
    talk = Talk(A)
    talk.ask(A, "r")
    talk.chunks(A, "r", 0, 1, again)
    assert talk.codes == ["E463"]


def test_a_live_chunk_that_the_replay_had() -> None:
    talk = Talk(A)
    talk.resumed(A, "r", 0, 1)
    talk.chunks(A, "r", 1, 2)
    assert talk.codes == ["E463"]


def test_a_hole() -> None:
    talk = Talk(A)
    talk.ask(A, "r")
    talk.chunks(A, "r", 0, 2)
    assert talk.codes == ["E464"]
    assert talk.violations[0].what == "chunk 1 of r never came to this client"


def test_a_hole_between_replay_and_live() -> None:
    talk = Talk(A)
    talk.resumed(A, "r", 0, 1)
    talk.chunks(A, "r", 3)
    assert talk.codes == ["E464"]


def test_a_replay_without_its_beginning() -> None:
    talk = Talk(A)
    talk.ask(A, "r")
    talk.chunks(A, "r", 0, 1, 2)
    talk.checker.ended(A)
    talk.open(B)
    talk.resumed(B, "r", 2)
    assert talk.codes == ["E464"]
    assert talk.violations[0].what == "chunks 0 to 1 of r never came to this client"


def test_an_end_before_everything_came() -> None:
    talk = Talk(A, B)
    talk.ask(A, "r")
    talk.chunks(A, "r", 0, 1, 2)
    talk.chunks(B, "r", 0)
    talk.end(A, "r")
    talk.end(B, "r")
    assert talk.codes == ["E464"]
    assert talk.violations[0].socket == B


def test_two_acknowledgements_of_one_offer() -> None:
    talk = Talk(B)
    talk.probe(B)
    talk.offer(B, "r")
    talk.offer(B, "r", probeId="p")
    talk.acknowledge(B, "r")
    talk.acknowledge(B, "r")
    assert talk.codes == ["E465"]
    assert [frame.at for frame in talk.violations[0].frames] == [4, 5]
    for _ in range(2):  # the agent answers both, which is no mistake of its own
        talk.chunks(B, "r", 0, 1, replay=True)
        talk.caught_up(B, "r")
    talk.chunks(B, "r", 2)
    talk.end(B, "r")
    assert talk.codes == ["E465"]
    assert talk.unfinished == []


def test_a_chunk_before_the_acknowledgement() -> None:
    talk = Talk(A, B)
    talk.ask(A, "r")
    talk.chunks(A, "r", 0)
    talk.offer(B, "r")
    talk.chunks(B, "r", 1)
    assert talk.codes == ["E466"]


def test_a_replay_that_nobody_asked_for() -> None:
    talk = Talk(A)
    talk.chunks(A, "r", 0, replay=True)
    assert talk.codes == ["E467"]


def test_a_live_chunk_in_the_middle_of_a_replay() -> None:
    talk = Talk(A)
    talk.offer(A, "r")
    talk.acknowledge(A, "r")
    talk.chunks(A, "r", 0, replay=True)
    talk.chunks(A, "r", 1)
    assert talk.codes == ["E468"]


def test_one_number_for_two_chunks() -> None:
    talk = Talk(A, B)
    talk.ask(A, "r")
    talk.chunks(A, "r", 0)
    talk.pass_(B, True, type=RESPONSE, id="r", done=False, body="something else", seq=0)
    assert talk.codes == ["E469"]


def test_servers_that_do_not_number_are_measured_by_what_others_heard() -> None:
    talk = Talk(A, B)
    talk.ask(A, "r")
    talk.unnumbered(A, "r", "one", "two", "three")
    talk.unnumbered(B, "r", "one", "one")
    assert talk.codes == ["E463"]
    talk.open(C)
    talk.offer(C, "r")
    talk.acknowledge(C, "r")
    talk.unnumbered(C, "r", "one", "three", replay=True)
    assert talk.codes == ["E463", "E464"]


def test_what_is_remembered_is_bounded() -> None:
    talk = Talk(A)
    for number in range(MAX_REQUESTS * 3):
        talk.ask(A, f"r{number}")
        talk.chunks(A, f"r{number}", 0)
        talk.end(A, f"r{number}")
    assert talk.codes == []
    assert len(talk.checker._requests) == len(talk.checker._listeners[A].hearings) == MAX_REQUESTS


def test_every_code_is_explained() -> None:
    table = (Path(__file__).parents[2] / "docs" / "errors.md").read_text("utf-8")
    for number in range(460, 470):
        text = explain(f"E{number}")
        assert text is not None
        assert "Look for:" in text
        assert f"| E{number} |" in table
    assert explain("E101") is None


# -- what the real runtime and the real SDKs did


def packed(value: Any) -> Any:
    """A transcript's content as it was on the wire: JSON in strings."""
    if isinstance(value, dict):
        return json.dumps(packed(value["json"])) if set(value) == {"json"} else {name: packed(part) for name, part in value.items()}
    return [packed(part) for part in value] if isinstance(value, list) else value


def heard_in(path: Path) -> tuple[list[str], list[str]]:
    """Codes of the violations in a recorded run, and of what would be one if nothing more had come."""
    checkers: dict[str, StreamChecker] = {}
    places: dict[str, tuple[StreamChecker, int]] = {}
    codes: list[str] = []
    for at, (who, what, *content) in enumerate(json.loads(path.read_text("utf-8"))["lines"]):
        if what == "connects":
            url, _, query = content[0].partition("?")
            checker = checkers.setdefault(url, StreamChecker())
            if who in places:
                places[who][0].ended(places[who][1])
            places[who] = checker, at
            checker.opened(at, query.removeprefix("_pk=").partition("&")[0])
        elif who in places and what in ("gets", "sends"):
            checker, socket = places[who]
            frame = packed(content[0])
            text = frame if isinstance(frame, str) else json.dumps(frame)
            parsed = chat_frame(text)
            if parsed is None:
                checker.ready(socket)
            else:
                found = (checker.told if what == "gets" else checker.heard)(socket, parsed, text, at)
                codes += [violation.code for violation in found]
        elif who in places and what in ("closes", "vanishes", "hangs up", "is closed"):
            places[who][0].ended(places[who][1])
    return codes, [violation.code for checker in checkers.values() for violation in checker.unfinished()]


NOT_READ_TO_THE_END = {"68-owned-and-joined"}
"""The scenario stops reading one of its tabs."""
NO_END = {"70-thrown-after-all"}
"""An `onChatMessage` that throws leaves its client without an answer, and the SDK says nothing (agents-protocol.md 8.3)."""


@pytest.mark.parametrize("path", sorted(TRANSCRIPTS.glob("[0-9]*.json")), ids=lambda path: path.stem)
def test_no_false_alarm_over_what_the_real_runtime_did(path: Path) -> None:
    codes, unfinished = heard_in(path)
    assert codes == []
    assert unfinished == (["E460"] if path.stem in NOT_READ_TO_THE_END | NO_END else [])
