"""The stub's text answers in the dialects that clients parse: Workers AI's legacy shape, OpenAI chat, OpenAI Responses, Anthropic.

The text says that the stub speaks and repeats what was asked, so nobody takes it for a model (ai-binding.md 1.5, 7.9).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from emulator.gateway.ai.answers import Answer, json_answer, sse_answer
from emulator.gateway.ai.canonical import compact
from emulator.gateway.ai.stub.example import NoExample, example

TOKEN_GAP_MS = 20
"""Pace of a streamed stub answer at speed 1x: fast enough not to bore, slow enough to see."""
_CREATED = 1735689600
_ECHO_LENGTH = 400


class Dialect(Enum):
    """The form of a text answer."""

    LEGACY = "legacy"
    CHAT = "chat"
    RESPONSES = "responses"
    ANTHROPIC = "anthropic"


class StubError(Exception):
    """The inputs are not ones any model would take. `code` and `status` are Workers AI's (ai-binding.md 1.4)."""

    def __init__(self, code: int, status: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


@dataclass(frozen=True, slots=True)
class _Reply:
    text: str
    value: Any
    tool: str | None
    arguments: Any
    seed: str
    model: str
    prompt_tokens: int

    @property
    def completion_tokens(self) -> int:
        return len(self.pieces) or 1

    @property
    def pieces(self) -> list[str]:
        return re.findall(r"\s*\S+\s*?(?=\s|$)", self.text) or ([self.text] if self.text else [])

    @property
    def call_id(self) -> str:
        return f"call_{self.seed[:24]}"

    @property
    def usage(self) -> dict[str, int]:
        total = self.prompt_tokens + self.completion_tokens
        return {"prompt_tokens": self.prompt_tokens, "completion_tokens": self.completion_tokens, "total_tokens": total}

    @property
    def in_out(self) -> dict[str, int]:
        return {"input_tokens": self.prompt_tokens, "output_tokens": self.completion_tokens}


def text_answer(model: str, inputs: dict[str, Any], dialect: Dialect, seed: str) -> Answer:
    """The answer to a text request. `seed` is the hex key of the request: ids derive from it. Raises StubError."""
    reply = _reply(model, inputs, seed)
    streamed = bool(inputs.get("stream"))
    match dialect:
        case Dialect.LEGACY:
            return _stream(list(_legacy_events(reply)), reply) if streamed else json_answer(_legacy(reply), usage=reply.usage)
        case Dialect.CHAT:
            return _stream(list(_chat_events(reply)), reply) if streamed else json_answer(_chat(reply), usage=reply.usage)
        case Dialect.RESPONSES:
            return _named(list(_responses_events(reply)), reply) if streamed else json_answer(_responses(reply), usage=reply.usage)
        case Dialect.ANTHROPIC:
            return _named(list(_anthropic_events(reply)), reply) if streamed else json_answer(_anthropic(reply), usage=reply.usage)


def last_user_text(inputs: dict[str, Any]) -> str:
    """What was asked: the prompt, or the last user message's text. Raises StubError 5006 when there is none."""
    for name in ("prompt", "input"):
        if isinstance(inputs.get(name), str):
            return str(inputs[name])
    messages = inputs.get("messages", inputs.get("input"))
    if not isinstance(messages, list):
        raise StubError(5006, 400, "AiError: Bad input: Error: required properties at '/' are 'prompt'")
    for message in reversed(messages):
        if isinstance(message, dict) and message.get("role") in ("user", None):
            return _content_text(message.get("content", ""))
    return ""


def _content_text(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict)).strip()
    return content if isinstance(content, str) else compact(content)


