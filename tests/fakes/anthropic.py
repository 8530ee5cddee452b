"""Anthropic's Messages API as documented: what it refuses (anthropic_rules.py), its errors, its named events, pings included."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from fakes.anthropic_rules import MODELS, Refusal, check_body, check_headers, turns_of
from fakes.stand_in import Asked, Call, Fail, Say, StandIn, Step, halves, pieces

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


class AnthropicFake(StandIn):
    """`key` None takes any key. A scripted Say counts its cached tokens as `cache_read_input_tokens`, apart from `input_tokens`."""

    def __init__(self, key: str | None = "sk-ant-fake") -> None:
        super().__init__()
        self._key = key
        self._count = 0

    async def answer(self, asked: Asked, step: Step | None, request: web.Request) -> web.StreamResponse:
        self._count += 1
        request_id = f"req_{self._count:024d}"
        try:
            body = self._checked(asked)
        except Refusal as refusal:
            return _error(refusal.status, refusal.kind, str(refusal), request_id)
        if isinstance(step, Fail):
            return _error(step.status, step.kind or _KINDS.get(step.status, "api_error"), step.message, request_id, **step.headers)
        say = step if isinstance(step, Say) else _by_itself(body)
        message = self._message(body, say)
        if not body.get("stream"):
            return web.json_response(message, headers={"request-id": request_id})
        error = _event({"type": "error", "error": {"type": "overloaded_error", "message": say.error}})
        return await self.stream(request, "text/event-stream; charset=utf-8", events(message), say, error, **{"request-id": request_id})

    def _checked(self, asked: Asked) -> dict[str, Any]:
        if asked.path != "/v1/messages":
            raise Refusal("Not Found", status=404, kind="not_found_error")
        if asked.method != "POST":
            raise Refusal("Method Not Allowed", status=405)
        check_headers(asked.headers, self._key)
        try:
            body = asked.json
        except ValueError as error:
            raise Refusal(f"The request body is not valid JSON: {error}") from None
        check_body(body)
        return body

    def _message(self, body: dict[str, Any], say: Say) -> dict[str, Any]:
        content: list[dict[str, Any]] = []
        if say.reasoning:
            content.append({"type": "thinking", "thinking": say.reasoning, "signature": "c2lnbmVk"})
        if say.text:
            content.append({"type": "text", "text": say.text})
        for number, call in enumerate(say.calls):
            made = call.id or f"toolu_{self._count:012d}{number:012d}"
            content.append({"type": "tool_use", "id": made, "name": call.name, "input": dict(call.arguments)})
        return {
            "id": f"msg_{self._count:024d}",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": content,
            "stop_reason": _STOPS[say.ending],
            "stop_sequence": None,
            "usage": {
                "input_tokens": say.prompt_tokens - say.cached_tokens,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": say.cached_tokens,
                "output_tokens": say.completion_tokens,
                "service_tier": "standard",
            },
        }


def events(message: dict[str, Any]) -> Iterator[bytes]:
    """The stream of a message: its start with the tokens that went in, blocks, a ping, and at the end why it stopped."""
    begun = {**message, "content": [], "stop_reason": None, "usage": {**message["usage"], "output_tokens": 1}}
    yield _event({"type": "message_start", "message": begun})
    for index, block in enumerate(message["content"]):
        empty, deltas = _opened(block)
        yield _event({"type": "content_block_start", "index": index, "content_block": empty})
        if index == 0:
            yield _event({"type": "ping"})
        for delta in deltas:
            yield _event({"type": "content_block_delta", "index": index, "delta": delta})
        yield _event({"type": "content_block_stop", "index": index})
    stop = {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}
    yield _event({"type": "message_delta", "delta": stop, "usage": {"output_tokens": message["usage"]["output_tokens"]}})
    yield _event({"type": "message_stop"})


def _opened(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    match block["type"]:
        case "thinking":
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])]
            return {"type": "thinking", "thinking": "", "signature": ""}, [
                *deltas,
                {"type": "signature_delta", "signature": block["signature"]},
            ]
        case "tool_use":
            text = json.dumps(block["input"])
            # The first piece is empty on the real service too; without input nothing else follows.
            parts = ["", *(halves(text) if block["input"] else [])]
            return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": part} for part in parts]
    return {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]


def _by_itself(body: dict[str, Any]) -> Say:
    """Repeats what it was told, calls the tool it is forced to call, and fills the schema it is given with its simplest value."""
    _, last = list(turns_of(body["messages"]))[-1]
    choice, tools = body.get("tool_choice") or {}, body.get("tools") or []
    if choice.get("type") in ("any", "tool"):
        tool = next(tool for tool in tools if choice.get("name") in (None, tool["name"]))
        return Say(calls=(Call(tool["name"], _simplest(tool["input_schema"])),))
    wanted = (body.get("output_config") or {}).get("format")
    if wanted:
        return Say(json.dumps(_simplest(wanted["schema"])))
    heard = [str(block.get("text") or block.get("content") or f"[{block['type']}]") for block in last]
    return Say(f"You said: {' '.join(heard)}")


def _simplest(schema: dict[str, Any]) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            properties = schema.get("properties") or {}
            return {name: _simplest(properties.get(name, {})) for name in schema.get("required", properties)}
        case "array":
            return []
        case "integer" | "number":
            return 1
        case "boolean":
            return True
    return "text"


def _event(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def _error(status: int, kind: str, message: str, request_id: str, **headers: str) -> web.Response:
    document = {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}
    return web.json_response(document, status=status, headers={"request-id": request_id, **headers})


__all__ = ["MODELS", "AnthropicFake", "events"]
