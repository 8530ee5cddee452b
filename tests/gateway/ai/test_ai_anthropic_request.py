"""Requests to the Messages API, row by row of ai-binding.md 4.1. Whatever is built here must also pass the fake's own rules."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from fakes.anthropic_rules import MODELS, check_body

from emulator.gateway.ai.translation.anthropic_request import CHAT_MAX_TOKENS, JSON_TOOL, MessagesRequest, messages_request
from emulator.gateway.ai.upstream_errors import Refused

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n0123").decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0aaaa").decode()
USER = {"role": "user", "content": "hi"}
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "$schema": "http://json-schema.org/draft-07/schema#",
}
TOOL = {"type": "function", "function": {"name": "weather", "description": "d", "parameters": PARAMETERS}}
SCHEMA = {"title": "P", "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"], "additionalProperties": False}
SONNET, OPUS, NEWEST, HAIKU_3 = "claude-sonnet-4-5", "claude-opus-4-8", "claude-sonnet-5-5", "claude-3-haiku-20240307"


def translated(inputs: dict[str, Any], model: str = SONNET, *, chat_shape: bool = False) -> MessagesRequest:
    request = messages_request({"messages": [USER], **inputs}, model, "anthropic", chat_shape=chat_shape)
    check_body(request.body)
    return request


def body(inputs: dict[str, Any], model: str = SONNET) -> dict[str, Any]:
    return translated(inputs, model).body


def warnings(inputs: dict[str, Any], model: str = SONNET) -> list[str]:
    return translated(inputs, model).warnings


def refusal(inputs: dict[str, Any], model: str = SONNET) -> str:
    with pytest.raises(Refused) as caught:
        messages_request(inputs, model, "anthropic", chat_shape=False)
    return str(caught.value)


def test_prompt_is_one_user_message():
    assert body({"messages": None, "prompt": "hello"})["messages"] == [{"role": "user", "content": "hello"}]


def test_system_messages_are_joined_in_front():
    messages = [{"role": "system", "content": "One."}, {"role": "developer", "content": [{"type": "text", "text": "Two."}]}, USER]
    assert body({"messages": messages})["system"] == "One.\n\nTwo."
    late = translated({"messages": [USER, {"role": "system", "content": "Late."}]})
    assert (late.body["system"], len(late.body["messages"])) == ("Late.", 1)
    assert "moved to the front" in late.warnings[0]


def test_what_a_message_has_beside_its_content_is_dropped_aloud():
    named = {"role": "user", "name": "ann", "content": "hi"}
    picture = {"role": "system", "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]}
    assert warnings({"messages": [picture, named]}) == [
        "/messages/1/name dropped: this protocol has no names of speakers",
        "a picture of a system message dropped: Anthropic's system prompt is text",
    ]


def test_pictures():
    parts = [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        {"type": "image_url", "image_url": "https://example.com/a.png"},
        {"type": "image_url", "image_url": {"url": f"data:application/octet-stream;base64,{JPEG}"}},
    ]
    assert body({"messages": [{"role": "user", "content": parts}]})["messages"][0]["content"] == [
        {"type": "text", "text": "see"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": JPEG}},
    ]


def test_a_legacy_picture_joins_the_last_user_message():
    messages = [USER, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "and this?"}]
    sent = body({"messages": messages, "image": list(base64.b64decode(JPEG))})["messages"]
    assert sent[0]["content"] == "hi"
    assert sent[2]["content"][1]["source"] == {"type": "base64", "media_type": "image/jpeg", "data": JPEG}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([{"type": "image_url", "image_url": {"url": "data:image/bmp;base64,Qk0AAAA="}}], "image/bmp"),
        ([{"type": "image_url", "image_url": {"url": "data:image/png;base64,$$$"}}], "/messages/0/content/0/image_url"),
        ([{"type": "input_audio", "input_audio": {}}], "/messages/0/content/0"),
        (7, "/messages/0/content"),
    ],
)
def test_content_that_cannot_be_carried_is_refused_with_its_place(content: Any, says: str):
    assert says in refusal({"messages": [{"role": "user", "content": content}]})


def test_tool_results_in_a_row_are_one_user_message():
    calls = [
        {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}},
        {"id": "b:1", "type": "function", "function": {"name": "weather", "arguments": {"city": "Rome"}}},
    ]
    messages = [
        USER,
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "a", "name": "weather", "content": "18"},
        {"role": "tool", "tool_call_id": "b:1", "name": "weather", "content": [{"type": "text", "text": "21"}]},
        {"role": "user", "content": "thanks"},
    ]
    assert body({"messages": messages, "tools": [TOOL]})["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "Paris"}},
                {"type": "tool_use", "id": "b_1", "name": "weather", "input": {"city": "Rome"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "18"},
                {"type": "tool_result", "tool_use_id": "b_1", "content": "21"},
            ],
        },
        {"role": "user", "content": "thanks"},
    ]


def test_flat_calls_without_ids_get_ids_and_results_find_them_by_name():
    messages = [
        USER,
        {"role": "assistant", "content": None, "tool_calls": [{"name": "weather", "arguments": {}}, {"name": "time", "arguments": {}}]},
        {"role": "tool", "name": "time", "content": "noon"},
        {"role": "tool", "name": "weather", "content": "rain"},
    ]
    called, answered = body({"messages": messages})["messages"][1:]
    assert [block["id"] for block in called["content"]] == ["call_1", "call_2"]
    assert [block["tool_use_id"] for block in answered["content"]] == ["call_2", "call_1"]


def test_arguments_that_are_no_object_are_wrapped_and_told():
    messages = [
        USER,
        {"role": "assistant", "content": "x", "tool_calls": [{"id": "a", "function": {"name": "weather", "arguments": "{broken"}}]},
        {"role": "tool", "tool_call_id": "a", "content": ""},
    ]
    request = translated({"messages": messages})
    assert request.body["messages"][1]["content"][1]["input"] == {"invalid_arguments": "{broken"}
    assert "/messages/1/tool_calls/0" in request.warnings[0]


def test_a_result_without_a_call_is_refused():
    assert "answers a tool call" in refusal({"messages": [USER, {"role": "tool", "content": "x"}]})


def test_unsigned_reasoning_is_dropped_and_signed_thinking_kept():
    signed = {"type": "thinking", "thinking": "mm", "signature": "abc"}
    messages = [USER, {"role": "assistant", "content": "a", "reasoning": "because"}, USER, {"role": "assistant", "content": [signed]}, USER]
    request = translated({"messages": messages})
    assert request.body["messages"][1]["content"] == "a"
    assert request.body["messages"][3]["content"] == [signed]
    assert request.warnings == ["reasoning of earlier answers dropped: Anthropic takes back only thinking that it signed"]


def test_empty_messages_are_left_out_and_the_user_begins():
    request = translated({"messages": [{"role": "assistant", "content": "Hello, I am Bot."}, {"role": "user", "content": ""}, USER]})
    assert [(one["role"], one["content"]) for one in request.body["messages"]] == [
        ("user", "Begin."),
        ("assistant", "Hello, I am Bot."),
        ("user", "hi"),
    ]
    assert len(request.warnings) == 2
    assert "no message with content" in refusal({"messages": [{"role": "system", "content": "x"}]})


def test_texts_of_white_space_are_left_out():
    call = {"id": "a", "function": {"name": "weather", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": " "}]},
        {"role": "assistant", "content": "\n\n", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": " "},
        {"role": "assistant", "content": "So: "},
    ]
    request = translated({"messages": messages, "tools": [TOOL]})
    assert [one["content"] for one in request.body["messages"]] == [
        "hi",
        [{"type": "tool_use", "id": "a", "name": "weather", "input": {}}],
        [{"type": "tool_result", "tool_use_id": "a", "content": " "}],
        "So:",
    ]
    assert len(request.warnings) == 1


def test_tools_flat_or_wrapped():
    flat = {"name": "time", "description": "t", "parameters": {"properties": {}}}
    tools = body({"tools": [TOOL, flat, {"type": "function", "function": {"name": "bare"}}]})["tools"]
    assert tools == [
        {"name": "weather", "description": "d", "input_schema": PARAMETERS},
        {"name": "time", "description": "t", "input_schema": {"type": "object", "properties": {}}},
        {"name": "bare", "input_schema": {"type": "object", "properties": {}}},
    ]


def test_strict_tools_where_there_are_some():
    tool = {"type": "function", "function": {**TOOL["function"], "strict": True}}  # type: ignore[dict-item]
    assert body({"tools": [tool]})["tools"][0]["strict"] is True
    assert warnings({"tools": [tool]}, HAIKU_3) == ["strict of tool 'weather' dropped: claude-3-haiku-20240307 has no strict tools"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        ({"type": "function", "function": {"name": "weather"}}, {"type": "tool", "name": "weather"}),
        ({"name": "weather"}, {"type": "tool", "name": "weather"}),
        (None, None),
    ],
)
def test_tool_choice(choice: Any, expected: Any):
    assert body({"tools": [TOOL], "tool_choice": choice}).get("tool_choice") == expected


def test_tool_choice_beyond_the_table():
    one = {"tools": [TOOL], "parallel_tool_calls": False}
    assert body(one)["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert body({**one, "tool_choice": "required"})["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}
    assert body({**one, "tool_choice": "none"})["tool_choice"] == {"type": "none"}
    assert warnings({"tool_choice": "required"}) == ["tool_choice dropped: there are no tools"]
    forced = translated({"tools": [TOOL], "tool_choice": "required"}, NEWEST)
    assert forced.body["tool_choice"] == {"type": "auto"}
    assert "cannot be forced" in forced.warnings[0]
    assert "/tool_choice" in refusal({"messages": [USER], "tools": [TOOL], "tool_choice": "always"})


def test_embedded_functions_lora_and_raw_prompts_are_refused():
    assert "functions" in refusal({"messages": [USER], "functions": [{"name": "f", "code": "return 1"}]})
    assert "LoRA" in refusal({"messages": [USER], "lora": "my-adapter"})
    assert "raw" in refusal({"prompt": "<s>", "raw": True})


def test_max_tokens_is_filled_with_the_workers_ai_default_and_clamped_to_the_models_own():
    assert body({})["max_tokens"] == 256
    chat = translated({}, chat_shape=True)
    assert chat.body["max_tokens"] == CHAT_MAX_TOKENS
    assert "max_tokens" in chat.warnings[0]
    assert body({"max_tokens": 99})["max_tokens"] == 99
    assert body({"max_completion_tokens": 77})["max_tokens"] == 77
    over = translated({"max_tokens": 10_000}, HAIKU_3)
    assert (over.body["max_tokens"], over.warnings) == (
        4096,
        ["max_tokens 10000 clamped to 4096, the most that claude-3-haiku-20240307 writes"],
    )


def test_sampling():
    assert body({"temperature": 0.5, "top_k": 40}) == {
        "model": SONNET, "max_tokens": 256, "messages": [USER], "temperature": 0.5, "top_k": 40,
    }  # fmt: skip
    assert warnings({"temperature": 5}) == ["temperature 5 clamped to 1"]
    assert body({"temperature": 5})["temperature"] == 1
    both = translated({"temperature": 0.3, "top_p": 0.9})
    assert "top_p" not in both.body
    assert both.warnings == ["top_p dropped: Anthropic takes it or temperature, not both"]
    assert body({"top_p": 0.9})["top_p"] == 0.9
    none = translated({"temperature": 0.3, "top_k": 4}, OPUS)
    assert not none.body.keys() & {"temperature", "top_k"}
    assert none.warnings == ["temperature, top_k dropped: claude-opus-4-8 takes no sampling parameters"]


def test_stop_sequences():
    assert body({"stop": "END"})["stop_sequences"] == ["END"]
    request = translated({"stop": ["END", "\n\n"]})
    assert request.body["stop_sequences"] == ["END"]
    assert "white space" in request.warnings[0]
    assert "/stop" in refusal({"messages": [USER], "stop": 5})


def test_what_has_no_counterpart_is_dropped_aloud():
    inputs = {"seed": 1, "frequency_penalty": 0.5, "presence_penalty": 0.5, "repetition_penalty": 1.1, "logprobs": True, "made_up": 1}
    assert warnings(inputs) == [f"{name} dropped: Anthropic has no such parameter" for name in sorted(inputs)]
    assert warnings({"frequency_penalty": 0, "n": 1, "logprobs": False, "seed": None}) == []
    assert body({"user": "u-1"})["metadata"] == {"user_id": "u-1"}


@pytest.mark.parametrize("wrap", [lambda schema: schema, lambda schema: {"name": "p", "schema": schema, "strict": True}])
def test_schema_as_structured_output(wrap: Any):
    request = translated({"response_format": {"type": "json_schema", "json_schema": wrap(SCHEMA)}})
    assert request.body["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}
    assert (request.json_tool, request.warnings) == (None, ["response_format json_schema sent as output_config.format"])


def test_schema_parts_that_structured_outputs_do_not_know():
    schema = {
        "$schema": "x",
        "type": "object",
        "properties": {
            "age": {"type": "integer", "minimum": 0},
            "kind": {"oneOf": [{"const": "a"}, {"type": "object", "properties": {"x": {"type": "string", "maxLength": 3}}}]},
        },
    }
    request = translated({"response_format": {"type": "json_schema", "json_schema": schema}})
    assert request.body["output_config"]["format"]["schema"] == {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "age": {"type": "integer"},
            "kind": {"anyOf": [{"const": "a"}, {"type": "object", "properties": {"x": {"type": "string"}}, "additionalProperties": False}]},
        },
    }
    assert "/properties/age/minimum, /properties/kind/oneOf/1/properties/x/maxLength" in request.warnings[1]


RECURSIVE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"anyOf": [{"$ref": "#/$defs/n"}]}}}
ANY_KEYS = {"type": "object", "additionalProperties": {"type": "string"}}


@pytest.mark.parametrize("schema", [RECURSIVE, ANY_KEYS])
def test_schema_that_does_not_suit_becomes_a_forced_tool(schema: dict[str, Any]):
    request = translated({"response_format": {"type": "json_schema", "json_schema": schema}})
    assert request.json_tool == JSON_TOOL
    assert request.body["tools"][0]["input_schema"] == schema
    assert request.body["tool_choice"] == {"type": "tool", "name": JSON_TOOL, "disable_parallel_tool_use": True}
    assert "does not suit" in request.warnings[0]
    assert "forced tool 'json'" in request.warnings[1]


def test_schema_for_models_without_structured_outputs():
    wanted = {"response_format": {"type": "json_schema", "json_schema": SCHEMA}}
    assert translated(wanted, HAIKU_3).json_tool == JSON_TOOL
    beside = translated({**wanted, "tools": [TOOL]}, HAIKU_3).body
    assert ([tool["name"] for tool in beside["tools"]], beside["tool_choice"]["type"]) == (["weather", "json"], "any")
    forced = translated({**wanted, "tools": [TOOL], "tool_choice": "required"}, HAIKU_3)
    assert (forced.json_tool, forced.warnings) == (None, ["response_format dropped: tool_choice already forces a tool call"])
    told = translated({"response_format": {"type": "json_schema", "json_schema": {"type": "array", "items": {"type": "string"}}}}, HAIKU_3)
    assert "JSON Schema" in told.body["system"]
    assert "instruction" in told.warnings[0]


def test_schema_for_a_model_that_cannot_be_forced():
    told = translated({"response_format": {"type": "json_schema", "json_schema": ANY_KEYS}}, NEWEST)
    assert (told.json_tool, "tools" in told.body) == (None, False)
    assert told.body["system"].endswith('{"type":"object","additionalProperties":{"type":"string"}}')


def test_json_object_is_an_instruction():
    messages = [{"role": "system", "content": "Be brief."}, USER]
    request = translated({"messages": messages, "response_format": {"type": "json_object"}})
    assert request.body["system"].startswith("Be brief.\n\nRespond with one JSON object")
    assert "instruction" in request.warnings[0]
    assert "/response_format" in refusal({"messages": [USER], "response_format": {"type": "json_schema"}})


@pytest.mark.parametrize(("effort", "budget"), [("low", 1024), ("medium", 4096), ("high", 16_384)])
def test_thinking_as_a_budget(effort: str, budget: int):
    request = translated({"reasoning_effort": effort, "max_tokens": 1000, "temperature": 0.2})
    assert request.body["thinking"] == {"type": "enabled", "budget_tokens": budget}
    assert request.body["max_tokens"] == 1000 + budget
    assert "temperature" not in request.body
    assert len(request.warnings) == 2


def test_thinking_of_models_that_adapt():
    request = translated({"reasoning_effort": "high"}, OPUS)
    assert request.body["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert request.body["output_config"] == {"effort": "high"}
    assert request.warnings == []
    with_schema = body({"reasoning_effort": "low", "response_format": {"type": "json_schema", "json_schema": SCHEMA}}, OPUS)
    assert with_schema["output_config"].keys() == {"effort", "format"}
    switched = body({"chat_template_kwargs": {"enable_thinking": True}}, OPUS)
    assert (switched["thinking"]["type"], "output_config" in switched) == ("adaptive", False)
    assert warnings({"reasoning_effort": "minimal"}, OPUS) == ["reasoning_effort minimal clamped to low"]
    assert "/reasoning_effort" in refusal({"messages": [USER], "reasoning_effort": "loads"})


@pytest.mark.parametrize(
    "off", [{"reasoning_effort": None}, {"reasoning_effort": "none"}, {"chat_template_kwargs": {"enable_thinking": False}}]
)
def test_thinking_switched_off_as_far_as_the_model_lets(off: dict[str, Any]):
    assert "thinking" not in body(off)
    assert body(off, OPUS)["thinking"] == {"type": "disabled"}
    assert body(off, NEWEST)["thinking"] == {"type": "between_tools"}
    always = translated(off, "claude-opus-5-5")
    assert always.body["output_config"] == {"effort": "low"}
    assert len(always.warnings) == 1


def test_thinking_that_cannot_be_had():
    assert "does not think aloud" in warnings({"reasoning_effort": "low"}, HAIKU_3)[0]
    assert "forced" in warnings({"reasoning_effort": "low", "tools": [TOOL], "tool_choice": "required"})[0]
    messages = [
        USER,
        {"role": "assistant", "content": "", "tool_calls": [{"id": "a", "function": {"name": "weather", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "a", "content": "x"},
    ]
    assert "signed thinking" in warnings({"reasoning_effort": "low", "messages": messages, "tools": [TOOL]})[0]
    assert "chat_template_kwargs.clear" in warnings({"chat_template_kwargs": {"clear": 1}})[0]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("effort", [None, "low", "high"])
@pytest.mark.parametrize("choice", ["auto", "required", "none"])
def test_whatever_is_asked_of_whatever_model_is_a_request_it_takes(model: str, effort: str | None, choice: str):
    inputs = {
        "reasoning_effort": effort,
        "temperature": 2,
        "top_p": 0.9,
        "top_k": 5,
        "tools": [TOOL],
        "tool_choice": choice,
        "stop": ["a", " "],
    }
    for wanted in (None, SCHEMA, RECURSIVE, ANY_KEYS):
        response_format = {"response_format": {"type": "json_schema", "json_schema": wanted}} if wanted else {}
        assert translated({**inputs, **response_format, "max_tokens": 3000}, model).body["model"] == model