def _reply(model: str, inputs: dict[str, Any], seed: str) -> _Reply:
    asked = last_user_text(inputs)
    shown = asked if len(asked) <= _ECHO_LENGTH else asked[:_ECHO_LENGTH] + "..."
    tool = _forced_tool(inputs)
    text, value, arguments = f"This is the stub speaking for {model}. You said: {shown}", None, None
    if "guard" in model:
        text = "safe"
    schema = _schema(inputs.get("response_format"))
    if tool is not None:
        text, arguments = "", _valid_example(tool.get("parameters", tool.get("input_schema")) or {"type": "object"}, f"tool {tool['name']}")
    elif schema is not None:
        value = _valid_example(schema, "response_format")
        text = compact(value)
    name = None if tool is None else str(tool["name"])
    return _Reply(text, value, name, arguments, seed, model, max(1, len(compact(inputs)) // 4))


def _forced_tool(inputs: dict[str, Any]) -> dict[str, Any] | None:
    choice, tools = inputs.get("tool_choice"), inputs.get("tools")
    if not isinstance(tools, list) or not tools:
        return None
    known = [tool.get("function", tool) for tool in tools if isinstance(tool, dict)]
    if choice in ("required", "any") or (isinstance(choice, dict) and choice.get("type") == "any"):
        return next((tool for tool in known if "name" in tool), None)
    if isinstance(choice, dict):
        wanted = choice.get("function", choice).get("name")
        found = next((tool for tool in known if tool.get("name") == wanted), None)
        if found is None:
            raise StubError(5006, 400, f"AiError: Bad input: Error: tool_choice names {wanted!r}, which is not in tools")
        return found
    return None


def _schema(response_format: Any) -> Any:
    """The JSON Schema an answer must meet, None for free text: bare, as the Workers AI provider sends it, or in OpenAI's envelope."""
    if not isinstance(response_format, dict):
        return None
    if response_format.get("type") == "json_object":
        return {"type": "object", "properties": {"stub": {"const": True}}, "required": ["stub"]}
    schema = response_format.get("json_schema")
    if isinstance(schema, dict) and isinstance(schema.get("schema"), dict) and "type" not in schema:
        return schema["schema"]
    return schema


def _valid_example(schema: Any, what: str) -> Any:
    import jsonschema  # late, as in recording.py

    try:
        value = example(schema)
        jsonschema.validate(value, schema)
    except (NoExample, jsonschema.ValidationError, jsonschema.SchemaError, re.error) as error:
        reason = getattr(error, "message", None) or str(error)
        raise StubError(5006, 400, f"JSON Mode couldn't be met: the stub found no value for {what}: {reason}") from None
    return value


def _stream(events: list[Any], reply: _Reply) -> Answer:
    return sse_answer(events, gap_ms=TOKEN_GAP_MS, usage=reply.usage)


def _named(events: list[dict[str, Any]], reply: _Reply) -> Answer:
    return sse_answer(events, gap_ms=TOKEN_GAP_MS, usage=reply.usage, named=True)


def _legacy(reply: _Reply) -> dict[str, Any]:
    answer: dict[str, Any] = {"response": reply.value if reply.value is not None else reply.text, "usage": reply.usage}
    if reply.tool is not None:
        answer["response"] = None
        answer["tool_calls"] = [{"name": reply.tool, "arguments": reply.arguments}]
    return answer


def _legacy_events(reply: _Reply) -> Iterator[dict[str, Any]]:
    for piece in reply.pieces:
        yield {"response": piece, "p": "ab"}
    if reply.tool is not None:
        yield {"response": "", "tool_calls": [{"name": reply.tool, "arguments": reply.arguments}], "p": "ab"}
    yield {"response": "", "usage": reply.usage}


def _chat_tool_calls(reply: _Reply) -> list[dict[str, Any]]:
    function = {"name": reply.tool, "arguments": compact(reply.arguments)}
    return [{"id": reply.call_id, "type": "function", "function": function}]


def _chat(reply: _Reply) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text, "refusal": None}
    if reply.tool is not None:
        message |= {"content": None, "tool_calls": _chat_tool_calls(reply)}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if reply.tool else "stop", "logprobs": None}
    return {**_chat_head(reply, "chat.completion"), "choices": [choice], "usage": reply.usage}


