"""The Ollama backend against a fake that is as strict as Ollama's Go types (ai-binding.md 4.2, 4.3)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from fakes import mind
from fakes.asking import CHAT
from fakes.base import Step
from fakes.heard import Model, model_at
from fakes.ollama import FakeOllama, line

from emulator.config.ai import BackendType
from emulator.gateway.ai.reply import Source
from emulator.gateway.failures import NetworkFailure

HELLO = {"messages": [{"role": "user", "content": "Say hello to me"}]}
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "d",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
TWO_CALLS = mind.Turn(["Let", " me", " look."], calls=[mind.Call("weather", {"city": "Paris"}), mind.Call("weather", {"city": "Rome"})])


@pytest.fixture
async def fake() -> AsyncIterator[FakeOllama]:
    async with FakeOllama() as server:
        yield server


@pytest.fixture
async def ask(fake: FakeOllama) -> AsyncIterator[Model]:
    async with model_at(BackendType.OLLAMA, fake.url, "qwen3:8b") as model:
        yield model


async def test_legacy_json(ask: Model):
    heard = await ask(HELLO)
    assert heard.reply.response.headers == [("content-type", "application/json")]
    assert heard.json == {
        "response": "You said: Say hello to me",
        "usage": {"prompt_tokens": 4, "completion_tokens": 6, "total_tokens": 10},
    }
    assert (heard.reply.source, heard.reply.backend, heard.reply.backend_model) == (Source.BACKEND, "ollama", "qwen3:8b")


async def test_chat_json_with_thinking(fake: FakeOllama, ask: Model):
    fake.script(Step(mind.says("Hi.", reasoning=["Hm,", " well."])))
    heard = await ask({**HELLO, "reasoning_effort": "low"}, CHAT)
    [choice] = heard.json["choices"]
    assert choice["message"]["reasoning_content"] == "Hm, well."
    assert (choice["message"]["content"], choice["finish_reason"], heard.json["model"]) == ("Hi.", "stop", CHAT)
    assert heard.json["created"] == 1795341600
    assert fake.last.json["think"] == "low"


@pytest.mark.parametrize(("finish", "expected"), [("stop", "stop"), ("length", "length"), ("tool_calls", "tool_calls")])
@pytest.mark.parametrize("stream", [False, True])
async def test_finish_reasons(fake: FakeOllama, ask: Model, finish: str, expected: str, stream: bool):
    calls = [mind.Call("weather", {})] if finish == "tool_calls" else []
    fake.script(Step(mind.Turn(["Well."], calls=calls, finish=finish)))
    heard = await ask({**HELLO, "tools": [WEATHER], "stream": stream}, CHAT)
    document = [one for one in heard.events if one != "[DONE]" and one["choices"]][-1] if stream else heard.json
    assert document["choices"][0]["finish_reason"] == expected


async def test_tool_calls_get_ids_that_are_the_same_every_time(fake: FakeOllama, ask: Model):
    fake.script(Step(TWO_CALLS), Step(TWO_CALLS), Step(TWO_CALLS))
    first, again = [await ask({**HELLO, "tools": [WEATHER]}, CHAT) for _ in range(2)]
    calls = first.json["choices"][0]["message"]["tool_calls"]
    assert [json.loads(call["function"]["arguments"])["city"] for call in calls] == ["Paris", "Rome"]
    assert calls[0]["id"].startswith("call_")
    assert calls[0]["id"] != calls[1]["id"]
    assert again.json["choices"][0]["message"]["tool_calls"] == calls
    legacy = await ask({**HELLO, "tools": [WEATHER]})
    assert legacy.json["tool_calls"][1] == {"name": "weather", "arguments": {"city": "Rome"}}


async def test_legacy_stream(ask: Model):
    heard = await ask({**HELLO, "stream": True})
    assert heard.reply.response.headers == [("content-type", "text/event-stream")]
    *texts, usage, done = heard.events
    assert [one["response"] for one in texts] == ["You", " said:", " Say", " hello", " to", " me"]
    assert (usage["usage"]["total_tokens"], done) == (10, "[DONE]")
    assert len(heard.chunks) == 7


async def test_one_line_is_one_chunk_and_calls_arrive_whole(fake: FakeOllama, ask: Model):
    fake.script(Step(TWO_CALLS))
    heard = await ask({**HELLO, "tools": [WEATHER], "stream": True}, CHAT)
    assert len(heard.chunks) == 3 + 2 + 1
    pieces = [
        call for one in heard.events if one != "[DONE]" and one["choices"] for call in one["choices"][0]["delta"].get("tool_calls", ())
    ]
    assert [(piece["index"], json.loads(piece["function"]["arguments"])) for piece in pieces] == [
        (0, {"city": "Paris"}),
        (1, {"city": "Rome"}),
    ]


async def test_lines_may_be_cut_anywhere(fake: FakeOllama, ask: Model):
    lines = b"".join(
        line({"model": "m", "message": {"content": text}, "done": done, "done_reason": "stop"})
        for text, done in (("ä", False), ("ö", True))
    )
    fake.script(Step(mind.says(""), events=[lines[at : at + 3] for at in range(0, len(lines), 3)], stop_after=len(lines) // 3 + 1))
    heard = await ask({**HELLO, "stream": True})
    assert "".join(one.get("response", "") for one in heard.events[:-1]) == "äö"
    assert heard.events[-1] == "[DONE]"


async def test_tool_loop_of_two_steps(fake: FakeOllama, ask: Model):
    question = {"role": "user", "content": "use weather"}
    first = await ask({"messages": [question], "tools": [WEATHER]}, CHAT)
    calls = first.json["choices"][0]["message"]["tool_calls"]
    result = {"role": "tool", "name": "weather", "tool_call_id": calls[0]["id"], "content": "18 degrees"}
    again = {"role": "assistant", "content": "", "tool_calls": calls}
    second = await ask({"messages": [question, again, result], "tools": [WEATHER]}, CHAT)
    assert second.json["choices"][0]["message"]["content"] == "The tool said: 18 degrees"
    assert fake.last.json["messages"][2]["tool_name"] == "weather"


async def test_object_output(ask: Model):
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}}
    wanted = {**HELLO, "response_format": {"type": "json_schema", "json_schema": schema}}
    assert (await ask(wanted)).json["response"] == {"ok": True}
    streamed = await ask({**wanted, "stream": True})
    assert json.loads("".join(one.get("response", "") for one in streamed.events[:-1])) == {"ok": True}
    assert streamed.warnings == ["JSON Mode does not stream on Workers AI; here the text of the JSON is streamed"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_raw_prompt(fake: FakeOllama, ask: Model, stream: bool):
    heard = await ask({"prompt": "<s>go", "raw": True, "stream": stream})
    text = "".join(one.get("response", "") for one in heard.events[:-1]) if stream else heard.json["response"]
    assert (text, fake.last.path) == ("You said: <s>go", "/api/generate")


async def test_a_question_about_a_picture(ask: Model):
    heard = await ask({"image": [0x89, 0x50, 0x4E, 0x47], "prompt": "What is it?"}, "@cf/llava-hf/llava-1.5-7b-hf")
    assert heard.json == {"description": "You said: What is it?"}


async def test_embeddings(ask: Model):
    ask.name = "nomic-embed-text"
    heard = await ask({"text": ["one", "two"]}, "@cf/baai/bge-base-en-v1.5")
    assert heard.json["shape"] == [2, 768]
    assert [len(vector) for vector in heard.json["data"]] == [768, 768]
    assert (heard.json["pooling"], heard.warnings) == ("mean", [])
    small = await ask({"text": ["one"]}, "@cf/baai/bge-small-en-v1.5")
    assert small.warnings == ["vectors have 768 dimensions, and those of @cf/baai/bge-small-en-v1.5 have 384"]
    assert (await ask({"text": ["one"]}, "@cf/baai/bge-m3")).json["response"] is None


@pytest.mark.parametrize("model_id", ["@cf/openai/whisper", "@cf/deepgram/aura-1", "@cf/baai/bge-reranker-base"])
async def test_other_tasks_have_no_counterpart(fake: FakeOllama, ask: Model, model_id: str):
    status, code, text = (await ask({"text": "a"}, model_id)).error
    assert (status, code) == (400, 5006)
    assert "has no counterpart in Ollama's API" in text
    assert fake.seen == []


@pytest.mark.parametrize(
    ("name", "inputs", "expected", "says"),
    [
        ("none", {}, (400, 5007), "model 'none' not found"),
        ("llama3.2", {"reasoning_effort": "high"}, (400, 5006), "does not support thinking"),
        ("gemma3", {"tools": [WEATHER]}, (400, 5006), "does not support tools"),
        ("nomic-embed-text", {}, (400, 5006), "does not support chat"),
        ("qwen3:8b", {"seed": "x"}, (429, 3040), "must be of type integer"),
    ],
)
async def test_what_ollama_itself_refuses(ask: Model, name: str, inputs: dict[str, object], expected: tuple[int, int], says: str):
    ask.name = name
    heard = await ask({**HELLO, **inputs})
    assert heard.error[:2] == expected
    assert says in heard.error[2]


async def test_a_model_that_is_not_pulled_says_how_to_pull_it(ask: Model):
    ask.name = "qwen4"
    assert "ollama pull qwen4" in (await ask(HELLO)).error[2]


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (400, "the input length exceeds the context length", (400, 3030)),
        (401, "unauthorized", (403, 10000)),
        (429, "too many requests", (429, 3040)),
        (500, "llama runner process has terminated", (429, 3040)),
        (503, "server busy, please try again. maximum pending requests exceeded", (429, 3040)),
    ],
)
async def test_errors(fake: FakeOllama, ask: Model, status: int, message: str, expected: tuple[int, int]):
    fake.script(Step(status=status, message=message))
    heard = await ask({**HELLO, "stream": status > 428})
    assert heard.error[:2] == expected


async def test_an_error_inside_a_stream_ends_it_without_done(fake: FakeOllama, ask: Model):
    fake.script(Step(mind.says("one two three"), events=[line({"error": "an error was encountered while running the model"})], at=2))
    *texts, last = (await ask({**HELLO, "stream": True})).events
    assert [one["response"] for one in texts] == ["one", " two"]
    assert last["error"]["code"] == 3040
    assert "while running the model" in last["error"]["message"]


@pytest.mark.parametrize("broken", [b"<html>\n", b"[]\n", b"{}\n", b'{"message": {"tool_calls": [{}]}}\n'])
async def test_a_line_that_is_none_fails_the_stream(fake: FakeOllama, ask: Model, broken: bytes):
    fake.script(Step(mind.says("one two"), events=[broken], at=1))
    assert "error" in (await ask({**HELLO, "stream": True})).events[-1]


async def test_a_stream_that_ends_too_early_has_no_done(fake: FakeOllama, ask: Model):
    fake.script(Step(mind.says("one two three"), stop_after=2))
    assert [one["response"] for one in (await ask({**HELLO, "stream": True})).events] == ["one", " two"]


async def test_a_torn_stream_breaks(fake: FakeOllama, ask: Model):
    fake.script(Step(mind.says("one two three"), stop_after=2, then="reset", gap_ms=2))
    with pytest.raises(NetworkFailure):
        await ask({**HELLO, "stream": True})


async def test_closing_the_answer_ends_the_request_upstream(fake: FakeOllama, ask: Model):
    fake.script(Step(mind.says("one two three four"), gap_ms=50))
    reply = await ask.begin({**HELLO, "stream": True})
    assert not isinstance(reply.response.body, bytes)
    await anext(reply.response.body)
    await reply.response.aclose()
    await fake.until(lambda: fake.last.left)
    assert fake.last.sent < 5


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("raw", [b"<html><title>Welcome to nginx</title></html>", b"{}", b'{"message": 5}', b"[1]"])
async def test_an_answer_of_another_kind_says_what_it_is(fake: FakeOllama, ask: Model, raw: bytes, stream: bool):
    fake.script(Step(raw=raw, content_type="text/html" if raw.startswith(b"<") else "application/json"))
    status, _, text = (await ask({**HELLO, "stream": stream})).error
    assert status == 500
    assert fake.url in text


async def test_nobody_is_there():
    async with model_at(BackendType.OLLAMA, "http://127.0.0.1:9", "qwen3:8b") as ask:
        status, code, text = (await ask(HELLO)).error
    assert (status, code) == (429, 3040)
    assert "http://127.0.0.1:9" in text


@pytest.mark.parametrize("suffix", ["/v1", "/api", "/", "/v1/"])
async def test_a_base_url_of_one_of_its_apis_works_too(fake: FakeOllama, suffix: str):
    async with model_at(
        BackendType.OLLAMA, fake.url + suffix, "qwen3:8b", key="env:OLLAMA_API_KEY", variables={"OLLAMA_API_KEY": "k"}
    ) as ask:
        assert (await ask(HELLO)).json["response"] == "You said: Say hello to me"
    assert (fake.last.path, fake.last.headers["authorization"]) == ("/api/chat", "Bearer k")
