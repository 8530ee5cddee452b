"""`ai edit`: another text in a recorded answer, in every dialect, and what cannot be edited."""

from __future__ import annotations

import json
from typing import Any

import pytest

from emulator.gateway.ai.cassettes.encoding import is_edited
from emulator.gateway.ai.curation.conversation import conversation_of
from emulator.gateway.ai.curation.editing import NoTextError, with_text
from emulator.gateway.ai.curation.importing.spoken import Block, Dialect, Script, events, whole


def recording(response: dict[str, Any], body: Any = None) -> dict[str, Any]:
    return {
        "format": 1,
        "id": "x",
        "source": "recorded",
        "request": {"kind": "http", "target": "POST https://a/", "body": body},
        "response": response,
    }


def stream(*events: dict[str, Any], **more: Any) -> dict[str, Any]:
    timed = [{"t": 100 + 50 * index, **event} for index, event in enumerate(events)]
    return {"status": 200, "stream": {"framing": "sse", "events": timed, **more}}


def legacy(*texts: str) -> dict[str, Any]:
    return stream(*({"json": {"response": text, "p": "ab"}} for text in texts), {"json": {"response": "", "usage": {}}}, {"text": "[DONE]"})


def said(document: dict[str, Any]) -> str:
    talk = conversation_of(document)
    assert talk.said is not None
    return talk.said.text


def times(document: dict[str, Any]) -> list[int]:
    return [event["t"] for event in document["response"]["stream"]["events"]]


def test_as_many_pieces_as_the_text_needs_in_the_recorded_rhythm() -> None:
    before = recording(legacy("aaaa", " bbb", " ccc"))
    shorter, same, longer = (with_text(before, text) for text in ("one", "abc def ghi", "some words that are many more"))
    assert [(edited.before, edited.after) for edited in (shorter, same, longer)] == [(3, 1), (3, 3), (3, 6)]
    assert times(shorter.document) == [100, 150, 200], "what came after the text still does, as much later"
    assert times(same.document) == [100, 150, 200, 250, 300]
    assert times(longer.document) == [100, 150, 200, 250, 300, 350, 400, 450]
    assert said(longer.document) == "some words that are many more"
    assert longer.document["response"]["stream"]["events"][-1] == {"t": 450, "text": "[DONE]"}


def test_a_text_without_spaces_is_cut_too() -> None:
    edited = with_text(recording(legacy("ab", "cd", "ef")), "持久对象给每个代理一个地方")
    assert edited.after > 3
    assert said(edited.document) == "持久对象给每个代理一个地方"


def test_the_hash_stays_so_that_the_stream_counts_as_edited() -> None:
    before = recording(stream({"json": {"response": "a"}}, sha256="0" * 64, chunks=[[1, 2]]))
    after = with_text(before, "b").document["response"]["stream"]
    assert after["sha256"] == "0" * 64
    assert "chunks" not in after
    assert is_edited(after)


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("streamed", [True, False])
def test_every_dialect_keeps_tool_calls_and_reasoning(dialect: Dialect, streamed: bool) -> None:
    blocks = (Block("Let me look that up for you."), Block(tool="weather", arguments='{"city":"Paris"}', id="call_1"))
    script = Script(blocks, "seed", "m", reasoning="They ask for the weather.", chunk_size=6)
    response = stream(*events(script, dialect)) if streamed else {"status": 200, "json": whole(script, dialect)}
    before = recording(response)
    after = with_text(before, "A much shorter answer").document
    old, new = conversation_of(before), conversation_of(after)
    assert old.said is not None
    assert new.said is not None
    assert (old.said.text, new.said.text) == ("Let me look that up for you.", "A much shorter answer")
    assert new.said.calls == old.said.calls
    assert [(call.name, call.arguments, call.id) for call in new.said.calls] == [("weather", {"city": "Paris"}, "call_1")]
    assert new.said.reasoning == old.said.reasoning == "They ask for the weather."
    assert new.finish == old.finish


def test_the_responses_api_says_the_new_text_wherever_it_repeats_it_and_counts_anew() -> None:
    script = Script((Block("Some old text that is long"),), "seed", "m", chunk_size=5)
    after = with_text(recording(stream(*events(script, Dialect.RESPONSES))), "New").document
    values = [event["json"] for event in after["response"]["stream"]["events"]]
    assert "old" not in json.dumps(values)
    assert [value["sequence_number"] for value in values] == list(range(len(values)))
    assert values[-1]["response"]["output"][0]["content"][0]["text"] == "New"


def test_an_event_that_was_kept_raw() -> None:
    raw = 'data: {"response": "a"}\n\ndata: {"response": "b"}\n\n'
    after = with_text(recording(stream({"raw": raw}, {"raw": "data: [DONE]\n\n"})), "c d").document
    assert said(after) == "c d"
    assert after["response"]["stream"]["events"][-1] == {"t": 150, "raw": "data: [DONE]\n\n"}


def test_an_empty_text() -> None:
    assert with_text(recording(legacy("a", "b")), "").after == 1
    assert said(with_text(recording(legacy("")), "now it speaks").document) == "now it speaks"


def test_json_mode_takes_json_only() -> None:
    before = recording({"status": 200, "json": {"response": {"city": "Paris"}}})
    assert with_text(before, '{"city": "Rome"}').document["response"]["json"] == {"response": {"city": "Rome"}}
    with pytest.raises(NoTextError, match="JSON mode"):
        with_text(before, "Rome")


CALLS = {"choices": [{"message": {"content": None, "tool_calls": [{"function": {"name": "f"}}]}}]}


@pytest.mark.parametrize(
    ("response", "why"),
    [
        ({"status": 200, "blob": {"file": "blobs/x.png", "sha256": "", "media_type": "image/png"}}, "the answer is a file"),
        ({"status": 204}, "the answer has no body"),
        ({"status": 200, "json": {"data": [[0.1]]}}, "no known dialect"),
        ({"status": 500, "json": {"error": {"message": "no"}}}, "the answer is an error"),
        (
            {"status": 200, "json": {"choices": [{"message": {"content": None, "tool_calls": [{"function": {"name": "f"}}]}}]}},
            "only calls tools",
        ),
        (stream({"json": {"odd": 1}}), "no known dialect"),
    ],
)
def test_what_has_no_text_says_so(response: dict[str, Any], why: str) -> None:
    with pytest.raises(NoTextError, match=why):
        with_text(recording(response), "x")
