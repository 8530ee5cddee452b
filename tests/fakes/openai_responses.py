"""OpenAI's Responses API: the response object, and its stream of named events. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .base import event
from .mind import Asked, Tool, Turn

_CREATED = 1_763_800_000


def asked(body: dict[str, Any]) -> Asked:
    """A request in no protocol."""
    given = body["input"]
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    texts = [_text(item) for item in items]
    users = [_text(item) for item in items if item.get("role") == "user"]
    choice = body.get("tool_choice")
    forced = choice.get("name") if isinstance(choice, dict) else ("*" if choice == "required" else None)
    tools = [Tool(tool["name"], tool.get("parameters") or {}) for tool in body.get("tools") or [] if tool.get("type") == "function"]
    wanted = (body.get("text") or {}).get("format") or {}
    result = items[-1].get("output") if items[-1].get("type") == "function_call_output" else None
    return Asked(texts, users[-1] if users else "", result, tools, forced, wanted.get("schema"))


def _text(item: dict[str, Any]) -> str:
    content = item.get("content", item.get("output", ""))
    return " ".join(part.get("text", "") for part in content) if isinstance(content, list) else str(content)


def document(body: dict[str, Any], turn: Turn, key: str, *, status: str = "completed", output: Any = None) -> dict[str, Any]:
    """The response object."""
    done = status == "completed"
    usage = {
        "input_tokens": turn.prompt_tokens,
        "input_tokens_details": {"cached_tokens": turn.cached_tokens},
        "output_tokens": turn.spent,
        "output_tokens_details": {"reasoning_tokens": len(turn.reasoning)},
        "total_tokens": turn.prompt_tokens + turn.spent,
    }
    return {
        "id": f"resp_{key}",
        "object": "response",
        "created_at": _CREATED,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "metadata": body.get("metadata") or {},
        "model": body["model"],
        "output": (_items(turn, key) if done else []) if output is None else output,
        "parallel_tool_calls": True,
        "temperature": body.get("temperature", 1.0),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools") or [],
        "top_p": body.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": usage if done else None,
        "user": None,
    }


def events(body: dict[str, Any], turn: Turn, key: str) -> Iterator[bytes]:
    """Its stream. Nothing but `response.completed` ends it: there is no `[DONE]`."""
    for number, (kind, content) in enumerate(_contents(body, turn, key)):
        yield event({"type": kind, "sequence_number": number, **content}, kind)


def _contents(body: dict[str, Any], turn: Turn, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    begun = document(body, turn, key, status="in_progress")
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    for index, item in enumerate(_items(turn, key)):
        if item["type"] == "message":
            yield "response.output_item.added", {"output_index": index, "item": {**item, "status": "in_progress", "content": []}}
            yield from _message(turn, item, index)
        else:
            yield "response.output_item.added", {"output_index": index, "item": {**item, "status": "in_progress", "arguments": ""}}
            place = {"item_id": item["id"], "output_index": index}
            text = item["arguments"]
            for at in range(0, len(text), 5):
                yield "response.function_call_arguments.delta", {**place, "delta": text[at : at + 5], "obfuscation": "ab"}
            yield "response.function_call_arguments.done", {**place, "arguments": text, "name": item["name"]}
        yield "response.output_item.done", {"output_index": index, "item": item}
    yield "response.completed", {"response": document(body, turn, key)}


def _message(turn: Turn, item: dict[str, Any], index: int) -> Iterator[tuple[str, dict[str, Any]]]:
    place = {"item_id": item["id"], "output_index": index, "content_index": 0}
    part = item["content"][0]
    yield "response.content_part.added", {**place, "part": {**part, "text": ""}}
    for piece in turn.pieces:
        yield "response.output_text.delta", {**place, "delta": piece, "logprobs": [], "obfuscation": "ab"}
    yield "response.output_text.done", {**place, "text": turn.text, "logprobs": []}
    yield "response.content_part.done", {**place, "part": part}


def _items(turn: Turn, key: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if turn.pieces:
        content = [{"type": "output_text", "text": turn.text, "annotations": [], "logprobs": []}]
        items.append({"id": f"msg_{key}", "type": "message", "status": "completed", "role": "assistant", "content": content})
    for number, call in enumerate(turn.calls):
        named = {"call_id": call.id or f"call_{key[:20]}{number}", "name": call.name, "arguments": json.dumps(call.arguments)}
        items.append({"id": f"fc_{key}{number}", "type": "function_call", "status": "completed", **named})
    return items
