"""Inputs against their task's schema (A32, ai-binding.md 5): what is refused, in whose words, and what the three settings make of it."""

from __future__ import annotations

import jsonschema
import pytest
from fakes.layer import make_layer

from emulator.config import AiMode
from emulator.config.ai import AiConfig, Validate
from emulator.config.speed import Speed
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.catalogue import Task
from emulator.gateway.ai.inputs.schemas import input_schema, tolerated
from emulator.gateway.ai.inputs.validation import violation
from emulator.gateway.ai.replay import Pacer

from .conftest import Bench, FakeClock, read_json

LLAMA = "@cf/meta/llama-3.1-8b-instruct"
GLM = "@cf/zai-org/glm-4.7-flash"
ASK = [{"role": "user", "content": "hi"}]
TOOL = {"type": "function", "function": {"name": "w", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}}

A32 = [
    ({}, "oneOf at '/' not met, 0 matches: required properties at '/' are 'prompt', required", "$: {} has nothing to ask; expected one of"),
    ({"prompt": "a", "messages": ASK}, "oneOf at '/' not met, 2 matches", "$: 'prompt' and 'messages' are both there"),
    ({"messages": ASK, "temperature": 9}, "'/temperature' must be <= 5", "$.temperature: 9 is out of range, expected a number from 0 to 5"),
    (
        {"messages": [{"role": "user", "content": None}]},
        "Type mismatch of '/messages/0/content', 'null' not in 'string', 'array'",
        "$.messages[0].content: null, expected string or array",
    ),
    ({"messages": ASK, "max_token": 5}, "unknown property 'max_token' at '/'", "did you mean 'max_tokens'?"),
]


def told(inputs, target=LLAMA, **options):
    return violation(ModelRequest(Kind.RUN, target, inputs, options=options))


@pytest.mark.parametrize(("inputs", "service", "detail"), A32)
def test_the_five_of_the_acceptance_list(inputs, service, detail):
    found = told(inputs)
    assert found.service.startswith(service)
    assert detail in str(found)


@pytest.mark.parametrize(
    ("target", "inputs", "detail"),
    [
        (LLAMA, {"promt": "a"}, "did you mean 'prompt' by 'promt'?"),
        (LLAMA, {"prompt": ""}, '$.prompt: "" is empty'),
        (LLAMA, {"prompt": "a", "max_tokens": None}, "$.max_tokens: null, expected integer"),
        (LLAMA, {"prompt": "a", "stream": "true"}, '$.stream: "true" is of type string, expected boolean'),
        (LLAMA, {"messages": [{"role": "usr", "content": "x"}]}, "did you mean 'user'?"),
        (LLAMA, {"messages": [{"role": "tool", "content": "x", "toolCallId": "1"}]}, "did you mean 'tool_call_id'?"),
        (LLAMA, {"messages": [{"role": "user"}]}, "$.messages[0]: 'content' is missing (a property that is undefined is not sent)"),
        (LLAMA, {"messages": ASK, "tools": [{"type": "function", "function": {}}]}, "$.tools[0].function: 'name' is missing"),
        (LLAMA, {"messages": ASK, "response_format": {"type": "json"}}, "$.response_format.type"),
        (LLAMA, {"messages": "x" * 200}, '"' + "x" * 76 + "... is of type string"),
        (LLAMA, {"requests": [{"prompt": "a"}, {"prompt": 1}]}, "$.requests[1].prompt: 1 is of type integer"),
        (LLAMA, {"requests": {}}, "$.requests: {} is no array of inputs"),
        (LLAMA, "hi", '$: "hi" is no object'),
        ("@cf/baai/bge-base-en-v1.5", {"text": []}, "$.text: [] is empty"),
        ("@cf/baai/bge-reranker-base", {"query": "a"}, "$: 'contexts' is missing"),
        ("@cf/black-forest-labs/flux-1-schnell", {"prompt": "a", "width": 10}, "an integer from 256 to 2048"),
        ("@cf/openai/whisper", {"audio": {"0": 1, "1": 2}}, "a Uint8Array of 2 bytes is sent like this: send base64, or [...bytes]"),
        ("@cf/microsoft/resnet-50", {"image": {}}, "an ArrayBuffer, a Blob or a Promise is sent as {}"),
        ("@cf/openai/whisper", {"audio": [1, 256]}, "$.audio[1]: 256 is no byte, expected 0 to 255"),
        ("@cf/openai/whisper", {"audio": []}, "$.audio: [] is empty"),
        ("@cf/microsoft/resnet-50", {"image": [0, 1.5]}, "$.image[1]: 1.5 is no byte"),
        ("@cf/meta/m2m100-1.2b", {"text": "a"}, "$: 'target_lang' is missing"),
        ("@cf/facebook/bart-large-cnn", {"text": "a"}, "'input_text' is missing"),
        ("@cf/deepgram/aura-1", {"txt": "a"}, "did you mean 'text' by 'txt'?"),
    ],
)
def test_other_violations_in_the_words_of_whoever_wrote_the_call(target, inputs, detail):
    assert detail in str(told(inputs, target))


