"""Requests and answers in one form for every dialect: what `ai show` renders and `$.turn` of `match.where` sees."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.curation.asked_messages import asked_of
from emulator.gateway.ai.curation.conversation import conversation_of, event_values, usage_in

ARGUMENTS = '{"city": "Paris"}'
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": ARGUMENTS}}
CHAT = {
    "stream": True,
    "tools": [{"type": "function", "function": {"name": "weather"}}],
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "Rain?"}, {"type": "image_url", "image_url": {"url": "data:"}}]},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "12"},
    ],
}
ANTHROPIC = {
    "stream": True,
    "system": [{"type": "text", "text": "Be kind."}],
    "tools": [{"name": "weather", "input_schema": {}}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Rain?"}, {"type": "image", "source": {}}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Paris"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "12"}]}]},
    ],
}
RESPONSES = {
    "stream": True,
    "instructions": "Be kind.",
    "tools": [{"type": "function", "name": "weather"}],
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "Rain?"}, {"type": "input_image", "image_url": ""}]},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": ARGUMENTS},
        {"type": "function_call_output", "call_id": "c1", "output": "12"},
    ],
}
OLLAMA = {
    "stream": True,
    "tools": CHAT["tools"],
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Rain?", "images": ["aGk="]},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "function": {"name": "weather", "arguments": {"city": "Paris"}}}]},
        {"role": "tool", "name": "c1", "content": "12"},
    ],
}
UNIVERSAL = [{"provider": "openai", "endpoint": "chat/completions", "headers": {}, "query": CHAT}]


@pytest.mark.parametrize("body", [CHAT, ANTHROPIC, RESPONSES, OLLAMA, UNIVERSAL])
def test_one_form_for_every_dialect(body: Any) -> None:
    asked = asked_of(body)
    assert [(message.role, message.text, message.other) for message in asked.messages] == [
        ("system", "Be kind.", ()),
        ("user", "Rain?", ("image",)),
        ("assistant", "", ()),
        ("tool", "12", ()),
    ]
    [call] = asked.messages[2].calls
    assert (call.name, call.arguments, call.id) == ("weather", {"city": "Paris"}, "c1")
    assert asked.turn() == {
        "user": "Rain?",
        "system": "Be kind.",
        "input": None,
        "assistants": 1,
        "after_tool": True,
        "tools": ["weather"],
        "stream": True,
        "tool_result": {"id": "c1", "text": "12"},
    }


def test_gemini_asks_in_contents() -> None:
    body = {
        "systemInstruction": {"parts": [{"text": "Be kind."}]},
        "tools": [{"functionDeclarations": [{"name": "weather"}, {"name": "time"}]}],
        "contents": [
            {"role": "user", "parts": [{"text": "Rain?"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": {"city": "Paris"}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {"t": 12}}}]},
        ],
    }
    asked = asked_of(body)
    assert [message.role for message in asked.messages] == ["system", "user", "assistant", "tool"]
    assert asked.tools == ("weather", "time")
    assert asked.turn()["tool_result"] == {"id": "weather", "text": '{"t": 12}'}


@pytest.mark.parametrize(
    ("body", "user", "plain"),
    [
        ({"prompt": "hi"}, "hi", None),
        ({"input": "hi", "model": "gpt-4o"}, "hi", None),
        ({"input": "hi", "model": "text-embedding-3-small"}, None, "hi"),
        ({"text": ["a", "b"]}, None, "a b"),
        (None, None, None),
        ("odd", None, None),
        ({"messages": "odd"}, None, None),
        ({"messages": ["odd", {"role": "user"}, {"content": {"odd": 1}}]}, '{"odd": 1}', None),
    ],
)
def test_other_requests(body: Any, user: str | None, plain: str | None) -> None:
    turn = asked_of(body).turn()
    assert (turn["user"], turn["input"]) == (user, plain)


def test_rules_of_stubs_see_the_turn() -> None:
    assert ModelRequest(Kind.RUN, "@cf/m", {"prompt": "hi"}).document()["turn"]["user"] == "hi"


def answered(response: dict[str, Any]) -> Any:
    return conversation_of({"request": {"body": None}, "response": response})


def sse(*values: Any) -> dict[str, Any]:
    events = [{"t": 10 * index, "json": value} for index, value in enumerate(values, 1)]
    return {"status": 200, "stream": {"framing": "sse", "events": events}}


def test_an_ollama_stream() -> None:
    lines = [
        {"message": {"content": "Ra", "thinking": "hm"}},
        {"message": {"content": "in"}},
        {"done": True, "prompt_eval_count": 3, "eval_count": 2},
    ]
    talk = answered({"status": 200, "stream": {"framing": "ndjson", "events": [{"t": 5, "json": line} for line in lines]}})
    assert (talk.said.text, talk.said.reasoning, talk.prompt_tokens, talk.completion_tokens) == ("Rain", "hm", 3, 2)


def test_gemini_answers_in_candidates() -> None:
    parts = [{"text": "hm", "thought": True}, {"text": "Rain"}, {"functionCall": {"name": "f", "args": {"a": 1}}}]
    usage = {"promptTokenCount": 7, "candidatesTokenCount": 1}
    value = {"candidates": [{"content": {"parts": parts}}], "usageMetadata": usage}
    talk = answered({"status": 200, "json": value})
    assert (talk.said.text, talk.said.reasoning, talk.prompt_tokens) == ("Rain", "hm", 7)
    assert [(call.name, call.arguments) for call in talk.said.calls] == [("f", {"a": 1})]


def test_times_and_errors() -> None:
    talk = answered(sse({"response": ""}, {"response": "Hel"}, {"response": "lo"}, {"response": "", "usage": {"prompt_tokens": 1}}))
    assert (talk.said.text, talk.first_ms, talk.last_ms, talk.prompt_tokens) == ("Hello", 20, 40, 1)
    envelopes = (
        {"error": {"message": "Slow down"}},
        {"errors": [{"code": 3040, "message": "Slow down"}], "success": False},
        {"type": "error", "error": {"type": "overloaded_error", "message": "Slow down"}},
        {"error": [{"code": 2003, "message": "Slow down"}], "internalCode": 2003},
    )
    assert [answered({"status": 429, "json": body}).error for body in envelopes] == ["Slow down"] * 4
    assert answered({"status": 200, "json": {"data": [[1]]}}).said is None


def test_a_rest_envelope_is_looked_into() -> None:
    talk = answered({"status": 200, "json": {"result": {"response": "Hi", "usage": {"prompt_tokens": 2}}, "success": True, "errors": []}})
    assert (talk.said.text, talk.prompt_tokens, talk.error) == ("Hi", 2, None)


def test_events_that_were_kept_raw() -> None:
    assert event_values("sse", {"t": 0, "raw": 'data: {"a": 1}\n\ndata: [DONE]\n\n'}) == [{"a": 1}]
    assert event_values("sse", {"t": 0, "b64": "ZGF0YTogeyJhIjoxfQoK"}) == [{"a": 1}]
    assert event_values("sse", {"t": 0, "text": "[DONE]"}) == []
    assert usage_in([1]) is None
