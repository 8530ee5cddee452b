"""The nine calls of the Workers AI provider, in the words it sends (ai-binding.md 2.1), to each family of backends (A6): what a family can
do it answers alike, what it cannot it refuses."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from fakes import media, mind
from fakes.anthropic import FakeAnthropic
from fakes.asking import CHAT, LEGACY
from fakes.base import FakeServer, Step
from fakes.heard import Heard, Model, model_at
from fakes.ollama import FakeOllama
from fakes.openai import FakeOpenAi

from emulator.config.ai import BackendType

TALKERS = ["vllm", "openai", "anthropic", "anthropic, older", "ollama"]
SHAPES = [LEGACY, CHAT]
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
}
PERSON = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "person",
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "tags": {"type": "array", "items": {"type": "string"}}},
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}
SYSTEM = {"role": "system", "content": "You are brief."}
HELLO = {"role": "user", "content": "Say hello to the whole world"}
FORECAST = {"role": "user", "content": "use weather for Paris"}


@dataclass
class Said:
    """What the caller learns."""

    text: str = ""
    reasoning: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    finish: str | None = None
    tokens: tuple[int, int, int] | None = None


@asynccontextmanager
async def talker(name: str) -> AsyncIterator[tuple[FakeServer, Model]]:
    if name in ("vllm", "openai"):
        async with FakeOpenAi(flavour=name) as openai, model_at(BackendType.OPENAI, openai.base_url, "gpt-4o") as model:
            yield openai, model
    elif name == "ollama":
        async with FakeOllama() as ollama, model_at(BackendType.OLLAMA, ollama.url, "qwen3:8b") as model:
            yield ollama, model
    else:
        known = "claude-opus-4-8" if name == "anthropic" else "claude-3-haiku-20240307"
        async with FakeAnthropic(key="k") as anthropic, model_at(BackendType.ANTHROPIC, anthropic.url, known, key="k") as model:
            yield anthropic, model


def said(heard: Heard) -> Said:
    """From an answer of either shape, whole or streamed."""
    streamed = heard.reply.response.header("content-type") == "text/event-stream"
    documents = heard.events if streamed else [heard.json]
    if streamed:
        assert documents.pop() == "[DONE]"
    found, pieces = Said(), dict[int, list[str]]()
    for document in documents:
        choice = (document.get("choices") or [{}])[0]
        message = choice.get("delta") or choice.get("message") or document
        response = message.get("content") or document.get("response") or ""
        found.text += response if isinstance(response, str) else json.dumps(response)
        found.reasoning += message.get("reasoning_content") or ""
        found.finish = choice.get("finish_reason") or found.finish
        if usage := document.get("usage"):
            found.tokens = (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"])
        for place, call in enumerate(message.get("tool_calls") or ()):
            function = call.get("function", call)
            arguments = function["arguments"] if isinstance(function["arguments"], str) else json.dumps(function["arguments"])
            name, text = pieces.setdefault(call.get("index", place), ["", ""])
            pieces[call.get("index", place)] = [name + (function.get("name") or ""), text + arguments]
    found.calls = [(name, json.loads(text)) for name, text in pieces.values()]
    return found


async def answers(inputs: dict[str, Any], target: str, turn: mind.Turn | None = None, names: list[str] = TALKERS) -> list[Said]:
    """Of every family, to the same inputs."""
    found = []
    for name in names:
        async with talker(name) as (fake, ask):
            fake.script(Step(turn))
            found.append(said(await ask(inputs, target)))
    return found


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("target", SHAPES)
async def test_1_and_2_generate_and_stream_text(target: str, stream: bool):
    inputs = {"messages": [SYSTEM, HELLO], "temperature": 0.5, "max_tokens": 300, **({"stream": True} if stream else {})}
    expected = Said("You said: Say hello to the whole world", finish="stop" if target == CHAT else None, tokens=(9, 8, 17))
    assert await answers(inputs, target) == [expected] * len(TALKERS)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("target", SHAPES)
@pytest.mark.parametrize("finish", ["stop", "length"])
async def test_reasoning_finish_and_counts_as_the_model_gives_them(target: str, stream: bool, finish: str):
    turn = mind.Turn(["One", " two\n", "three"], ["Let me", " think."], finish=finish, prompt_tokens=120, completion_tokens=33)
    inputs = {"messages": [HELLO], "stream": stream, "max_tokens": 900}
    chat = target == CHAT
    expected = Said("One two\nthree", "Let me think." if chat else "", [], finish if chat else None, (120, 33, 153))
    assert await answers(inputs, target, turn, ["vllm", "anthropic", "ollama"]) == [expected] * 3


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("target", SHAPES)
async def test_3_a_tool_loop_of_two_steps(target: str, stream: bool):
    common = {"tools": [TOOL], "tool_choice": "auto", "max_tokens": 300, **({"stream": True} if stream else {})}
    chat = target == CHAT
    for name in TALKERS:
        async with talker(name) as (fake, ask):
            first = said(await ask({**common, "messages": [SYSTEM, FORECAST]}, target))
            assert first == Said("", "", [("weather", {"city": "example", "days": 1})], "tool_calls" if chat else None, (7, 4, 11)), name
            call = {"id": "given", "type": "function", "function": {"name": "weather", "arguments": '{"city":"example","days":1}'}}
            messages = [
                SYSTEM,
                FORECAST,
                {"role": "assistant", "content": "", "tool_calls": [call]},
                {"role": "tool", "name": "weather", "tool_call_id": "given", "content": '{"degrees":18}'},
            ]
            second = said(await ask({**common, "messages": messages}, target))
            assert second == Said('The tool said: {"degrees":18}', "", [], "stop" if chat else None, (8, 4, 12)), name
            assert len(fake.seen) == 2


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("target", SHAPES)
async def test_two_calls_in_one_answer(target: str, stream: bool):
    calls = [mind.Call("weather", {"city": "Paris", "days": 2}), mind.Call("weather", {"city": "Zürich", "days": 3})]
    turn = mind.Turn(["Let me look."], calls=calls, prompt_tokens=5, completion_tokens=6)
    inputs = {"messages": [FORECAST], "tools": [TOOL], "stream": stream, "max_tokens": 300}
    expected = Said(
        "Let me look.", "", [(call.name, call.arguments) for call in calls], "tool_calls" if target == CHAT else None, (5, 6, 11)
    )
    assert await answers(inputs, target, turn) == [expected] * len(TALKERS)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("target", SHAPES)
async def test_4_object_output(target: str, stream: bool):
    inputs = {"messages": [HELLO], "max_tokens": 300, "response_format": {"type": "json_schema", "json_schema": PERSON}, "stream": stream}
    for answer in await answers(inputs, target):
        assert json.loads(answer.text) == {"name": "example", "age": 1, "tags": ["example"]}
        assert (answer.calls, answer.finish, answer.tokens) == ([], "stop" if target == CHAT else None, (6, 6, 12))


async def test_5_embed_many():
    texts = {"text": ["sunny day at the beach", "rainy afternoon", "sunny day at the beach"]}
    for name, known in (("openai", "text-embedding-3-small"), ("ollama", "nomic-embed-text")):
        async with talker(name) as (_, ask):
            ask.name = known
            answer = (await ask(texts, "@cf/baai/bge-base-en-v1.5")).json
            count, length = answer["shape"]
            assert (count, {len(vector) for vector in answer["data"]}) == (3, {length})
            assert answer["data"][0] == answer["data"][2] != answer["data"][1]


async def test_6_generate_image():
    async with talker("openai") as (_, ask):
        inputs = {"prompt": "a fox", "height": 256, "width": 256, "seed": 7}
        flux = await ask(inputs, "@cf/black-forest-labs/flux-1-schnell")
        assert base64.b64decode(flux.json["image"]) == media.PNG
        diffusion = await ask(inputs, "@cf/stabilityai/stable-diffusion-xl-base-1.0")
        assert (diffusion.body, diffusion.reply.response.header("content-type")) == (media.PNG, "image/png")


async def test_7_transcription():
    async with talker("openai") as (_, ask):
        sound = base64.b64encode(media.MP3).decode()
        assert (await ask({"audio": sound}, "@cf/openai/whisper-large-v3-turbo")).json["text"] == "Hello from the fake."
        assert (await ask({"audio": list(media.MP3)}, "@cf/openai/whisper")).json["word_count"] == 4
        nova = await ask({"audio": {"body": sound, "contentType": "audio/mpeg"}}, "@cf/deepgram/nova-3")
        assert nova.json["results"]["channels"][0]["alternatives"][0]["transcript"] == "Hello from the fake."


async def test_8_speech():
    async with talker("openai") as (_, ask):
        heard = await ask({"text": "Hello", "voice": "luna"}, "@cf/deepgram/aura-1")
        assert (heard.body, heard.reply.response.header("content-type")) == (media.MP3, "audio/mpeg")
        assert base64.b64decode((await ask({"prompt": "Hello"}, "@cf/myshell-ai/melotts")).json["audio"]) == media.MP3


async def test_9_rerank():
    async with talker("vllm") as (_, ask):
        contexts = [{"text": "a rainy day"}, {"text": "a sunny beach"}]
        heard = await ask({"query": "sunny beach", "contexts": contexts, "top_k": 1}, "@cf/baai/bge-reranker-base")
        assert heard.json == {"response": [{"id": 1, "score": 1.0}]}


ELSEWHERE = {
    "@cf/baai/bge-base-en-v1.5": {"text": ["a"]},
    "@cf/black-forest-labs/flux-1-schnell": {"prompt": "a fox"},
    "@cf/openai/whisper-large-v3-turbo": {"audio": "AAAA"},
    "@cf/deepgram/aura-1": {"text": "Hello"},
    "@cf/baai/bge-reranker-base": {"query": "a", "contexts": [{"text": "a"}]},
}


EMBEDS = {("ollama", "@cf/baai/bge-base-en-v1.5")}


@pytest.mark.parametrize(("name", "target"), [pair for pair in itertools.product(["anthropic", "ollama"], ELSEWHERE) if pair not in EMBEDS])
async def test_what_a_family_cannot_do_it_refuses_and_asks_nobody(name: str, target: str):
    async with talker(name) as (fake, ask):
        status, code, text = (await ask(ELSEWHERE[target], target)).error
        assert (status, code) == (400, 5006)
        assert f"route {target} to another backend" in text
        assert fake.seen == []