def _chat_head(reply: _Reply, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{reply.seed[:24]}", "object": kind, "created": _CREATED, "model": reply.model}


def _chat_events(reply: _Reply) -> Iterator[dict[str, Any]]:
    head = _chat_head(reply, "chat.completion.chunk")

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    yield chunk({"role": "assistant", "content": ""})
    for piece in reply.pieces:
        yield chunk({"content": piece})
    if reply.tool is not None:
        yield chunk({"tool_calls": [{"index": 0, **call} for call in _chat_tool_calls(reply)]})
    yield chunk({}, "tool_calls" if reply.tool else "stop")
    yield {**head, "choices": [], "usage": reply.usage}


def _responses(reply: _Reply, *, status: str = "completed") -> dict[str, Any]:
    return {
        "id": f"resp_{reply.seed[:24]}",
        "object": "response",
        "created_at": _CREATED,
        "status": status,
        "model": reply.model,
        "output": [_responses_item(reply)] if status == "completed" else [],
        "usage": {**reply.in_out, "total_tokens": sum(reply.in_out.values())} if status == "completed" else None,
    }


def _responses_item(reply: _Reply) -> dict[str, Any]:
    if reply.tool is not None:
        call = {"call_id": reply.call_id, "name": reply.tool, "arguments": compact(reply.arguments)}
        return {"id": f"fc_{reply.seed[:24]}", "type": "function_call", "status": "completed", **call}
    content = [{"type": "output_text", "text": reply.text, "annotations": []}]
    return {"id": f"msg_{reply.seed[:24]}", "type": "message", "role": "assistant", "status": "completed", "content": content}


def _responses_events(reply: _Reply) -> Iterator[dict[str, Any]]:
    item = _responses_item(reply)
    begun = {**item, "status": "in_progress", ("arguments" if reply.tool else "content"): "" if reply.tool else []}
    place = {"item_id": item["id"], "output_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": _responses(reply, status="in_progress")},
        {"type": "response.output_item.added", "output_index": 0, "item": begun},
    ]
    if reply.tool is not None:
        events.append({"type": "response.function_call_arguments.delta", **place, "delta": item["arguments"]})
        events.append({"type": "response.function_call_arguments.done", **place, "arguments": item["arguments"]})
    else:
        part = {**place, "content_index": 0}
        events.append({"type": "response.content_part.added", **part, "part": {**item["content"][0], "text": ""}})
        events += [{"type": "response.output_text.delta", **part, "delta": piece} for piece in reply.pieces]
        events.append({"type": "response.output_text.done", **part, "text": reply.text})
        events.append({"type": "response.content_part.done", **part, "part": item["content"][0]})
    events.append({"type": "response.output_item.done", "output_index": 0, "item": item})
    events.append({"type": "response.completed", "response": _responses(reply)})
    for number, event in enumerate(events):
        yield {**event, "sequence_number": number}


def _anthropic_block(reply: _Reply) -> dict[str, Any]:
    if reply.tool is not None:
        return {"type": "tool_use", "id": f"toolu_{reply.seed[:24]}", "name": reply.tool, "input": reply.arguments}
    return {"type": "text", "text": reply.text}


def _anthropic(reply: _Reply) -> dict[str, Any]:
    return {
        "id": f"msg_{reply.seed[:24]}",
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": [_anthropic_block(reply)],
        "stop_reason": "tool_use" if reply.tool else "end_turn",
        "stop_sequence": None,
        "usage": reply.in_out,
    }


def _anthropic_events(reply: _Reply) -> Iterator[dict[str, Any]]:
    block = _anthropic_block(reply)
    opened = {**block, "input": {}} if reply.tool else {**block, "text": ""}
    message = {**_anthropic(reply), "content": [], "stop_reason": None}
    yield {"type": "message_start", "message": {**message, "usage": {**reply.in_out, "output_tokens": 1}}}
    yield {"type": "content_block_start", "index": 0, "content_block": opened}
    if reply.tool is not None:
        delta = {"type": "input_json_delta", "partial_json": json.dumps(reply.arguments)}
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
    for piece in reply.pieces:
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
    yield {"type": "content_block_stop", "index": 0}
    stop = {"stop_reason": "tool_use" if reply.tool else "end_turn", "stop_sequence": None}
    yield {"type": "message_delta", "delta": stop, "usage": {"output_tokens": reply.completion_tokens}}
    yield {"type": "message_stop"}
