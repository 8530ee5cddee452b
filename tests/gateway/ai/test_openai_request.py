"""translation/openai_request.py and messages.py: every row of table 4.1 that concerns OpenAI and its like."""

from __future__ import annotations

import json
from typing import Any

import pytest

from emulator.gateway.ai.translation.openai_calls import CallExtras
from emulator.gateway.ai.translation.openai_request import Flavour, Translated, text_request
from emulator.gateway.ai.upstream_errors import Refused

USER = [{"role": "user", "content": "hi"}]
SCHEMA = {"type": "object", "title": "A Person", "properties": {"name": {"type": "string"}}}


def translated(inputs: dict[str, Any], flavour: Flavour = Flavour.OPENAI, model: str = "gpt-4o") -> Translated:
    return text_request(inputs, model, flavour, "mine")


def body(inputs: dict[str, Any], flavour: Flavour = Flavour.OPENAI, model: str = "gpt-4o") -> dict[str, Any]:
    found = translated({"messages": USER, **inputs}, flavour, model)
    assert found.warnings == []
    return found.body


def warned(inputs: dict[str, Any], flavour: Flavour = Flavour.OPENAI) -> tuple[dict[str, Any], list[str]]:
    found = translated({"messages": USER, **inputs}, flavour)
    return found.body, found.warnings


def refused(inputs: dict[str, Any], flavour: Flavour = Flavour.OPENAI) -> tuple[int, int, str]:
    with pytest.raises(Refused) as caught:
        translated(inputs, flavour)
    error = json.loads(caught.value.response.body)["errors"][0]
    return caught.value.response.status, error["code"], error["message"]


@pytest.mark.parametrize(
    ("host", "flavour"),
    [
        ("api.openai.com", Flavour.OPENAI),
        ("generativelanguage.googleapis.com", Flavour.GEMINI),
        ("127.0.0.1", Flavour.COMPATIBLE),
        ("openrouter.ai", Flavour.COMPATIBLE),
    ],
)
def test_the_host_says_who_speaks(host: str, flavour: Flavour) -> None:
    assert Flavour.of(host) is flavour


def test_a_prompt_is_one_user_message() -> None:
    found = translated({"prompt": "hi"})
    assert (found.path, found.body) == ("/chat/completions", {"model": "gpt-4o", "messages": USER})


