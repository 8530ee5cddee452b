"""Anthropic's Messages API as documented: what it refuses (anthropic_rules.py), its errors, its named events, pings included."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from . import mind
from .anthropic_rules import check_body, check_headers
from .base import Answer, FakeServer, Refusal, Seen, event, event_stream, json_answer

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


class FakeAnthropic(FakeServer):
    """A turn's cached tokens are counted as `cache_read_input_tokens`, apart from `input_tokens`, as the real one does."""

    def answer(self, seen: Seen, turn: mind.Turn | None) -> Answer:
        """`POST /v1/messages`."""
        if seen.path != "/v1/messages":
            raise Refusal(404, "Not Found")
        if seen.method != "POST":
            raise Refusal(405, "Method Not Allowed")
        version = check_headers(seen.headers, self.key)
        try:
            body = seen.json
        except ValueError as error:
            raise Refusal(400, f"The request body is not valid JSON: {error}") from None
        check_body(body, version)
        message = self._message(body, turn or mind.answer(_asked(body)))
        headers = {"request-id": self._request_id()}
        if body.get("stream"):
            return event_stream([event(said, said["type"]) for said in events(message)], **headers)
        return json_answer(message, **headers)

    def error(self, refusal: Refusal) -> Answer:
        """`{"type": "error", "error": {"type", "message"}}`."""
        return json_answer(error_document(refusal), refusal.status, **{"request-id": self._request_id()})

    def _request_id(self) -> str:
        return f"req_{len(self.seen):024d}"

    def _message(self, body: dict[str, Any], turn: mind.Turn) -> dict[str, Any]:
        content: list[dict[str, Any]] = []
        if turn.reasoning:
            content.append({"type": "thinking", "thinking": "".join(turn.reasoning), "signature": "c2lnbmVk"})
        if turn.text:
            content.append({"type": "text", "text": turn.text})
        for number, call in enumerate(turn.calls):
            made = call.id or f"toolu_{len(self.seen):012d}{number:012d}"
            content.append({"type": "tool_use", "id": made, "name": call.name, "input": call.arguments})
        return {
            "id": f"msg_{len(self.seen):024d}",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": content,
            "stop_reason": _STOPS[turn.reason],
            "stop_sequence": None,
            "usage": {
                "input_tokens": turn.prompt_tokens - turn.cached_tokens,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": turn.cached_tokens,
                "output_tokens": turn.spent,
                "service_tier": "standard",
            },
        }


def error_document(refusal: Refusal) -> dict[str, Any]:
    """The body of an error, which is the data of an `error` event too."""
    kind = refusal.kind or refusal.code or _KINDS.get(refusal.status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": refusal.message}}


def events(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The stream of a message: its start with the tokens that went in, a ping, blocks, and at the end why it stopped."""
    yield {
        "type": "message_start",
        "message": {**message, "content": [], "stop_reason": None, "usage": {**message["usage"], "output_tokens": 1}},
    }
    for index, block in enumerate(message["content"]):
        opened, deltas = _opened(block)
        yield {"type": "content_block_start", "index": index, "content_block": opened}
        if index == 0:
            yield {"type": "ping"}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    stop = {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}
    yield {"type": "message_delta", "delta": stop, "usage": {"output_tokens": message["usage"]["output_tokens"]}}
    yield {"type": "message_stop"}


def _opened(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    match block["type"]:
        case "thinking":
            thoughts = [{"type": "thinking_delta", "thinking": piece} for piece in mind.pieces(block["thinking"])]
            signed = {"type": "signature_delta", "signature": block["signature"]}
            return {"type": "thinking", "thinking": "", "signature": ""}, [*thoughts, signed]
        case "tool_use":
            # The first piece is empty on the real service too; without input nothing else follows.
            parts = ["", *(_halves(json.dumps(block["input"])) if block["input"] else [])]
            return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": part} for part in parts]
    return {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in mind.pieces(block["text"])]


def _halves(text: str) -> list[str]:
    return [text[: len(text) // 2], text[len(text) // 2 :]]


def _asked(body: dict[str, Any]) -> mind.Asked:
    texts = [_text(body.get("system", ""))]
    user, result = "", None
    for message in body["messages"]:
        blocks = [{"type": "text", "text": message["content"]}] if isinstance(message["content"], str) else message["content"]
        results = [_text(block.get("content", "")) for block in blocks if block["type"] == "tool_result"]
        texts += [_text(blocks), *results]
        if message["role"] == "user":
            user = _text(blocks) or user
            result = results[-1] if results else None
    choice = body.get("tool_choice") or {}
    forced = {"any": "*", "tool": choice.get("name")}.get(choice.get("type", ""))
    tools = [mind.Tool(tool["name"], tool["input_schema"]) for tool in body.get("tools") or ()]
    wanted = (body.get("output_config") or {}).get("format") or {}
    shown = [] if choice.get("type") == "none" else tools
    return mind.Asked([text for text in texts if text], user, result, shown, forced, wanted.get("schema"))


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    shown = {"text": lambda block: block["text"], "image": lambda block: "[picture]"}
    return " ".join(shown[block["type"]](block) for block in content if block["type"] in shown)
