"""Whoever answers, the caller sees the same: OpenAI, Anthropic and Ollama give equal text, calls, finish reason and token counts (A6)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fakes.anthropic import FakeAnthropic
from fakes.asking import CHAT, LEGACY, Asker, asker, events, value
from fakes.ollama import FakeOllama
from fakes.openai import FakeOpenAi

from emulator.config.ai import BackendType
from emulator.gateway.ai.backends.anthropic import Anthropic
from emulator.gateway.ai.backends.ollama import Ollama
from emulator.gateway.ai.backends.openai import OpenAi

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
ASKED: dict[str, dict[str, Any]] = {
    "text": {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi you"}]},
    "prompt": {"prompt": "hi you", "max_tokens": 100},
    "tool": {"messages": [{"role": "user", "content": "the weather please"}], "tools": [TOOL]},
    "result": {
        "messages": [
            {"role": "user", "content": "the weather please"},
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_1", "name": "weather", "content": "sun"},
        ],
        "tools": [TOOL],
    },
}


async def said_by(kind: str, inputs: dict[str, Any], target: str) -> Any:
    if kind == "openai":
        async with FakeOpenAi() as fake, asker(OpenAi, BackendType.OPENAI, fake.base_url) as it:
            return await heard(it, inputs, target, "gpt-4o")
    if kind == "anthropic":
        async with FakeAnthropic() as fake, asker(Anthropic, BackendType.ANTHROPIC, fake.url, key="k") as it:
            return await heard(it, inputs, target, "claude-opus-4-8")
    async with FakeOllama() as fake, asker(Ollama, BackendType.OLLAMA, fake.url) as it:
        return await heard(it, inputs, target, "qwen3:8b")


async def heard(it: Asker, inputs: dict[str, Any], target: str, model: str) -> dict[str, Any]:
    reply = await it.ask(inputs, target=target, model=model)
    documents = (await events(reply))[:-1] if inputs.get("stream") else [await value(reply)]
    text, finish, usage, calls = "", None, None, {}
    for document in documents:
        choice = (document.get("choices") or [{}])[0]
        said = choice.get("delta") or choice.get("message") or {}
        text += said.get("content") or document.get("response") or ""
        finish = choice.get("finish_reason") or finish
        usage = document.get("usage") or usage
        for index, call in enumerate(said.get("tool_calls") or document.get("tool_calls") or []):
            function = call.get("function", call)
            found = calls.setdefault(call.get("index", index), {"name": "", "arguments": ""})
            found["name"] += function.get("name") or ""
            arguments = function.get("arguments")
            found["arguments"] += arguments if isinstance(arguments, str) else json.dumps(arguments)
    read = [(call["name"], json.loads(call["arguments"])) for call in calls.values()]
    tokens = (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"])
    return {"text": text, "finish": finish, "tokens": tokens, "calls": read}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("target", [LEGACY, CHAT])
@pytest.mark.parametrize("name", list(ASKED))
async def test_the_same_answer_from_each(name: str, target: str, stream: bool) -> None:
    inputs = {**ASKED[name], "stream": stream}
    first, *others = [await said_by(kind, inputs, target) for kind in ("openai", "anthropic", "ollama")]
    assert others == [first, first]
    expected = {"text": "You said: hi you", "prompt": "You said: hi you", "tool": "", "result": "The tool said: sun"}[name]
    assert first["text"] == expected
    assert first["calls"] == ([("weather", {"city": "example"})] if name == "tool" else [])
    assert first["finish"] == (None if target == LEGACY else "tool_calls" if name == "tool" else "stop")
