"""translation/emission.py: deltas in the shape of the requested model (ai-binding.md 4.2)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.translation.deltas import (
    Delta,
    Done,
    Failed,
    Finish,
    Reasoning,
    Started,
    Text,
    ToolArguments,
    ToolStart,
    Usage,
)
from emulator.gateway.ai.translation.emission import Emission, Emitter, whole
from emulator.gateway.ai.upstream_errors import Refused

LEGACY = "@cf/meta/llama-3.1-8b-instruct"
THINKS_ALOUD = "@cf/deepseek-ai/deepseek-r1-distill-qwen-32b"
CHAT = "@cf/zai-org/glm-4.7-flash"


def emission(model: str, **inputs: Any) -> Emission:
    return Emission.of(ModelRequest(Kind.RUN, model, {"prompt": "hi", **inputs}))


def streamed(model: str, *events: list[Delta]) -> list[bytes]:
    emitter = Emitter(emission(model))
    return [emitter.emit(deltas) for deltas in events]


def documents(chunk: bytes) -> list[Any]:
    parts = chunk.decode().split("\n\n")
    assert parts.pop() == ""
    return [json.loads(part.removeprefix("data: ")) for part in parts]


def test_one_upstream_event_is_one_chunk() -> None:
    chunks = streamed(CHAT, [Started("x", 5), Text("a")], [Text("b")], [Finish("stop"), Usage(1, 2, 1)], [Done()])
    assert [len(documents(chunk)) for chunk in chunks[:3]] == [1, 1, 2]
    assert chunks[3] == b"data: [DONE]\n\n"
    first, second, (finish, usage) = documents(chunks[0])[0], documents(chunks[1])[0], documents(chunks[2])
    assert first == {
        "id": "x",
        "object": "chat.completion.chunk",
        "created": 5,
        "model": CHAT,
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": "a"}, "finish_reason": None}],
    }
    assert second["choices"][0]["delta"] == {"content": "b"}
    assert finish["choices"][0] == {"index": 0, "delta": {}, "finish_reason": "stop"}
    assert usage["choices"] == []
    assert usage["usage"] == {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 1},
    }


def test_a_legacy_stream_has_text_padding_and_a_last_event_with_usage() -> None:
    chunks = streamed(LEGACY, [Started(), Text("Hel")], [Text("lo")], [Finish("stop")], [Usage(5, 2)], [Done()])
    assert b"".join(chunks) == (
        b'data: {"response":"Hel","p":"ab"}\n\n'
        b'data: {"response":"lo","p":"ab"}\n\n'
        b'data: {"response":"","usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}\n\n'
        b"data: [DONE]\n\n"
    )


@pytest.mark.parametrize(
    ("model", "place"), [(LEGACY, lambda e: e["tool_calls"]), (CHAT, lambda e: e["choices"][0]["delta"]["tool_calls"])]
)
def test_tool_calls_stream_piece_by_piece(model: str, place: Any) -> None:
    chunks = streamed(model, [ToolStart(0, "call_7", "weather", {"sig": 1})], [ToolArguments(0, '{"a"')], [ToolArguments(0, ":1}")])
    start, *pieces = [place(documents(chunk)[0]) for chunk in chunks]
    assert start == [{"sig": 1, "index": 0, "id": "call_7", "type": "function", "function": {"name": "weather", "arguments": ""}}]
    assert pieces == [[{"index": 0, "function": {"arguments": text}}] for text in ('{"a"', ":1}")]


def test_a_call_that_comes_whole_is_one_entry() -> None:
    (chunk,) = streamed(CHAT, [ToolStart(0, "c", "f"), ToolArguments(0, "{}"), ToolStart(1, "d", "g")])
    calls = documents(chunk)[0]["choices"][0]["delta"]["tool_calls"]
    assert [(call["index"], call["function"]) for call in calls] == [
        (0, {"name": "f", "arguments": "{}"}),
        (1, {"name": "g", "arguments": ""}),
    ]


def test_missing_ids_derive_from_the_request() -> None:
    def ids(**inputs: Any) -> list[str]:
        answer = whole(emission(CHAT, **inputs), [ToolStart(0, None, "f"), ToolStart(1, None, "f")])
        return [call["id"] for call in answer["choices"][0]["message"]["tool_calls"]]

    assert ids() == ids()
    assert len({*ids(), *ids(seed=2)}) == 4
    assert all(call_id.startswith("call_") for call_id in ids())


def test_reasoning_has_its_own_field_in_chat_shape() -> None:
    chunks = streamed(CHAT, [Reasoning("hm")], [Text("a")])
    assert documents(chunks[0])[0]["choices"][0]["delta"] == {"role": "assistant", "reasoning_content": "hm"}


def test_reasoning_is_dropped_for_legacy_models_or_inline_for_those_that_think_aloud() -> None:
    said: list[list[Delta]] = [[Reasoning("h")], [Reasoning("m")], [Text("a")], [Finish("stop")], [Done()]]
    assert streamed(LEGACY, *said) == [b"", b"", b'data: {"response":"a","p":"ab"}\n\n', b"", b"data: [DONE]\n\n"]
    aloud = [documents(chunk)[0]["response"] for chunk in streamed(THINKS_ALOUD, *said)[:3]]
    assert aloud == ["<think>\nh", "m", "\n</think>\n\na"]
    deltas = [delta for event in said for delta in event]
    assert whole(emission(LEGACY), deltas)["response"] == "a"
    assert whole(emission(THINKS_ALOUD), deltas)["response"] == "<think>\nhm\n</think>\n\na"
    assert whole(emission(CHAT), deltas)["choices"][0]["message"]["reasoning_content"] == "hm"


def test_a_thought_without_text_is_closed() -> None:
    chunks = streamed(THINKS_ALOUD, [Reasoning("h")], [Finish("length")])
    assert documents(chunks[1])[0]["response"] == "\n</think>\n\n"


@pytest.mark.parametrize("model", [LEGACY, CHAT])
def test_an_error_inside_a_stream_is_an_event_and_no_done(model: str) -> None:
    chunks = streamed(model, [Text("a")], [Failed(3040, "too much")])
    error = documents(chunks[1])[0]
    assert error["error"]["message"] == "too much"
    assert error["errors"] == [{"message": "too much", "code": 3040}]
    assert b"[DONE]" not in b"".join(chunks)


def test_a_whole_legacy_answer() -> None:
    deltas: list[Delta] = [Text("a"), Text("b"), Finish("stop"), Usage(3, 2, 1)]
    assert whole(emission(LEGACY), deltas) == {
        "response": "ab",
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "prompt_tokens_details": {"cached_tokens": 1}},
    }


def test_a_whole_legacy_answer_has_calls_with_parsed_arguments() -> None:
    deltas: list[Delta] = [ToolStart(0, "x", "f"), ToolArguments(0, '{"a":'), ToolArguments(0, "1}"), ToolStart(1, None, "g")]
    answer = whole(emission(LEGACY), deltas)
    assert answer == {"response": None, "tool_calls": [{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {}}]}


def test_a_whole_chat_answer() -> None:
    answer = whole(emission(CHAT), [Started("id", 9), ToolStart(0, "x", "f"), ToolArguments(0, "{}"), Finish("tool_calls"), Usage(3, 2)])
    assert answer == {
        "id": "id",
        "object": "chat.completion",
        "created": 9,
        "model": CHAT,
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": None,
                    "refusal": None,
                    "tool_calls": [{"id": "x", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
                },
                "finish_reason": "tool_calls",
                "logprobs": None,
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "prompt_tokens_details": {"cached_tokens": 0}},
    }


def test_json_mode_gives_legacy_callers_the_value() -> None:
    wanted = {"response_format": {"type": "json_schema", "json_schema": {"type": "object"}}}
    assert whole(emission(LEGACY, **wanted), [Text('{"a":'), Text("1}")])["response"] == {"a": 1}
    assert whole(emission(CHAT, **wanted), [Text('{"a":1}')])["choices"][0]["message"]["content"] == '{"a":1}'


def test_json_mode_that_is_not_met_is_an_error() -> None:
    with pytest.raises(Refused) as caught:
        whole(emission(LEGACY, response_format={"type": "json_object"}), [Text("Sure! Here you go")])
    assert caught.value.response.status == 400
    assert b"JSON Mode couldn't be met" in caught.value.response.body