@pytest.mark.parametrize(
    ("target", "inputs"),
    [
        (LLAMA, {"prompt": "a"}),
        (LLAMA, {"messages": ASK, "tools": [TOOL], "tool_choice": "auto", "temperature": 0.5, "anything_else": 1}),
        (GLM, {"messages": [*ASK, {"role": "assistant", "content": None, "tool_calls": [{}]}, {"role": "tool", "content": "1"}]}),
        (GLM, {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}], "reasoning_effort": None}),
        (GLM, {"request_id": "abc"}),
        ("@cf/openai/gpt-oss-20b", {"input": "a", "reasoning": {"effort": "low"}}),
        ("@cf/baai/bge-m3", {"query": "a", "contexts": [{"text": "a"}]}),
        ("@cf/openai/whisper", {"audio": [1, 2, 255]}),
        ("@cf/openai/whisper-large-v3-turbo", {"audio": "AAAA", "language": "en"}),
        ("@cf/deepgram/nova-3", {"audio": {"body": "AAAA", "contentType": "audio/mpeg"}}),
        ("@cf/myshell-ai/melotts", {"prompt": "a", "lang": "en"}),
        ("openai/gpt-4o", {}),
        ("dynamic/route", {"temperature": 99}),
    ],
)
def test_what_is_right_or_of_somebody_else(target, inputs):
    assert told(inputs, target) is None


def test_legs_of_the_universal_endpoint():
    def leg(provider, query):
        entry = {"provider": provider, "endpoint": LLAMA, "headers": {}, "query": query}
        return violation(ModelRequest(Kind.UNIVERSAL, "universal/g", [entry]))

    assert "$.temperature" in str(leg("workers-ai", {"prompt": "a", "temperature": 9}))
    assert leg("openai", {"temperature": 9}) is None


@pytest.mark.parametrize(
    ("tags", "detail"),
    [
        (["a", "b:c-d./@"], None),
        (["1", "2", "3", "4", "5", "6"], "6 tags are too many"),
        (["two words"], '$.options.tags[0]: "two words" is no tag'),
        (["x" * 51], "$.options.tags[0]"),
        ([1], "$.options.tags[0]: 1 is no tag"),
        ({"a": 1}, "expected an array of strings"),
        ("a,b c", '$.options.tags[1]: "b c"'),
    ],
)
def test_tags(tags, detail):
    found = told({"prompt": "a"}, tags=tags)
    assert found is None if detail is None else detail in str(found)


def test_every_task_has_a_schema_that_is_one():
    for task in Task:
        schema = input_schema(task)
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["title"] == task.value
    assert all(entry.date and entry.note for entry in tolerated())


def bench(tmp_path, policy):
    clock = FakeClock()
    pacer = Pacer(Speed.parse("instant"), clock.now_ms, clock.sleep)
    layer, events = make_layer(tmp_path / "fixtures", AiMode.STUB, pacer=pacer, config=AiConfig(validate=policy))
    return Bench(layer, clock, events)


@pytest.mark.parametrize(("inputs", "service", "detail"), A32)
async def test_strict_answers_5006(tmp_path, inputs, service, detail):
    b = bench(tmp_path, Validate.STRICT)
    response = await b.run(inputs, model=LLAMA)
    (error,) = (await read_json(response))["errors"]
    assert (response.status, error["code"]) == (400, 5006)
    first, second, page = error["message"].split("\n")
    assert first.startswith(f"AiError: AiError: Bad input: Error: {service}")
    assert detail in second
    assert page == "https://developers.cloudflare.com/workers-ai/models/llama-3.1-8b-instruct/"
    assert (b.events[0]["code"], b.events[0]["error_code"], b.events[0]["source"]) == ("E640", 5006, "none")


async def test_warn_lets_pass_and_says_so(tmp_path):
    b = bench(tmp_path, Validate.WARN)
    response = await b.run({"messages": ASK, "temperature": 9}, model=LLAMA)
    assert response.status == 200
    warning = "$.temperature: 9 is out of range, expected a number from 0 to 5 (Workers AI may answer 5006)"
    assert b.events[0]["warnings"] == [warning]
    assert response.header("x-emulator-warnings") == warning


async def test_off_says_nothing(tmp_path):
    b = bench(tmp_path, Validate.OFF)
    assert (await b.run({"messages": ASK, "temperature": 9}, model=LLAMA)).status == 200
    assert b.events[0]["warnings"] == []
