"""The stub answers every task in valid form (ai-binding.md 1.5), the same each time, and says what it is."""

from __future__ import annotations

import base64
import json
import math
import zlib

import jsonschema
import pytest

from emulator.config import AiMode
from emulator.gateway.ai.stub.example import NoExample, example
from emulator.gateway.ai.stub.stub_media import jpeg, png, silent_mp3

from .conftest import read, read_json

CHAT = "@cf/zai-org/glm-4.7-flash"
LEGACY = "@cf/meta/llama-3.1-8b-instruct"
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
    "required": ["city", "days"],
}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}]
SCHEMA = {
    "type": "object",
    "title": "Trip",
    "properties": {
        "city": {"type": "string", "minLength": 9},
        "mood": {"enum": ["good", "bad"]},
        "stops": {"type": "array", "minItems": 2, "items": {"$ref": "#/$defs/stop"}},
        "rating": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "when": {"type": "string", "format": "date-time"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["city", "mood", "stops", "rating", "when", "note"],
    "additionalProperties": False,
    "$defs": {"stop": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
}


@pytest.fixture
def stub(bench):
    return bench(AiMode.AUTO)


async def run(stub, model, inputs, options=None):
    response = await stub.run(inputs, model=model, options=options)
    assert response.status == 200, response.body
    return response


def data_events(body):
    return [line.removeprefix("data: ") for line in body.decode().split("\n") if line.startswith("data: ")]


async def test_legacy_text(stub):
    answer = await read_json(await run(stub, LEGACY, {"prompt": "hello there"}))
    assert "hello there" in answer["response"] and "stub" in answer["response"]
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] + answer["usage"]["completion_tokens"]


async def test_chat_text(stub):
    answer = await read_json(await run(stub, CHAT, {"messages": [{"role": "user", "content": "hello there"}]}))
    assert answer["object"] == "chat.completion"
    assert "hello there" in answer["choices"][0]["message"]["content"]
    assert answer["choices"][0]["finish_reason"] == "stop"


async def test_legacy_stream(stub):
    response = await run(stub, LEGACY, {"prompt": "hello there", "stream": True})
    assert response.header("content-type") == "text/event-stream"
    *events, done = data_events(await read(response))
    assert done == "[DONE]"
    parsed = [json.loads(event) for event in events]
    plain = await read_json(await run(stub, LEGACY, {"prompt": "hello there"}))
    assert "".join(event["response"] for event in parsed) == plain["response"]
    assert "usage" in parsed[-1]


async def test_chat_stream(stub):
    response = await run(stub, CHAT, {"messages": [{"role": "user", "content": "a  b\nc"}], "stream": True})
    *events, done = data_events(await read(response))
    parsed = [json.loads(event) for event in events]
    assert done == "[DONE]"
    assert "".join(event["choices"][0]["delta"].get("content", "") for event in parsed[:-1]).endswith("a  b\nc")
    assert parsed[-2]["choices"][0]["finish_reason"] == "stop"
    assert parsed[-1]["choices"] == [] and parsed[-1]["usage"]


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
async def test_a_forced_tool_is_called_with_valid_arguments(stub, choice):
    inputs = {"messages": [{"role": "user", "content": "x"}], "tools": TOOLS, "tool_choice": choice}
    answer = await read_json(await run(stub, CHAT, inputs))
    (call,) = answer["choices"][0]["message"]["tool_calls"]
    jsonschema.validate(json.loads(call["function"]["arguments"]), PARAMETERS)
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    legacy = await read_json(await run(stub, LEGACY, inputs))
    assert legacy["tool_calls"] == [{"name": "weather", "arguments": {"city": "stub", "days": 2}}]
    *events, _done = data_events(await read(await run(stub, CHAT, {**inputs, "stream": True})))
    deltas = [json.loads(event)["choices"][0]["delta"] for event in events[:-1]]
    assert [delta["tool_calls"][0]["function"]["name"] for delta in deltas if "tool_calls" in delta] == ["weather"]


async def test_tools_that_are_not_forced_are_not_called(stub):
    inputs = {"messages": [{"role": "user", "content": "x"}], "tools": TOOLS, "tool_choice": "auto"}
    assert "tool_calls" not in (await read_json(await run(stub, CHAT, inputs)))["choices"][0]["message"]


async def test_a_tool_that_is_not_there(stub):
    inputs = {"prompt": "x", "tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "nope"}}}
    response = await stub.run(inputs, model=CHAT)
    assert response.status == 400
    assert "'nope'" in (await read_json(response))["errors"][0]["message"]


@pytest.mark.parametrize("envelope", [SCHEMA, {"name": "trip", "schema": SCHEMA, "strict": True}])
async def test_structured_output_meets_its_schema(stub, envelope):
    inputs = {"messages": [{"role": "user", "content": "x"}], "response_format": {"type": "json_schema", "json_schema": envelope}}
    legacy = await read_json(await run(stub, LEGACY, inputs))
    jsonschema.validate(legacy["response"], SCHEMA)
    chat = await read_json(await run(stub, CHAT, inputs))
    jsonschema.validate(json.loads(chat["choices"][0]["message"]["content"]), SCHEMA)


async def test_structured_output_that_cannot_be_met(stub):
    wanted = {"type": "json_schema", "json_schema": {"type": "string", "pattern": "^never-[0-9]{4}$"}}
    response = await stub.run({"prompt": "x", "response_format": wanted}, model=LEGACY)
    assert response.status == 400
    assert "JSON Mode couldn't be met" in (await read_json(response))["errors"][0]["message"]


async def test_json_object(stub):
    answer = await read_json(await run(stub, LEGACY, {"prompt": "x", "response_format": {"type": "json_object"}}))
    assert answer["response"] == {"stub": True}


async def test_responses_api(stub):
    model = "@cf/openai/gpt-oss-20b"
    answer = await read_json(await run(stub, model, {"input": "hello"}))
    assert answer["object"] == "response" and "hello" in answer["output"][0]["content"][0]["text"]
    events = [json.loads(event) for event in data_events(await read(await run(stub, model, {"input": "hello", "stream": True})))]
    assert (events[0]["type"], events[-1]["type"]) == ("response.created", "response.completed")
    text = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    assert text == events[-1]["response"]["output"][0]["content"][0]["text"]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


async def test_anthropic_speaks_its_own_shape(stub):
    inputs = {"messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}], "max_tokens": 5}
    answer = await read_json(await run(stub, "anthropic/claude-sonnet-4", inputs))
    assert answer["type"] == "message" and "hello" in answer["content"][0]["text"]
    body = await read(await run(stub, "anthropic/claude-sonnet-4", {**inputs, "stream": True}))
    assert body.startswith(b"event: message_start\ndata: ") and b"[DONE]" not in body
    assert json.loads(data_events(body)[-1]) == {"type": "message_stop"}


async def test_embeddings_are_unit_vectors_that_depend_on_the_text(stub):
    answer = await read_json(await run(stub, "@cf/baai/bge-base-en-v1.5", {"text": ["one", "two", "one"]}))
    assert answer["shape"] == [3, 768]
    one, two, again = answer["data"]
    assert one == again != two
    for vector in (one, two):
        assert len(vector) == 768
        assert math.isclose(sum(value * value for value in vector), 1, abs_tol=1e-4)
    assert (await read_json(await run(stub, "@cf/baai/bge-m3", {"text": "x"})))["meta"] == {}


async def test_rerank_prefers_shared_words_and_keeps_top_k(stub):
    inputs = {"query": "red apple", "contexts": [{"text": "blue sky"}, {"text": "a red apple"}, {"text": "an apple"}], "top_k": 2}
    answer = await read_json(await run(stub, "@cf/baai/bge-reranker-base", inputs))
    assert [row["id"] for row in answer["response"]] == [1, 2]
    assert all(0 <= row["score"] <= 1 for row in answer["response"])


async def test_pictures(stub):
    flux = await read_json(await run(stub, "@cf/black-forest-labs/flux-1-schnell", {"prompt": "a cat"}))
    assert base64.b64decode(flux["image"]) == jpeg()
    sdxl = await run(stub, "@cf/stabilityai/stable-diffusion-xl-base-1.0", {"prompt": "a cat"})
    assert (sdxl.header("content-type"), await read(sdxl)) == ("image/png", png())


async def test_speech(stub):
    aura = await run(stub, "@cf/deepgram/aura-1", {"text": "hi"})
    assert (aura.header("content-type"), await read(aura)) == ("audio/mpeg", silent_mp3())
    melo = await read_json(await run(stub, "@cf/myshell-ai/melotts", {"prompt": "hi"}))
    assert base64.b64decode(melo["audio"]) == silent_mp3()


async def test_transcripts(stub):
    whisper = await read_json(await run(stub, "@cf/openai/whisper", {"audio": [1, 2]}))
    assert whisper["word_count"] == len(whisper["words"]) == len(whisper["text"].split())
    assert whisper["vtt"].startswith("WEBVTT")
    turbo = await read_json(await run(stub, "@cf/openai/whisper-large-v3-turbo", {"audio": "QUJD"}))
    assert turbo["transcription_info"]["language"] == "en" and turbo["segments"][0]["words"]
    nova = await read_json(await run(stub, "@cf/deepgram/nova-3", {"audio": {"body": "QUJD", "contentType": "audio/mpeg"}}))
    assert nova["results"]["channels"][0]["alternatives"][0]["transcript"] == whisper["text"]


@pytest.mark.parametrize(
    ("model", "inputs", "keys"),
    [
        ("@cf/meta/m2m100-1.2b", {"text": "hello", "target_lang": "fr"}, {"translated_text"}),
        ("@cf/facebook/bart-large-cnn", {"input_text": "One. Two."}, {"summary"}),
        ("@cf/llava-hf/llava-1.5-7b-hf", {"image": [1], "prompt": "what?"}, {"description"}),
    ],
)
async def test_small_tasks(stub, model, inputs, keys):
    assert set(await read_json(await run(stub, model, inputs))) == keys


@pytest.mark.parametrize(
    ("model", "inputs"),
    [
        ("@cf/huggingface/distilbert-sst-2-int8", {"text": "great"}),
        ("@cf/microsoft/resnet-50", {"image": [1]}),
        ("@cf/facebook/detr-resnet-50", {"image": [1]}),
    ],
)
async def test_labels(stub, model, inputs):
    rows = await read_json(await run(stub, model, inputs))
    assert all({"label", "score"} <= set(row) for row in rows)
    assert abs(sum(row["score"] for row in rows) - 1) < 0.2


async def test_equal_requests_get_equal_answers_and_others_do_not(stub):
    def ask(text):
        return run(stub, CHAT, {"messages": [{"role": "user", "content": text}]})

    assert await read(await ask("a")) == await read(await ask("a"))
    assert await read(await ask("a")) != await read(await ask("b"))


@pytest.mark.parametrize(
    ("model", "inputs"),
    [
        (LEGACY, {}),
        ("@cf/baai/bge-base-en-v1.5", {}),
        ("@cf/baai/bge-base-en-v1.5", {"text": [1]}),
        ("@cf/openai/whisper", {}),
        (LEGACY, "text"),
    ],
)
async def test_inputs_no_model_would_take(stub, model, inputs):
    response = await stub.run(inputs, model=model)
    assert response.status == 400
    assert (await read_json(response))["errors"][0]["code"] == 5006


@pytest.mark.parametrize(
    ("provider", "endpoint", "path"),
    [
        ("workers-ai", LEGACY, ("result", "response")),
        ("openai", "chat/completions", ("choices", 0, "message", "content")),
        ("openai", "responses", ("output", 0, "content", 0, "text")),
        ("anthropic", "v1/messages", ("content", 0, "text")),
    ],
)
async def test_the_universal_endpoint_speaks_the_providers_dialect(stub, provider, endpoint, path):
    entry = {"provider": provider, "endpoint": endpoint, "headers": {}, "query": {"messages": [{"role": "user", "content": "hello"}]}}
    value = await read_json(await stub.post("/ai-gateway/universal/run/g", [entry]))
    for step in path:
        value = value[step]
    assert "hello" in value


def test_media_are_what_they_say():
    assert png().startswith(b"\x89PNG") and zlib.decompress(png()[41:-16]) == b"\x00\x80"
    assert jpeg().startswith(b"\xff\xd8") and jpeg().endswith(b"\xff\xd9")
    assert silent_mp3()[:2] == b"\xff\xfb" and len(silent_mp3()) == 28 * 144


@pytest.mark.parametrize(
    "schema",
    [
        {"type": ["null", "string"], "maxLength": 2},
        {"type": "integer", "minimum": 7, "multipleOf": 5},
        {"type": "integer", "maximum": -3},
        {"type": "integer", "exclusiveMaximum": 0},
        {"type": "number", "exclusiveMinimum": 2, "maximum": 3},
        {
            "allOf": [
                {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
                {"required": ["b"], "properties": {"b": {"const": 4}}},
            ]
        },
        {"oneOf": [False, {"type": "boolean"}]},
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "minItems": 2},
        {"type": "array", "maxItems": 0},
        {"type": "object", "required": ["unnamed"]},
        {"type": "object", "properties": {"self": {"$ref": "#"}}},
        {"type": "string", "format": "uuid"},
        {},
        True,
    ],
)
def test_examples_are_valid(schema):
    jsonschema.validate(example(schema), schema)


ENDLESS = {"type": "object", "properties": {"self": {"$ref": "#"}}, "required": ["self"]}


@pytest.mark.parametrize("schema", [False, ENDLESS, {"$ref": "#/nowhere"}, {"anyOf": [False]}, {"allOf": [False]}])
def test_schemas_without_an_example(schema):
    with pytest.raises(NoExample):
        example(schema)
