"""The conversation in `run` inputs, in one form for every protocol: OpenAI's messages with complete tool calls (ai-binding.md 4.1). Pure.

Workers AI takes more forms than OpenAI: a bare `prompt`, a picture beside the messages, flat tools and flat tool calls without ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulator.gateway.ai.canonical import compact
from emulator.gateway.ai.translation.media import data_url
from emulator.gateway.ai.upstream_errors import untranslatable


def conversation(inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The messages. Every assistant tool call has an id, a type and its arguments as text; every tool result names its call. Raises
    Refused 5006 when there are none."""
    if isinstance(inputs.get("messages"), list):
        messages = [dict(message) for message in inputs["messages"] if isinstance(message, dict)]
    elif isinstance(inputs.get("prompt"), str):
        messages = [{"role": "user", "content": inputs["prompt"]}]
    else:
        raise untranslatable("Bad input: Error: required properties at '/' are 'prompt'")
    if inputs.get("image") is not None:
        _add_picture(messages, data_url(inputs["image"], "image"))
    _complete_calls(messages)
    return messages


def tool_definitions(inputs: Mapping[str, Any], backend: str) -> list[dict[str, Any]]:
    """The tools as `{type: "function", function}`. Raises Refused 5006 for embedded functions, whose code only Workers AI runs."""
    if inputs.get("functions"):
        raise untranslatable(f"`functions` with code run on Workers AI only, and backend {backend!r} does not run them; use `tools`")
    tools = inputs.get("tools") or []
    if not isinstance(tools, list):
        raise untranslatable("Bad input: Error: Type mismatch of '/tools', 'array' expected")
    return [
        tool if "function" in tool or "name" not in tool else {"type": "function", "function": tool}
        for tool in tools
        if isinstance(tool, dict)
    ]


def json_schema(response_format: Any) -> tuple[dict[str, Any], str] | None:
    """Schema and name of a `json_schema` response format, bare or in OpenAI's envelope; None for any other."""
    if not isinstance(response_format, dict) or response_format.get("type") != "json_schema":
        return None
    schema = response_format.get("json_schema")
    if not isinstance(schema, dict):
        return None
    if in_envelope(schema):
        return schema["schema"], str(schema.get("name") or "response")
    return schema, str(schema.get("title") or "response")


def in_envelope(schema: dict[str, Any]) -> bool:
    """Whether it is `{name, schema, strict}` rather than the schema itself."""
    return isinstance(schema.get("schema"), dict) and "type" not in schema


def refuse_lora(inputs: Mapping[str, Any], backend: str) -> None:
    """Raise Refused 405/5005 when a LoRA is asked for."""
    if inputs.get("lora"):
        raise untranslatable(f"LoRA {inputs['lora']!r} exists on Workers AI only, and backend {backend!r} has none", code=5005)


def _add_picture(messages: list[dict[str, Any]], url: str) -> None:
    part = {"type": "image_url", "image_url": {"url": url}}
    for message in reversed(messages):
        if message.get("role") == "user":
            content = message.get("content")
            parts = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
            message["content"] = [*parts, part]
            return
    messages.append({"role": "user", "content": [part]})


def _complete_calls(messages: list[dict[str, Any]]) -> None:
    """Ids are given in order of appearance (`call_1`, ...), so that the same conversation is the same request."""
    count = 0
    open_calls: list[tuple[str, str]] = []
    for message in messages:
        calls = message.get("tool_calls")
        if message.get("role") == "assistant" and isinstance(calls, list):
            complete = []
            for call in calls:
                count += 1
                complete.append(_complete_call(call, f"call_{count}"))
            message["tool_calls"] = complete
            open_calls = [(call["id"], call["function"]["name"]) for call in complete]
        elif message.get("role") == "tool":
            call_id = message.get("tool_call_id") or _answered(open_calls, message.get("name"))
            open_calls = [call for call in open_calls if call[0] != call_id]
            if call_id:
                message["tool_call_id"] = call_id


def _answered(open_calls: list[tuple[str, str]], name: Any) -> str | None:
    fitting = [call_id for call_id, called in open_calls if called == name] or [call_id for call_id, _ in open_calls]
    return fitting[0] if fitting else None


def _complete_call(call: Any, call_id: str) -> dict[str, Any]:
    if not isinstance(call, dict):
        raise untranslatable("Bad input: Error: Type mismatch of '/messages/tool_calls', 'object' expected")
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    source = function or call
    arguments = source.get("arguments")
    text = arguments if isinstance(arguments, str) else compact({} if arguments is None else arguments)
    known = ("name", "arguments", "id", "type", "function")
    extra = {name: value for name, value in call.items() if name not in known}
    return {
        **extra,
        "id": call.get("id") or call_id,
        "type": "function",
        "function": {**function, "name": source.get("name"), "arguments": text},
    }
