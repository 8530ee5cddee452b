"""translation/openai_answer.py: whatever a server writes into its JSON, it becomes deltas, a document or an error event: never a crash."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fakes.asking import CHAT, LEGACY
from fakes.base import event
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.translation.deltas import Delta, Done, Failed, Finish, Started, Text, ToolArguments, ToolStart, Usage
from emulator.gateway.ai.translation.emission import Emission, Emitter, whole
from emulator.gateway.ai.translation.openai_answer import ChatReader, ChatRewriter, answer_deltas, chat_answer, is_completion
from emulator.gateway.ai.translation.openai_calls import CallExtras, CallNumbers, finish_reason
from emulator.gateway.ai.upstream_errors import Upstream

UPSTREAM = Upstream("mine", "http://127.0.0.1:9/v1")
ODD = st.recursive(st.none() | st.integers() | st.text(max_size=3) | st.booleans(), lambda inner: st.lists(inner, max_size=2), max_leaves=3)


def emission(model: str) -> Emission:
    return Emission.of(ModelRequest(Kind.RUN, model, {"prompt": "x"}))


def odd_or(value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return value | ODD


def maybe(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return odd_or(st.fixed_dictionaries({}, optional=fields))


FUNCTION = maybe(name=odd_or(st.just("f")), arguments=odd_or(st.just("{}")))
CALL = maybe(index=odd_or(st.integers(0, 2)), id=odd_or(st.sampled_from(["a", "b", ""])), function=FUNCTION)
MESSAGE = maybe(content=odd_or(st.just("hi")), reasoning=ODD, tool_calls=odd_or(st.lists(CALL, max_size=2)))
CHOICE = maybe(index=odd_or(st.just(0)), delta=MESSAGE, message=MESSAGE, text=ODD, finish_reason=odd_or(st.just("stop")))
USAGE = maybe(prompt_tokens=odd_or(st.just(1)), prompt_tokens_details=maybe(cached_tokens=ODD))
DOCUMENT = maybe(id=ODD, created=ODD, choices=odd_or(st.lists(CHOICE, max_size=2)), usage=USAGE, error=ODD | st.just({"message": "m"}))


@settings(max_examples=200)
@given(st.lists(DOCUMENT, max_size=4))
def test_no_stream_breaks_the_translation(documents: list[Any]) -> None:
    stream = b"".join(event(document) for document in documents) + b"data: [DONE]\n\n"
    for model in (LEGACY, CHAT):
        emitter = Emitter(emission(model))
        for deltas in ChatReader(emission(model), UPSTREAM, CallExtras()).feed(stream):
            for part in emitter.emit(deltas).decode().split("\n\n")[:-1]:
                assert part == "data: [DONE]" or json.loads(part.removeprefix("data: "))
    rewriter = ChatRewriter(emission(CHAT), UPSTREAM, CallExtras())
    assert all(chunk.endswith(b"\n\n") for chunk in rewriter.feed(stream))
    assert rewriter.finished


@settings(max_examples=300)
@given(DOCUMENT)
def test_no_answer_breaks_the_translation(document: Any) -> None:
    if not isinstance(document, dict) or not is_completion(document):
        return
    for model in (LEGACY, CHAT):
        json.dumps(whole(emission(model), answer_deltas(document, emission(model), CallExtras())))
    assert chat_answer(document, emission(CHAT), CallExtras())["model"] == CHAT


def read(*documents: Any) -> list[list[Delta]]:
    stream = b"".join(event(document) for document in documents)
    return list(ChatReader(emission(LEGACY), UPSTREAM, CallExtras()).feed(stream))


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": "x", "created": 7, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


def test_one_event_is_one_list_of_deltas() -> None:
    start = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}
    found = read(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "a"}),
        chunk({"tool_calls": [start]}),
        chunk(
            {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}, "tool_calls", usage={"prompt_tokens": 1, "completion_tokens": 2}
        ),
        "[DONE]",
    )
    assert found == [
        [Started("x", 7)],
        [Text("a")],
        [ToolStart(0, "c", "f"), ToolArguments(0, "{")],
        [ToolArguments(0, "}"), Finish("tool_calls"), Usage(1, 2)],
        [Done()],
    ]


def test_a_count_with_every_chunk_is_told_once() -> None:
    usage = [{"prompt_tokens": 1, "completion_tokens": count} for count in (1, 2)]
    found = read(chunk({"content": "a"}, usage=usage[0]), chunk({"content": "b"}, usage=usage[1]), "[DONE]")
    assert found == [[Started("x", 7), Text("a")], [Text("b")], [Usage(1, 2), Done()]]


def test_an_error_in_an_array_is_one() -> None:
    (deltas,) = read([{"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}])
    assert isinstance(deltas[0], Failed)
    assert (deltas[0].code, "overloaded" in deltas[0].message) == (3040, True)


@pytest.mark.parametrize(
    "calls",
    [
        [{"index": 0, "id": "a", "function": {"name": "f"}}, {"index": 0, "id": "b", "function": {"name": "g"}}],
        [{"id": "a", "function": {"name": "f"}}, {"id": "b", "function": {"name": "g"}}],
        [{"function": {"name": "f"}}, {"function": {"name": "g"}}],
        [{"index": 4, "id": "a", "function": {"name": "f"}}, {"index": 7, "id": "b", "function": {"name": "g"}}],
    ],
)
def test_calls_are_told_apart(calls: list[Any]) -> None:
    numbers = CallNumbers(emission(CHAT), CallExtras())
    pieces = [numbers.piece(call) for call in calls]
    assert [(piece.index, piece.name, piece.begins) for piece in pieces] == [(0, "f", True), (1, "g", True)]
    assert len({piece.id for piece in pieces}) == 2


def test_an_id_repeated_with_every_piece_is_one_call() -> None:
    numbers = CallNumbers(emission(CHAT), CallExtras())
    pieces = [numbers.piece({"index": 0, "id": "a", "function": {"name": "f", "arguments": text}}) for text in ("{", "}")]
    assert [(piece.index, piece.begins, piece.arguments) for piece in pieces] == [(0, True, "{"), (0, False, "}")]


@pytest.mark.parametrize(
    ("reason", "called", "said"),
    [
        ("stop", False, "stop"),
        ("stop", True, "tool_calls"),
        ("length", True, "length"),
        ("function_call", True, "tool_calls"),
        ("content_filter", False, "content_filter"),
        (None, True, None),
    ],
)
def test_finish_reasons(reason: str | None, called: bool, said: str | None) -> None:
    assert finish_reason(reason, called=called) == said


def test_further_choices_and_probabilities_stay_in_chat_shape() -> None:
    document = {
        "choices": [
            {"index": 0, "message": {"content": "a"}, "finish_reason": "stop", "logprobs": {"content": []}},
            {"index": 1, "message": {"content": "b"}, "finish_reason": "stop"},
        ],
        "service_tier": "default",
    }
    answer = chat_answer(document, emission(CHAT), CallExtras())
    assert [choice["message"]["content"] for choice in answer["choices"]] == ["a", "b"]
    assert (answer["choices"][0]["logprobs"], answer["service_tier"]) == ({"content": []}, "default")
