"""`anthropic/*` models through the binding: what passes in Anthropic's own words, and in which format it is asked for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fakes import mind
from fakes.anthropic import FakeAnthropic
from fakes.base import Step
from fakes.heard import Model, model_at

from emulator.config.ai import BackendType
from emulator.gateway.ai.translation.anthropic_models import anthropic_name
from emulator.gateway.ai.translation.anthropic_native import Native, native_part

SLUG = "anthropic/claude-opus-4.8"
BLOCKS = {"max_tokens": 64, "messages": [{"role": "user", "content": [{"type": "text", "text": "hi there"}]}]}
CHAT = {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi there"}], "max_completion_tokens": 64}


@pytest.fixture
async def fake() -> AsyncIterator[FakeAnthropic]:
    async with FakeAnthropic(key="k") as server:
        yield server


@pytest.fixture
async def ask(fake: FakeAnthropic) -> AsyncIterator[Model]:
    async with model_at(BackendType.ANTHROPIC, fake.url, SLUG, key="k") as model:
        yield model


def test_names_of_the_catalogue_become_anthropics():
    names = ["anthropic/claude-opus-4.8", "claude-sonnet-5.5", "claude-sonnet-4-5-20250929", "qwen2.5", "anthropic/claude-haiku-5-5"]
    assert [anthropic_name(name) for name in names] == [
        "claude-opus-4-8", "claude-sonnet-5-5", "claude-sonnet-4-5-20250929", "qwen2.5", "claude-haiku-5-5",
    ]  # fmt: skip


async def test_messages_in_and_out(fake: FakeAnthropic, ask: Model):
    heard = await ask(BLOCKS, SLUG, options={"returnRawResponse": True})
    assert fake.last.json == {**BLOCKS, "model": "claude-opus-4-8"}
    assert heard.reply.response.headers == [("content-type", "application/json")]
    assert heard.json["type"] == "message"
    assert heard.json["content"] == [{"type": "text", "text": "You said: hi there"}]
    assert heard.warnings == []


async def test_a_stream_in_anthropics_words_keeps_its_bytes(fake: FakeAnthropic, ask: Model):
    fake.script(Step(mind.says("one two"), gap_ms=3))
    heard = await ask({**BLOCKS, "stream": True}, SLUG)
    assert heard.reply.response.headers == [("content-type", "text/event-stream")]
    kinds = [json.loads(line[6:])["type"] for line in heard.body.decode().splitlines() if line.startswith("data: ")]
    names = [line[7:] for line in heard.body.decode().splitlines() if line.startswith("event: ")]
    assert kinds == names
    assert names == [
        "message_start", "content_block_start", "ping", "content_block_delta", "content_block_delta", "content_block_stop",
        "message_delta", "message_stop",
    ]  # fmt: skip
    assert len(heard.chunks) == len(names)


async def test_version_and_beta_go_on(fake: FakeAnthropic, ask: Model):
    await ask(BLOCKS, SLUG, headers={"anthropic-beta": "context-1m-2025-08-07", "anthropic-version": "2026-10-21"})
    assert fake.last.headers["anthropic-beta"] == "context-1m-2025-08-07"
    assert fake.last.headers["anthropic-version"] == "2026-10-21"


async def test_chat_completions_are_answered_as_chat_completions(fake: FakeAnthropic, ask: Model):
    heard = await ask(CHAT, SLUG, options={"openaiEndpoint": "/v1/chat/completions"})
    assert heard.json["choices"][0]["message"]["content"] == "You said: hi there"
    assert heard.json["model"] == SLUG
    assert fake.last.json["system"] == "Be brief."


async def test_chat_completions_that_are_named_stream_in_anthropics_events(ask: Model):
    heard = await ask({**CHAT, "stream": True}, SLUG, options={"openaiEndpoint": "/v1/chat/completions"})
    assert heard.body.startswith(b"event: message_start\n")


async def test_chat_completions_of_a_client_that_names_no_format_stream_as_chat(ask: Model):
    heard = await ask({**CHAT, "stream": True}, SLUG)
    assert heard.events[0]["object"] == "chat.completion.chunk"
    assert heard.events[-1] == "[DONE]"
    assert "this stream is in chat shape" in heard.warnings[-1]


async def test_responses_are_not_spoken(fake: FakeAnthropic, ask: Model):
    assert (await ask({"input": "hi"}, SLUG, options={"openaiEndpoint": "/v1/responses"})).error[:2] == (400, 5006)
    assert fake.seen == []


async def test_a_refused_native_request_throws_as_every_other(ask: Model):
    status, code, text = (await ask({**BLOCKS, "max_tokens": 10_000_000}, SLUG)).error
    assert (status, code) == (400, 5006)
    assert "which is the maximum allowed number of output tokens" in text


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (BLOCKS, Native.ALL),
        ({"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}, Native.ALL),
        ({**BLOCKS, "system": "x", "tools": [{"name": "t", "input_schema": {}}], "tool_choice": {"type": "any"}}, Native.ALL),
        ({**BLOCKS, "tools": [{"type": "web_search_20250305", "name": "web_search"}]}, Native.ALL),
        ({"messages": [{"role": "user", "content": "hi"}]}, Native.NOTHING),
        ({**BLOCKS, "tools": [{"type": "function", "function": {"name": "t"}}]}, Native.NOTHING),
        ({**BLOCKS, "tools": [{"name": "t", "parameters": {}}]}, Native.NOTHING),
        ({**BLOCKS, "tool_choice": "auto"}, Native.NOTHING),
        ({**BLOCKS, "response_format": {"type": "json_object"}}, Native.NOTHING),
        ({"max_tokens": 9, "messages": [{"role": "system", "content": "x"}]}, Native.NOTHING),
        ({"max_tokens": 9, "messages": [{"role": "assistant", "content": "", "tool_calls": []}]}, Native.NOTHING),
        ({"max_tokens": 9, "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, Native.NOTHING),
        ({"prompt": "hi", "max_tokens": 9}, Native.NOTHING),
    ],
)
def test_inputs_tell_their_format(inputs: dict[str, Any], expected: Native):
    assert native_part(SLUG, inputs, {}) is expected
    assert native_part("@cf/meta/llama-3.1-8b-instruct", inputs, {}) is Native.NOTHING


def test_a_named_format_wins():
    assert native_part(SLUG, CHAT, {"openaiEndpoint": "/v1/messages"}) is Native.ALL
    assert native_part(SLUG, BLOCKS, {"openaiEndpoint": "/v1/chat/completions"}) is Native.NOTHING


async def test_inputs_that_fit_both_formats_are_anthropics_and_say_so(ask: Model):
    plain = {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    heard = await ask(plain, SLUG)
    assert heard.json["type"] == "message"
    assert "fit Anthropic's format and chat completions alike" in heard.warnings[0]
    for told in ({"system": "x"}, {"thinking": {"type": "disabled"}}):
        assert (await ask({**plain, **told}, SLUG)).warnings == []
    assert (await ask(plain, SLUG, options={"openaiEndpoint": "/v1/messages"})).warnings == []
    assert (await ask(plain, SLUG, options={"openaiEndpoint": "/v1/chat/completions"})).json["object"] == "chat.completion"
