"""Requests to Ollama's own API, row by row of ai-binding.md 4.1. Whatever is built here must also have the types of Ollama's."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from fakes.base import Seen
from fakes.ollama import FakeOllama

from emulator.gateway.ai.translation.ollama_request import OllamaRequest, embed_request, text_request
from emulator.gateway.ai.upstream_errors import Refused

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n0123").decode()
USER = {"role": "user", "content": "hi"}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "weather", "description": "d", "parameters": PARAMETERS}}
SCHEMA = {"title": "P", "type": "object", "properties": {"name": {"type": "string"}}}
BASE = {"model": "qwen3:8b", "stream": False, "messages": [USER]}


def translated(inputs: dict[str, Any]) -> OllamaRequest:
    request = text_request({"messages": [USER], **inputs}, "qwen3:8b", "ollama")
    FakeOllama().answer(Seen("POST", request.path, {}, {}, json.dumps(request.body).encode()), None)
    return request


def body(inputs: dict[str, Any]) -> dict[str, Any]:
    return translated(inputs).body


def refusal(inputs: dict[str, Any]) -> str:
    with pytest.raises(Refused) as caught:
        text_request(inputs, "qwen3:8b", "ollama")
    return str(caught.value)


def test_prompt_system_and_stream():
    assert body({}) == BASE
    assert body({"messages": None, "prompt": "hello", "stream": True}) == {
        "model": "qwen3:8b", "stream": True, "messages": [{"role": "user", "content": "hello"}],
    }  # fmt: skip
    messages = [{"role": "system", "content": "One."}, {"role": "developer", "content": "Two."}, USER]
    assert [one["role"] for one in body({"messages": messages})["messages"]] == ["system", "system", "user"]


def test_a_raw_prompt_is_generated():
    request = translated({"messages": None, "prompt": "<s>x", "raw": True, "max_tokens": 5})
    assert request.path == "/api/generate"
    assert request.body == {"model": "qwen3:8b", "stream": False, "prompt": "<s>x", "raw": True, "options": {"num_predict": 5}}
    assert translated({"prompt": "x", "raw": True, "tools": [TOOL]}).warnings == [
        "messages dropped: a raw prompt is sent alone",
        "tools dropped: a raw prompt is sent alone",
    ]
    assert "'prompt'" in refusal({"messages": [USER], "raw": True})


def test_pictures_are_base64_beside_the_text():
    parts = [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]
    assert body({"messages": [{"role": "user", "content": parts}]})["messages"] == [{"role": "user", "content": "see", "images": [PNG]}]
    assert body({"image": list(base64.b64decode(PNG))})["messages"] == [{**USER, "images": [PNG]}]
    far = [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]
    assert "https://example.com/a.png" in refusal({"messages": [{"role": "user", "content": far}]})


def test_calls_have_objects_and_results_have_names():
    messages = [
        USER,
        {
            "role": "assistant",
            "content": "",
            "reasoning": "because",
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}],
        },
        {"role": "tool", "tool_call_id": "a", "content": "18"},
    ]
    assert body({"messages": messages, "tools": [TOOL]})["messages"][1:] == [
        {
            "role": "assistant",
            "content": "",
            "thinking": "because",
            "tool_calls": [{"id": "a", "function": {"index": 0, "name": "weather", "arguments": {"city": "Paris"}}}],
        },
        {"role": "tool", "content": "18", "tool_name": "weather", "tool_call_id": "a"},
    ]


def test_tools():
    flat = {"name": "time", "parameters": {"properties": {}}}
    assert body({"tools": [TOOL, flat]})["tools"] == [
        TOOL,
        {"type": "function", "function": {"name": "time", "description": "", "parameters": {"type": "object", "properties": {}}}},
    ]
    assert translated({"tools": [TOOL], "tool_choice": "required"}).warnings == ["tool_choice dropped: Ollama cannot force a tool call"]
    none = translated({"tools": [TOOL], "tool_choice": "none"})
    assert ("tools" in none.body, len(none.warnings)) == (False, 1)
    assert translated({"tools": [TOOL], "tool_choice": "auto"}).warnings == []
    strict = {"type": "function", "function": {**TOOL["function"], "strict": True}}  # type: ignore[dict-item]
    assert len(translated({"tools": [strict], "parallel_tool_calls": False}).warnings) == 2


def test_embedded_functions_and_lora_are_refused():
    assert "functions" in refusal({"messages": [USER], "functions": [{"name": "f", "code": "1"}]})
    assert "LoRA" in refusal({"messages": [USER], "lora": "mine"})


def test_options():
    inputs = {
        "max_tokens": 9, "temperature": 4.5, "top_p": 0.9, "top_k": 40, "seed": 7, "repetition_penalty": 1.1, "frequency_penalty": 0.5,
        "presence_penalty": 0.25, "stop": "END",
    }  # fmt: skip
    request = translated(inputs)
    assert request.body["options"] == {
        "num_predict": 9, "temperature": 4.5, "top_p": 0.9, "top_k": 40, "seed": 7, "repeat_penalty": 1.1, "frequency_penalty": 0.5,
        "presence_penalty": 0.25, "stop": ["END"],
    }  # fmt: skip
    assert request.warnings == []


def test_what_has_no_counterpart_is_dropped_aloud():
    assert translated({"logit_bias": {"1": 2}, "made_up": 1, "n": 1, "logprobs": False}).warnings == [
        "logit_bias dropped: Ollama has no such parameter",
        "made_up dropped: Ollama has no such parameter",
    ]
    signed = {"type": "thinking", "thinking": "mm", "signature": "x"}
    assert "signed thinking" in translated({"messages": [USER, {"role": "assistant", "content": [signed]}, USER]}).warnings[0]


def test_formats():
    assert body({"response_format": {"type": "json_schema", "json_schema": SCHEMA}})["format"] == SCHEMA
    assert body({"response_format": {"type": "json_schema", "json_schema": {"name": "p", "schema": SCHEMA}}})["format"] == SCHEMA
    assert body({"guided_json": SCHEMA})["format"] == SCHEMA
    assert body({"response_format": {"type": "json_object"}})["format"] == "json"
    assert "format" not in body({"response_format": {"type": "text"}})


@pytest.mark.parametrize(
    ("inputs", "think"),
    [
        ({"reasoning_effort": "low"}, "low"),
        ({"reasoning_effort": "high"}, "high"),
        ({"reasoning_effort": None}, False),
        ({"reasoning_effort": "none"}, False),
        ({"chat_template_kwargs": {"enable_thinking": False}}, False),
        ({"chat_template_kwargs": {"enable_thinking": True}}, True),
    ],
)
def test_think(inputs: dict[str, Any], think: Any):
    request = translated(inputs)
    assert (request.body["think"], request.warnings) == (think, [])


def test_think_beyond_the_table():
    assert translated({"reasoning_effort": "minimal"}).warnings == ["reasoning_effort minimal clamped to low"]
    assert translated({"chat_template_kwargs": {"clear": 1}}).warnings == [
        "chat_template_kwargs.clear dropped: Ollama has no such parameter"
    ]
    assert "/reasoning_effort" in refusal({"messages": [USER], "reasoning_effort": 3})
    assert "think" not in body({})


def test_embeddings():
    request = embed_request({"text": ["a", "b"], "pooling": "cls", "truncate_inputs": True, "x": 1}, "nomic-embed-text")
    assert (request.path, request.body) == ("/api/embed", {"model": "nomic-embed-text", "input": ["a", "b"], "truncate": True})
    assert len(request.warnings) == 2
    assert embed_request({"text": "a"}, "m").body["input"] == ["a"]
    for text in (None, [], [1], 5):
        with pytest.raises(Refused):
            embed_request({"text": text}, "m")
