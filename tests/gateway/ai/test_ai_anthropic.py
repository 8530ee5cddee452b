"""The Anthropic backend against a fake that refuses what the real service refuses (ai-binding.md 4.2, 4.3)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from fakes import mind
from fakes.anthropic import FakeAnthropic
from fakes.asking import CHAT, LEGACY
from fakes.base import Step, event
from fakes.heard import Model, model_at

from emulator.config.ai import BackendType
from emulator.gateway.ai.reply import Source
from emulator.gateway.failures import NetworkFailure

KEY = "sk-ant-fake"
HELLO = {"messages": [{"role": "user", "content": "Say hello to me"}]}
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALLED = mind.Turn(calls=[mind.Call("weather", {"city": "Paris", "days": 2}, "toolu_01")], prompt_tokens=30, completion_tokens=9)


@pytest.fixture
async def fake() -> AsyncIterator[FakeAnthropic]:
    async with FakeAnthropic(key=KEY) as server:
        yield server


@pytest.fixture
async def ask(fake: FakeAnthropic) -> AsyncIterator[Model]:
    async with model_at(BackendType.ANTHROPIC, fake.url, "claude-sonnet-4-5", key=KEY) as model:
        yield model


async def test_legacy_json(fake: FakeAnthropic, ask: Model):
    heard = await ask(HELLO)
    assert heard.reply.response.status == 200
    assert heard.reply.response.headers == [("content-type", "application/json")]
    assert heard.json == {
        "response": "You said: Say hello to me",
        "usage": {"prompt_tokens": 4, "completion_tokens": 6, "total_tokens": 10},
    }
    assert heard.reply.source is Source.BACKEND
    assert (heard.reply.backend, heard.reply.backend_model, heard.warnings) == ("anthropic", "claude-sonnet-4-5", [])
    assert fake.last.headers["anthropic-version"] == "2023-06-01"
    assert fake.last.json == {"model": "claude-sonnet-4-5", "max_tokens": 256, **HELLO}


async def test_chat_json_has_the_requested_model_reasoning_and_cached_tokens(fake: FakeAnthropic, ask: Model):
    fake.script(Step(mind.says("Hi.", reasoning=["Hm,", " well."], prompt_tokens=100, cached_tokens=60, completion_tokens=5)))
    heard = await ask(HELLO, CHAT)
    [choice] = heard.json["choices"]
    assert heard.json["model"] == CHAT
    assert choice["message"] == {"role": "assistant", "content": "Hi.", "refusal": None, "reasoning_content": "Hm, well."}
    assert choice["finish_reason"] == "stop"
    usage = heard.json["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["prompt_tokens_details"]) == (100, 5, {"cached_tokens": 60})


@pytest.mark.parametrize(
    ("finish", "expected"), [("stop", "stop"), ("length", "length"), ("content_filter", "content_filter"), ("tool_calls", "tool_calls")]
)
@pytest.mark.parametrize("stream", [False, True])
async def test_finish_reasons(fake: FakeAnthropic, ask: Model, finish: str, expected: str, stream: bool):
    calls = [mind.Call("weather", {})] if finish == "tool_calls" else []
    fake.script(Step(mind.Turn(["Well."], calls=calls, finish=finish)))
    heard = await ask({**HELLO, "tools": [WEATHER], "stream": stream}, CHAT)
    document = [one for one in heard.events if one != "[DONE]" and one["choices"]][-1] if stream else heard.json
    assert document["choices"][0]["finish_reason"] == expected


async def test_tool_calls_in_both_shapes(fake: FakeAnthropic, ask: Model):
    inputs = {**HELLO, "tools": [WEATHER]}
    fake.script(Step(CALLED), Step(CALLED))
    legacy, chat = await ask(inputs), await ask(inputs, CHAT)
    assert legacy.json["tool_calls"] == [{"name": "weather", "arguments": {"city": "Paris", "days": 2}}]
    [call] = chat.json["choices"][0]["message"]["tool_calls"]
    assert (call["id"], call["type"], call["function"]["name"]) == ("toolu_01", "function", "weather")
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris", "days": 2}


async def test_legacy_stream(ask: Model):
    heard = await ask({**HELLO, "stream": True})
    assert heard.reply.response.headers == [("content-type", "text/event-stream")]
    *texts, usage, done = heard.events
    assert [one["response"] for one in texts] == ["You", " said:", " Say", " hello", " to", " me"]
    assert usage["usage"] == {"prompt_tokens": 4, "completion_tokens": 6, "total_tokens": 10}
    assert done == "[DONE]"


async def test_one_upstream_event_is_one_chunk(fake: FakeAnthropic, ask: Model):
    fake.script(Step(mind.says("a b c", reasoning=["x", " y"])))
    heard = await ask({**HELLO, "stream": True}, CHAT)
    # message_start, two thoughts, three words, message_delta (finish and usage), message_stop; pings, signatures, block ends are nothing
    assert len(heard.chunks) == 8
    said = [one["choices"][0]["delta"] for one in heard.events if one != "[DONE]" and one["choices"]]
    assert said[0] == {"role": "assistant", "content": ""}
    assert [one["reasoning_content"] for one in said if "reasoning_content" in one] == ["x", " y"]
    assert [one["content"] for one in said[1:] if one.get("content")] == ["a", " b", " c"]
    assert all(one["model"] == CHAT for one in heard.events if one != "[DONE]")


async def test_streamed_tool_call_begins_with_its_name_and_its_arguments_come_in_pieces(fake: FakeAnthropic, ask: Model):
    two = [*CALLED.calls, mind.Call("time", {})]
    fake.script(Step(mind.Turn(["Let me look."], calls=two)))
    heard = await ask({**HELLO, "tools": [WEATHER], "stream": True}, CHAT)
    deltas = [one["choices"][0]["delta"] for one in heard.events if one != "[DONE]" and one["choices"]]
    pieces = [call for delta in deltas for call in delta.get("tool_calls", ())]
    assert pieces[0] == {"index": 0, "id": "toolu_01", "type": "function", "function": {"name": "weather", "arguments": ""}}
    first = "".join(piece["function"]["arguments"] for piece in pieces if piece["index"] == 0)
    second = "".join(piece["function"]["arguments"] for piece in pieces if piece["index"] == 1)
    assert (json.loads(first), json.loads(second)) == ({"city": "Paris", "days": 2}, {})
    assert len([piece for piece in pieces if piece["index"] == 0]) == 3


async def test_tool_loop_of_two_steps(fake: FakeAnthropic, ask: Model):
    question = {"role": "user", "content": "use weather"}
    first = await ask({"messages": [question], "tools": [WEATHER]}, CHAT)
    message = first.json["choices"][0]["message"]
    again = {"role": "assistant", "content": "", "tool_calls": message["tool_calls"]}
    result = {"role": "tool", "name": "weather", "tool_call_id": message["tool_calls"][0]["id"], "content": "18 degrees"}
    second = await ask({"messages": [question, again, result], "tools": [WEATHER]}, CHAT)
    assert second.json["choices"][0]["message"]["content"] == "The tool said: 18 degrees"
    assert [sent["role"] for sent in fake.last.json["messages"]] == ["user", "assistant", "user"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-3-haiku-20240307", "claude-sonnet-5-5"])
async def test_object_output_by_structured_outputs_or_by_a_forced_tool(fake: FakeAnthropic, ask: Model, model: str, stream: bool):
    ask.name = model
    schema = {"type": "object", "title": "Person", "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}}}
    wanted = {**HELLO, "max_tokens": 500, "response_format": {"type": "json_schema", "json_schema": schema}, "stream": stream}
    heard = await ask(wanted, CHAT)
    said = heard.events[:-1] if stream else [heard.json]
    choices = [one["choices"][0] for one in said if one["choices"]]
    text = "".join((choice.get("delta") or choice.get("message") or {}).get("content") or "" for choice in choices)
    assert json.loads(text) == {"name": "example", "age": 1}
    assert choices[-1]["finish_reason"] == "stop"
    by_tool = model == "claude-3-haiku-20240307"
    assert ("tools" in fake.last.json) is by_tool
    assert any(("forced tool" if by_tool else "output_config.format") in warning for warning in heard.warnings)


async def test_legacy_json_mode_answers_the_parsed_object(ask: Model):
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    heard = await ask({**HELLO, "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}})
    assert heard.json["response"] == {"ok": True}


@pytest.mark.parametrize("text", ['{"a": 1}', '```json\n{"a": 1}\n```', '\n```\n{"a": 1}```\n'])
async def test_json_that_was_asked_for_in_words(fake: FakeAnthropic, ask: Model, text: str):
    fake.script(Step(mind.Turn([text])), Step(mind.Turn([text])))
    assert (await ask({**HELLO, "response_format": {"type": "json_object"}})).json["response"] == {"a": 1}
    assert (await ask(HELLO)).json["response"] == text


async def test_text_instead_of_json_is_json_mode_that_could_not_be_met(fake: FakeAnthropic, ask: Model):
    fake.script(Step(mind.says("I would rather not.")))
    status, _, text = (await ask({**HELLO, "response_format": {"type": "json_object"}})).error
    assert (status, "JSON Mode couldn't be met" in text) == (400, True)


async def test_a_question_about_a_picture(fake: FakeAnthropic, ask: Model):
    heard = await ask({"image": [0x89, 0x50, 0x4E, 0x47, 1, 2, 3], "prompt": "What is it?"}, "@cf/llava-hf/llava-1.5-7b-hf")
    assert heard.json == {"description": "You said: What is it? [picture]"}
    block = fake.last.json["messages"][0]["content"][1]
    assert block == {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORwECAw=="}}


@pytest.mark.parametrize(
    "model_id", ["@cf/baai/bge-base-en-v1.5", "@cf/openai/whisper", "@cf/deepgram/aura-1", "@cf/baai/bge-reranker-base"]
)
async def test_other_tasks_have_no_counterpart(fake: FakeAnthropic, ask: Model, model_id: str):
    status, code, text = (await ask({"text": "a"}, model_id)).error
    assert (status, code) == (400, 5006)
    assert "has no counterpart in the Messages API" in text
    assert fake.seen == []


@pytest.mark.parametrize(
    ("status", "kind", "message", "expected"),
    [
        (400, None, "messages: at least one message is required", (400, 5006)),
        (400, None, "prompt is too long: 210000 tokens > 200000 maximum", (400, 3030)),
        (400, None, "Your credit balance is too low to access the Anthropic API.", (429, 3036)),
        (401, None, "invalid x-api-key", (403, 10000)),
        (402, None, "no credits", (429, 3036)),
        (403, None, "not allowed", (403, 10000)),
        (404, None, "model: claude-none", (400, 5007)),
        (413, None, "Request exceeds the maximum size", (413, 3006)),
        (429, None, "This request would exceed your rate limit", (429, 3040)),
        (500, None, "Internal server error", (429, 3040)),
        (504, None, "timed out", (408, 3007)),
        (529, None, "Overloaded", (429, 3040)),
    ],
)
async def test_errors(fake: FakeAnthropic, ask: Model, status: int, kind: str | None, message: str, expected: tuple[int, int]):
    fake.script(Step(status=status, code=kind, message=message, headers={"retry-after": "7"} if status == 429 else {}))
    heard = await ask({**HELLO, "stream": status > 428})
    assert heard.error[:2] == expected
    assert KEY not in heard.error[2]
    assert (heard.reply.response.header("retry-after") == "7") is (status == 429)


async def test_an_overload_that_is_not_mapped_keeps_its_status(fake: FakeAnthropic):
    fake.script(Step(status=529, message="Overloaded"))
    async with model_at(BackendType.ANTHROPIC, fake.url, "claude-sonnet-4-5", key=KEY, map_overload=False) as ask:
        assert (await ask(HELLO)).error[:2] == (500, 529)


async def test_a_missing_key_names_its_variable_and_asks_nobody(fake: FakeAnthropic):
    async with model_at(BackendType.ANTHROPIC, fake.url, "claude-sonnet-4-5", key="env:MY_KEY") as ask:
        status, code, text = (await ask(HELLO)).error
    assert (status, code) == (403, 10000)
    assert "MY_KEY" in text
    assert fake.seen == []


@pytest.mark.parametrize(("kind", "code"), [("overloaded_error", 3040), ("api_error", 3040), ("authentication_error", 10000)])
async def test_an_error_inside_a_stream_ends_it_without_done(fake: FakeAnthropic, ask: Model, kind: str, code: int):
    error = event({"type": "error", "error": {"type": kind, "message": "so sorry"}}, "error")
    fake.script(Step(mind.says("one two three"), events=[error], at=5))
    *texts, last = (await ask({**HELLO, "stream": True})).events
    assert [one["response"] for one in texts] == ["one", " two"]
    assert last["error"]["code"] == code
    assert "so sorry" in last["error"]["message"]


async def test_a_stream_that_ends_too_early_has_no_done(fake: FakeAnthropic, ask: Model):
    fake.script(Step(mind.says("one two three"), stop_after=5))
    assert [one["response"] for one in (await ask({**HELLO, "stream": True})).events] == ["one", " two"]


async def test_a_torn_stream_breaks(fake: FakeAnthropic, ask: Model):
    fake.script(Step(mind.says("one two three"), stop_after=5, then="reset", gap_ms=2))
    with pytest.raises(NetworkFailure):
        await ask({**HELLO, "stream": True})


async def test_an_event_that_is_none_fails_the_stream(fake: FakeAnthropic, ask: Model):
    fake.script(Step(mind.says("one two"), events=[b'data: {"type": "content_block_delta"}\n\n'], at=4))
    assert "error" in (await ask({**HELLO, "stream": True})).events[-1]


async def test_unknown_events_and_blocks_are_ignored(fake: FakeAnthropic, ask: Model):
    new = [
        event({"type": "telepathy", "thought": 1}, "telepathy"),
        event({"type": "content_block_start", "index": 7, "content_block": {"type": "server_tool_use", "id": "x", "name": "y"}}),
        event({"type": "content_block_delta", "index": 7, "delta": {"type": "input_json_delta", "partial_json": ""}}),
        event({"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {}}}),
        event({"type": "content_block_stop", "index": 7}),
    ]
    fake.script(Step(mind.says("one two"), events=new, at=4))
    heard = await ask({**HELLO, "stream": True})
    assert "".join(one.get("response", "") for one in heard.events[:-1]) == "one two"
    assert heard.events[-1] == "[DONE]"


async def test_closing_the_answer_ends_the_request_upstream(fake: FakeAnthropic, ask: Model):
    fake.script(Step(mind.says("one two three four"), gap_ms=50))
    reply = await ask.begin({**HELLO, "stream": True})
    assert not isinstance(reply.response.body, bytes)
    await anext(reply.response.body)
    await reply.response.aclose()
    await fake.until(lambda: fake.last.left)
    assert fake.last.sent < 10


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("raw", [b"<html><title>502 Bad Gateway</title></html>", b"{}", b'{"content": [{"type": "text"}]}', b"[1]"])
async def test_an_answer_of_another_kind_says_what_it_is(fake: FakeAnthropic, ask: Model, raw: bytes, stream: bool):
    fake.script(Step(raw=raw, content_type="text/html" if raw.startswith(b"<") else "application/json"))
    status, _, text = (await ask({**HELLO, "stream": stream})).error
    assert status == 500
    assert fake.url in text


async def test_a_base_url_with_its_version_works_too(fake: FakeAnthropic):
    async with model_at(BackendType.ANTHROPIC, f"{fake.url}/v1/", "claude-opus-4.8", key=KEY) as ask:
        assert (await ask(HELLO)).json["response"] == "You said: Say hello to me"
    assert fake.last.json["model"] == "claude-opus-4-8"


async def test_lora_and_raw_prompts_are_refused(fake: FakeAnthropic, ask: Model):
    assert (await ask({**HELLO, "lora": "mine"})).error[:2] == (405, 5005)
    assert (await ask({"prompt": "<s>x", "raw": True})).error[:2] == (400, 5006)
    assert (await ask({**HELLO, "functions": [{"name": "f", "code": "1"}]})).error[:2] == (400, 5006)
    assert fake.seen == []


async def test_warnings_are_on_the_answer(ask: Model):
    heard = await ask({**HELLO, "temperature": 4, "seed": 7}, LEGACY)
    assert heard.warnings == ["temperature 4 clamped to 1", "seed dropped: Anthropic has no such parameter"]
    assert heard.reply.response.header("x-emulator-warnings") == "; ".join(heard.warnings)