def test_a_raw_prompt_goes_to_completions_of_vllm_only() -> None:
    found = translated({"prompt": "<s>hi", "raw": True, "max_tokens": 9, "stream": True}, Flavour.COMPATIBLE)
    assert found.path == "/completions"
    assert found.body == {
        "model": "gpt-4o",
        "prompt": "<s>hi",
        "max_tokens": 9,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    for flavour in (Flavour.OPENAI, Flavour.GEMINI):
        status, code, text = refused({"prompt": "hi", "raw": True}, flavour)
        assert (status, code) == (400, 5006)
        assert "raw prompt has no counterpart" in text


def test_neither_prompt_nor_messages_is_refused() -> None:
    assert refused({})[:2] == (400, 5006)


def test_system_messages_stay() -> None:
    messages = [{"role": "system", "content": "Be brief."}, *USER]
    assert body({"messages": messages})["messages"] == messages


def test_image_parts_stay() -> None:
    content = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    messages = [{"role": "user", "content": content}]
    assert body({"messages": messages})["messages"] == messages


@pytest.mark.parametrize(
    ("image", "url"),
    [
        ([0x89, 0x50, 0x4E, 0x47], "data:image/png;base64,iVBORw=="),
        ({"0": 255, "1": 216, "2": 255, "10": 7, "9": 6}, "data:image/jpeg;base64,/9j/Bgc="),
        ("data:image/webp;base64,AAAA", "data:image/webp;base64,AAAA"),
        ("iVBORw==", "data:image/png;base64,iVBORw=="),
    ],
)
def test_a_legacy_image_joins_the_last_user_message(image: Any, url: str) -> None:
    found = body({"messages": [*USER, {"role": "assistant", "content": "x"}], "image": image})
    assert found["messages"][0]["content"] == [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": url}}]
    assert "image" not in found


def test_an_image_that_is_no_image_is_refused() -> None:
    assert refused({"prompt": "x", "image": "not base64!"})[1] == 5004
    assert refused({"prompt": "x", "image": [1, 999]})[1] == 5006


def test_tool_calls_and_results_stay_and_the_results_name_goes() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    messages = [*USER, {"role": "assistant", "content": "", "tool_calls": [call]}]
    result = {"role": "tool", "tool_call_id": "call_1", "content": "3"}
    assert body({"messages": [*messages, {**result, "name": "f"}]})["messages"] == [*messages, result]


def test_flat_calls_without_ids_become_whole_ones() -> None:
    messages = [
        *USER,
        {"role": "assistant", "content": "", "tool_calls": [{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": "{}"}]},
        {"role": "tool", "name": "g", "content": "2"},
        {"role": "tool", "name": "f", "content": "1"},
        {"role": "assistant", "content": "", "tool_calls": [{"name": "f"}]},
        {"role": "tool", "content": "3"},
    ]
    found = body({"messages": messages})["messages"]
    calls = [call for message in found for call in message.get("tool_calls", [])]
    assert calls == [
        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "call_2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        {"id": "call_3", "type": "function", "function": {"name": "f", "arguments": "{}"}},
    ]
    assert [message["tool_call_id"] for message in found if message["role"] == "tool"] == ["call_2", "call_1", "call_3"]


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_goes_back_to_vllm_only(name: str) -> None:
    messages = [*USER, {"role": "assistant", "content": "x", name: "hm"}, *USER]
    assert body({"messages": messages}, Flavour.COMPATIBLE)["messages"] == messages
    found, warnings = warned({"messages": messages})
    assert found["messages"][1] == {"role": "assistant", "content": "x"}
    assert warnings == ["reasoning of earlier answers dropped: OpenAI takes none back"]


def test_flat_tools_are_wrapped_and_whole_ones_stay() -> None:
    flat = {"name": "f", "description": "d", "parameters": {"type": "object"}}
    whole = {"type": "function", "function": flat}
    assert body({"tools": [flat, whole]})["tools"] == [whole, whole]


def test_embedded_functions_and_lora_and_batches_are_refused() -> None:
    status, code, text = refused({"messages": USER, "functions": [{"name": "f", "code": "return 1"}]})
    assert (status, code) == (400, 5006)
    assert "Workers AI only" in text
    status, code, text = refused({"messages": USER, "lora": "my-lora"})
    assert (status, code) == (405, 5005)
    assert "'my-lora'" in text
    assert refused({"requests": [{"prompt": "a"}]})[:2] == (400, 5006)


@pytest.mark.parametrize("choice", ["auto", "none", "required", {"type": "function", "function": {"name": "f"}}])
def test_tool_choice_stays(choice: Any) -> None:
    assert body({"tool_choice": choice})["tool_choice"] == choice


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4o", "max_tokens"),
        ("gpt-4.1", "max_tokens"),
        ("gpt-5.1-mini", "max_completion_tokens"),
        ("o3", "max_completion_tokens"),
        ("openai/o4-mini", "max_completion_tokens"),
        ("gpt-oss-20b", "max_tokens"),
        ("olmo-7b", "max_tokens"),
    ],
)
def test_the_token_limit_has_another_name_for_reasoning_models(model: str, name: str) -> None:
    found = body({"max_tokens": 77}, model=model)
    assert found[name] == 77
    assert len([key for key in found if key.startswith("max_")]) == 1


@pytest.mark.parametrize(("given", "sent"), [(0, 0), (1.5, 1.5), (2, 2)])
def test_temperature_stays_up_to_two(given: float, sent: float) -> None:
    assert body({"temperature": given})["temperature"] == sent


def test_temperature_is_clamped_and_said() -> None:
    found, warnings = warned({"temperature": 4.5})
    assert found["temperature"] == 2
    assert warnings == ["temperature 4.5 clamped to 2"]


@pytest.mark.parametrize("flavour", [Flavour.OPENAI, Flavour.GEMINI])
def test_top_k_and_repetition_penalty_are_dropped_and_said(flavour: Flavour) -> None:
    found, warnings = warned({"top_k": 40, "repetition_penalty": 1.1}, flavour)
    assert "top_k" not in found and "repetition_penalty" not in found
    assert warnings == [f"{name} dropped: {flavour.value} has no such parameter" for name in ("top_k", "repetition_penalty")]


def test_vllm_takes_what_openai_does_not() -> None:
    extra = {"top_k": 40, "repetition_penalty": 1.1, "chat_template_kwargs": {"enable_thinking": False}, "min_p": 0.1}
    found = body(extra, Flavour.COMPATIBLE)
    assert {name: found[name] for name in extra} == extra


def test_enable_thinking_is_dropped_for_openai_and_said() -> None:
    assert warned({"chat_template_kwargs": {"enable_thinking": False}})[1] == ["chat_template_kwargs dropped: OpenAI has no such parameter"]


@pytest.mark.parametrize("flavour", list(Flavour))
def test_seed_penalties_and_stop_stay(flavour: Flavour) -> None:
    given = {"seed": 1, "frequency_penalty": 0.5, "presence_penalty": -0.5, "stop": ["x"], "top_p": 0.9, "reasoning_effort": "low"}
    found = body(given, flavour)
    assert {name: found[name] for name in given} == given


def test_absent_values_are_not_sent() -> None:
    found, warnings = warned({"temperature": None, "reasoning_effort": None, "max_tokens": None})
    assert found == {"model": "gpt-4o", "messages": USER}
    assert warnings == ["reasoning_effort null dropped: the model's own default applies"]


def test_a_bare_schema_gets_an_envelope() -> None:
    found = body({"response_format": {"type": "json_schema", "json_schema": SCHEMA}})
    assert found["response_format"] == {"type": "json_schema", "json_schema": {"name": "A_Person", "schema": SCHEMA, "strict": False}}
    untitled = {key: value for key, value in SCHEMA.items() if key != "title"}
    found = body({"response_format": {"type": "json_schema", "json_schema": untitled}})
    assert found["response_format"]["json_schema"]["name"] == "response"


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        ({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}, True),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "required": [], "additionalProperties": False}, False),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}, False),
        ({"type": "array", "items": {"type": "object", "properties": {}, "additionalProperties": False}}, True),
        ({"type": "array", "items": {"type": "object", "properties": {}}}, False),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}}, False),
    ],
)
def test_strict_is_asked_for_where_it_can_be_had(schema: dict[str, Any], strict: bool) -> None:
    found = body({"response_format": {"type": "json_schema", "json_schema": schema}})
    assert found["response_format"]["json_schema"]["strict"] is strict


