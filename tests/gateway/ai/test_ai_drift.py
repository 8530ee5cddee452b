"""How the shape of an answer changed: what a client would notice, and nothing else (A34)."""

from __future__ import annotations

import json

from emulator.gateway.ai.answers import Answer, Chunk, json_answer
from emulator.gateway.ai.cassettes.drift import drift


def sse(*events: str, cut: int = 20) -> Answer:
    data = "".join(f"{event}\n\n" for event in events).encode()
    chunks = tuple(Chunk(at, data[at : at + cut]) for at in range(0, len(data), cut))
    return Answer(200, [("content-type", "text/event-stream")], chunks=chunks)


def told(before: Answer, after: Answer) -> list[str]:
    return [str(one) for one in drift(before, after)]


def chat(content: object = "hi", finish: str = "stop", **more: object) -> Answer:
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": finish}
    return json_answer({"id": "x", "choices": [choice], "usage": {"total_tokens": 5}, **more})


def data(value: object) -> str:
    return f"data: {json.dumps(value)}"


def delta(text: str) -> str:
    return data({"choices": [{"delta": {"content": text}}]})


DONE = "data: [DONE]"


def test_other_words_are_no_drift():
    assert told(chat("hi", id="a"), chat("something else, longer", id="b", usage={"total_tokens": 700})) == []
    assert told(sse(delta("a"), delta("b"), DONE), sse(delta("c"), DONE, cut=7)) == []
    assert told(chat(None), chat("text")) == []


def test_fields_that_come_go_and_change_their_type():
    after = json_answer(
        {
            "id": 7,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "x", "refusal": None}}],
            "usage": {"total_tokens": 1},
        }
    )
    assert told(chat(), after) == [
        "changed  finish: stop -> none",
        "removed  $.choices[*].finish_reason: string",
        "added    $.choices[*].message.refusal: null",
        "retyped  $.id: string -> number",
    ]


def test_status_type_and_finish_reason():
    before, after = chat(), json_answer({"error": {"message": "x"}}, 429)
    assert told(before, after)[0] == "changed  status: 200 -> 429"
    assert told(chat(finish="stop"), chat(finish="length")) == ["changed  finish: stop -> length"]
    html = Answer(200, [("content-type", "text/html; charset=utf-8")], b"<p>")
    assert told(chat(), html)[0] == "changed  content-type: application/json -> text/html"
    charset = Answer(200, [("content-type", "application/json; charset=utf-8")], chat().body)
    assert told(chat(), charset) == []


def test_the_grammar_of_a_stream():
    assert told(sse(delta("a"), DONE), sse(delta("a"))) == [
        "added    events data -> end",
        "removed  events data -> [DONE]",
        "removed  events [DONE] -> end",
    ]


def test_events_of_a_kind_are_compared_with_each_other():
    def start(**usage: object) -> str:
        return "event: message_start\n" + data({"type": "message_start", "message": {"usage": usage}})

    stop = "event: message_stop\n" + data({"type": "message_stop"})
    ping = "event: ping\n" + data({"type": "ping"})
    assert told(sse(start(input_tokens=1), stop), sse(start(input_tokens="1"), ping, stop, ": comment")) == [
        "retyped  message_start $.message.usage.input_tokens: number -> string"
    ]
    assert told(sse(start(input_tokens=1), stop), sse(start(input_tokens=1, cached=0), stop)) == [
        "added    message_start $.message.usage.cached: number"
    ]


def test_what_a_model_invents_is_not_compared():
    def call(arguments: object) -> Answer:
        return json_answer({"tool_calls": [{"name": "f", "arguments": arguments}]})

    assert told(call({"city": "Paris"}), call({"town": {"name": "Rome"}})) == []
    assert told(call({"city": "Paris"}), call('{"city":"Paris"}')) == ["retyped  $.tool_calls[*].arguments: object -> string"]


def test_bodies_that_are_no_json():
    image = Answer(200, [("content-type", "image/png")], b"\x89PNG")
    assert told(image, Answer(200, [("content-type", "image/png")], b"other")) == []
    broken = Answer(200, [("content-type", "application/json")], b'{"id": ')
    assert "removed  $: object" in told(chat(), broken)
