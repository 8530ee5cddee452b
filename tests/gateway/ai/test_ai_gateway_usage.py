"""Tokens from bodies of every dialect, and what they cost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from emulator.gateway.ai.ai_gateway.prices import Prices, prices_as_of
from emulator.gateway.ai.ai_gateway.settings import CustomCost
from emulator.gateway.ai.ai_gateway.usage import Tokens, UsageReader, tokens_of
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.stub.stub import Stub

SSE = "text/event-stream"


def sse(*events: Any, done: bool = True) -> bytes:
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    return "".join([*lines, *(["data: [DONE]\n\n"] if done else [])]).encode()


ANTHROPIC_START = {
    "type": "message_start",
    "message": {"usage": {"input_tokens": 5, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 2, "output_tokens": 1}},
}
ANTHROPIC_DELTA = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}}
RESPONSES = {"input_tokens": 4, "input_tokens_details": {"cached_tokens": 1}, "output_tokens": 6, "total_tokens": 10}
GEMINI = {"promptTokenCount": 4, "candidatesTokenCount": 5, "thoughtsTokenCount": 2, "cachedContentTokenCount": 1, "totalTokenCount": 11}
CHAT = {"prompt_tokens": 9, "completion_tokens": 8, "prompt_tokens_details": {"cached_tokens": 4}}

BODIES = {
    "workers-ai json": ("application/json", json.dumps({"response": "x", "usage": CHAT}).encode(), Tokens(9, 8, 4)),
    "workers-ai legacy stream": (SSE, sse({"response": "a"}, {"response": "", "usage": CHAT}), Tokens(9, 8, 4)),
    "chat json": ("application/json", json.dumps({"choices": [], "usage": CHAT}).encode(), Tokens(9, 8, 4)),
    "chat stream": (SSE, sse({"choices": [{}], "usage": None}, {"choices": [], "usage": CHAT}), Tokens(9, 8, 4)),
    "responses json": ("application/json", json.dumps({"usage": RESPONSES, "store": True}).encode(), Tokens(4, 6, 1)),
    "responses stream": (
        SSE,
        sse(
            {"type": "response.created", "response": {"usage": None}},
            {"type": "response.completed", "response": {"usage": RESPONSES}},
            done=False,
        ),
        Tokens(4, 6, 1),
    ),
    "anthropic json": ("application/json", json.dumps({"usage": {"input_tokens": 5, "output_tokens": 7}}).encode(), Tokens(5, 7)),
    "anthropic stream": (SSE, sse(ANTHROPIC_START, ANTHROPIC_DELTA, {"type": "message_stop"}, done=False), Tokens(10, 7, 3)),
    "gemini json": ("application/json", json.dumps({"candidates": [], "usageMetadata": GEMINI}).encode(), Tokens(4, 7, 1)),
    "gemini stream": (
        SSE,
        sse({"candidates": [{"finishReason": "STOP"}], "usageMetadata": GEMINI}, done=False),
        Tokens(4, 7, 1),
    ),
    "embeddings": ("application/json", json.dumps({"data": [[0.1]], "usage": {"total_tokens": 3}}).encode(), Tokens(3)),
    "none": ("application/json", b'{"response":"x"}', None),
}


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("name", BODIES)
def test_every_dialect_however_it_is_cut(name, size):
    content_type, body, expected = BODIES[name]
    reader = UsageReader(content_type)
    for at in range(0, len(body), size):
        reader.feed(body[at : at + size])
    assert tokens_of(reader.usage) == expected
    assert reader.finished


def test_a_stream_without_its_end_is_not_finished():
    for body in (sse({"response": "a"}, done=False), sse(ANTHROPIC_START, done=False), b""):
        reader = UsageReader(f"{SSE}; charset=utf-8")
        reader.feed(body)
        assert not reader.finished


def test_words_inside_a_text_do_not_count():
    reader = UsageReader(SSE)
    reader.feed(sse({"response": 'he said {"usage": {"prompt_tokens": 9}} and "message_stop" and "finishReason"'}, done=False))
    assert (reader.usage, reader.finished) == (None, False)


def test_little_is_kept_of_much():
    reader = UsageReader("application/json")
    reader.feed(b'{"data":[')
    for _ in range(500):
        reader.feed(b"0.123456789," * 1000)
    reader.feed(b'1],"usage":{"prompt_tokens":2,"completion_tokens":0}}')
    assert tokens_of(reader.usage) == Tokens(2, 0)
    assert len(reader._kept) < 200_000
    stream = UsageReader(SSE)
    for _ in range(500):
        stream.feed(b"x" * 10_000)
    assert len(stream._kept) < 300_000
    stream.feed(b"x" * 300_000)
    stream.feed(b'data: {"usage":{"prompt_tokens":1}}')  # still the long line
    stream.feed(b"\n\n")
    assert stream.usage is None
    stream.feed(sse({"response": "", "usage": CHAT}))
    assert (tokens_of(stream.usage), stream.finished) == (Tokens(9, 8, 4), True)


@pytest.mark.parametrize("usage", [None, {}, {"other": 1}, "x", 3])
def test_no_tokens(usage):
    assert tokens_of(usage) is None


def test_odd_counts_are_no_tokens():
    assert tokens_of({"prompt_tokens": "many", "completion_tokens": -3, "prompt_tokens_details": None}) == Tokens()


def test_the_stubs_own_streams_are_finished():
    for model in ("@cf/meta/llama-3.1-8b-instruct", "@cf/zai-org/glm-4.7-flash"):
        made = Stub().answer(ModelRequest(Kind.RUN, model, {"prompt": "hi", "stream": True}))
        reader = UsageReader(SSE)
        for chunk in made.chunks or ():
            reader.feed(chunk.data)
        assert reader.finished
        assert tokens_of(reader.usage) == tokens_of(made.usage)


def test_prices():
    prices = Prices({})
    assert prices.cost("gpt-4o-mini", Tokens(1_000_000, 1_000_000), None) == pytest.approx(0.75)
    assert prices.cost("openai/gpt-4o-2024-08-06", Tokens(1_000_000, 0), None) == pytest.approx(2.5)
    assert prices.cost("gpt-4o", Tokens(1_000_000, 0, 400_000), None) == pytest.approx(0.6 * 2.5 + 0.4 * 1.25)
    assert prices.cost("@cf/meta/llama-3.3-70b-instruct-fp8-fast", Tokens(0, 1_000_000), None) == pytest.approx(2.253)
    assert [prices.cost(name, Tokens(0, 1_000_000), None) for name in ("claude-opus-4-5", "anthropic/claude-opus-4.7")] == [25, 25]
    assert prices.cost("nobody/knows", Tokens(1, 1), None) is None
    assert prices.cost("gpt-4o", None, None) is None
    assert prices_as_of() > "2026"


def test_the_projects_prices_win_and_exact_ones_first():
    prices = Prices({"gpt-*": (1.0, 2.0), "gpt-4o": (3.0, 4.0), "@cf/*": (5.0, 6.0)})
    million = Tokens(1_000_000, 1_000_000)
    assert [prices.cost(model, million, None) for model in ("gpt-4o", "openai/gpt-4o", "gpt-4o-mini", "@cf/x")] == [7.0, 7.0, 3.0, 11.0]
    found = prices.find("gpt-4o")
    assert found is not None
    assert found.source == "config"


def test_custom_costs():
    prices = Prices({})
    assert prices.cost("gpt-4o", Tokens(2, 3), CustomCost(1.0, 10.0)) == 32.0
    assert prices.cost("gpt-4o", Tokens(2, 3), CustomCost(total=0.5)) == 0.5
    assert prices.cost("gpt-4o", None, CustomCost(1.0, 10.0)) == 0.0