@pytest.mark.parametrize(
    "wanted", [{"type": "json_object"}, {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "strict": True}}]
)
def test_other_formats_stay(wanted: dict[str, Any]) -> None:
    assert body({"response_format": wanted})["response_format"] == wanted


def test_a_stream_asks_for_usage() -> None:
    found = body({"stream": True})
    assert (found["stream"], found["stream_options"]) == (True, {"include_usage": True})
    assert "stream" not in body({"stream": False})


def test_inputs_are_not_changed() -> None:
    inputs = {"messages": [{"role": "assistant", "tool_calls": [{"name": "f"}]}, {"role": "tool", "name": "f"}], "image": "iVBORw=="}
    before = json.dumps(inputs)
    translated(inputs)
    assert json.dumps(inputs) == before


def test_what_a_provider_signed_goes_back_to_it() -> None:
    def call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
        return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}

    extras, signed = CallExtras(), {"extra_content": {"google": {"thought_signature": "s"}}}
    extras.remember("call_1", "f", '{"a": 1, "b": 2}', signed)
    by_id, by_content, other = call("call_1", "f", "{}"), call("call_9", "f", '{"b":2,"a":1}'), call("call_2", "g", "{}")
    messages: list[dict[str, Any]] = [{"role": "assistant", "tool_calls": [by_id, by_content, other]}]
    extras.restore(messages)
    assert messages[0]["tool_calls"] == [{**signed, **by_id}, {**signed, **by_content}, other]
