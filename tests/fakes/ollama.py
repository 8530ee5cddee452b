"""Ollama's own API as documented, and as strict as its Go types: unknown fields are ignored, known ones of another type refused."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from . import mind
from .base import Answer, FakeServer, Refusal, Seen, json_answer

_CREATED = "2026-11-22T10:00:00.123456789Z"
_OPTIONS = {
    "num_predict": int,
    "num_ctx": int,
    "seed": int,
    "top_k": int,
    "temperature": float,
    "top_p": float,
    "min_p": float,
    "repeat_penalty": float,
    "presence_penalty": float,
    "frequency_penalty": float,
    "stop": list,
}
_GO = {str: "string", bool: "bool", list: "array", dict: "object", int: "number", float: "number"}


@dataclass(frozen=True)
class Model:
    """What a pulled model can do; `dimensions` of its vectors, 0 when it embeds nothing."""

    tools: bool = True
    thinking: bool = True
    dimensions: int = 0


MODELS = {
    "qwen3:8b": Model(),
    "llama3.2:latest": Model(thinking=False),
    "gemma3:latest": Model(tools=False, thinking=False),
    "nomic-embed-text:latest": Model(tools=False, thinking=False, dimensions=768),
}


class FakeOllama(FakeServer):
    """Has the models above, pulled."""

    def answer(self, seen: Seen, turn: mind.Turn | None) -> Answer:
        """`POST /api/chat`, `/api/generate` and `/api/embed`; `GET /api/tags`."""
        if seen.path == "/api/tags" and seen.method == "GET":
            return json_answer({"models": [{"name": name, "model": name} for name in MODELS]})
        if seen.path not in ("/api/chat", "/api/generate", "/api/embed") or seen.method != "POST":
            raise Refusal(404, "404 page not found")
        if self.key is not None and seen.headers.get("authorization") != f"Bearer {self.key}":
            raise Refusal(401, "unauthorized")
        body = _parsed(seen.body)
        name, model = _model(body)
        _check_types(body)
        match seen.path:
            case "/api/embed":
                return _embeddings(name, body, model)
            case "/api/chat":
                return _chat(name, body, model, turn)
        return _generate(name, body, model, turn)

    def error(self, refusal: Refusal) -> Answer:
        """`{"error": "..."}`; a path that is none is answered by the router, in plain text."""
        if refusal.message == "404 page not found":
            return Answer(404, "text/plain", [refusal.message.encode()])
        return Answer(refusal.status, "application/json; charset=utf-8", [json.dumps({"error": refusal.message}).encode()])


def line(document: dict[str, Any]) -> bytes:
    """One line of a stream."""
    return json.dumps(document).encode() + b"\n"


def _parsed(data: bytes) -> dict[str, Any]:
    if not data:
        raise Refusal(400, "missing request body")
    try:
        body = json.loads(data)
    except ValueError as error:
        raise Refusal(400, f"invalid character: {error}") from None
    if not isinstance(body, dict):
        raise _wrong(body, "ChatRequest", "api.ChatRequest")
    return body


def _model(body: dict[str, Any]) -> tuple[str, Model]:
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise Refusal(400, "model is required")
    full = name if ":" in name else f"{name}:latest"
    if full not in MODELS:
        raise Refusal(404, f"model '{name}' not found")
    return name, MODELS[full]


def _wrong(value: Any, field: str, wanted: str) -> Refusal:
    return Refusal(400, f"json: cannot unmarshal {_GO.get(type(value), 'null')} into Go struct field {field} of type {wanted}")


def _typed(value: Any, kind: type, field: str, wanted: str) -> None:
    if value is not None and not isinstance(value, kind):
        raise _wrong(value, field, wanted)


def _check_types(body: dict[str, Any]) -> None:
    _typed(body.get("stream"), bool, "ChatRequest.stream", "bool")
    _typed(body.get("messages"), list, "ChatRequest.messages", "[]api.Message")
    _typed(body.get("prompt"), str, "GenerateRequest.prompt", "string")
    _typed(body.get("tools"), list, "ChatRequest.tools", "api.Tools")
    _typed(body.get("options"), dict, "ChatRequest.options", "map[string]interface {}")
    for message in body.get("messages") or ():
        _check_message(message)
    for tool in body.get("tools") or ():
        _typed(tool.get("function"), dict, "ChatRequest.tools.function", "api.ToolFunction")
        _typed(tool["function"].get("parameters"), dict, "ChatRequest.tools.function.parameters", "api.ToolFunctionParameters")
        _typed(tool["function"].get("description"), str, "ChatRequest.tools.function.description", "string")
    for name, value in (body.get("options") or {}).items():
        wanted = _OPTIONS.get(name)
        if wanted is not None and (isinstance(value, bool) or not isinstance(value, (int, float) if wanted is float else wanted)):
            raise Refusal(
                500, f"option {name!r} must be of type {'integer' if wanted is int else 'array' if wanted is list else 'float32'}"
            )
    if body.get("format") not in (None, "", "json") and not isinstance(body["format"], dict):
        raise Refusal(500, f'invalid format: {json.dumps(body["format"])}; expected "json" or a valid JSON Schema object')
    if body.get("think") not in (None, True, False, "low", "medium", "high", "max"):
        raise Refusal(400, f'invalid think value: {body["think"]!r} (must be "high", "medium", "low", "max", true, or false)')


def _check_message(message: dict[str, Any]) -> None:
    for name in ("role", "content", "thinking", "tool_name", "tool_call_id"):
        _typed(message.get(name), str, f"ChatRequest.messages.{name}", "string")
    for image in message.get("images") or ():
        _typed(image, str, "ChatRequest.messages.images", "api.ImageData")
        try:
            base64.b64decode(image, validate=True)
        except binascii.Error:
            raise Refusal(400, "illegal base64 data at input byte 4") from None
    for call in message.get("tool_calls") or ():
        _typed(call["function"].get("arguments"), dict, "ChatRequest.messages.tool_calls.function.arguments", "map[string]interface {}")


def _able(name: str, body: dict[str, Any], model: Model) -> None:
    if model.dimensions:
        raise Refusal(400, f'"{name}" does not support chat')
    if body.get("tools") and not model.tools:
        raise Refusal(400, f"registry.ollama.ai/library/{name} does not support tools")
    if body.get("think") not in (None, False) and not model.thinking:
        raise Refusal(400, f'"{name}" does not support thinking')


def _chat(name: str, body: dict[str, Any], model: Model, turn: mind.Turn | None) -> Answer:
    _able(name, body, model)
    turn = turn or mind.answer(_asked(body))
    said: list[dict[str, Any]] = []
    if body.get("think") is not False and model.thinking:
        said += [{"thinking": piece} for piece in turn.reasoning]
    said += [{"content": piece} for piece in turn.pieces]
    for index, call in enumerate(turn.calls):
        function = {"index": index, "name": call.name, "arguments": call.arguments}
        said.append({"tool_calls": [{**({"id": call.id} if call.id else {}), "function": function}]})
    head = {"model": name, "created_at": _CREATED}
    if body.get("stream", True):
        lines = [{**head, "message": {"role": "assistant", "content": "", **piece}, "done": False} for piece in said]
        lines.append({**head, "message": {"role": "assistant", "content": ""}, "done": True, **_ending(turn)})
        return Answer(200, "application/x-ndjson", [line(one) for one in lines], streamed=True)
    message: dict[str, Any] = {"role": "assistant", "content": turn.text}
    if thoughts := "".join(piece["thinking"] for piece in said if "thinking" in piece):
        message["thinking"] = thoughts
    if turn.calls:
        message["tool_calls"] = [call for piece in said for call in piece.get("tool_calls", ())]
    return _json({**head, "message": message, "done": True, **_ending(turn)})


def _generate(name: str, body: dict[str, Any], model: Model, turn: mind.Turn | None) -> Answer:
    _able(name, body, model)
    if body.get("raw") and any(body.get(field) for field in ("template", "system", "context")):
        raise Refusal(400, "raw mode does not support template, system, or context")
    prompt = body.get("prompt", "")
    turn = turn or mind.says(f"You said: {prompt}", prompt_tokens=len(mind.words(prompt)) or 1)
    head = {"model": name, "created_at": _CREATED}
    if body.get("stream", True):
        lines = [{**head, "response": piece, "done": False} for piece in turn.pieces]
        lines.append({**head, "response": "", "done": True, **_ending(turn)})
        return Answer(200, "application/x-ndjson", [line(one) for one in lines], streamed=True)
    return _json({**head, "response": turn.text, "done": True, **_ending(turn)})


def _embeddings(name: str, body: dict[str, Any], model: Model) -> Answer:
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise Refusal(400, "invalid input type")
    if not model.dimensions:
        raise Refusal(500, "this model does not support embeddings")
    vectors = [_vector(text, model.dimensions) for text in texts]
    tokens = sum(len(mind.words(text)) for text in texts)
    return _json({"model": name, "embeddings": vectors, "total_duration": 1, "load_duration": 1, "prompt_eval_count": tokens})


def _vector(text: str, dimensions: int) -> list[float]:
    raw = hashlib.shake_256(text.encode()).digest(dimensions)
    return [round((byte - 128) / 128, 6) for byte in raw]


def _ending(turn: mind.Turn) -> dict[str, Any]:
    counts = {"prompt_eval_count": turn.prompt_tokens, "eval_count": turn.spent}
    times = {"total_duration": 4, "load_duration": 1, "prompt_eval_duration": 1, "eval_duration": 2}
    return {"done_reason": "length" if turn.reason == "length" else "stop", **times, **counts}


def _json(document: dict[str, Any]) -> Answer:
    return Answer(200, "application/json; charset=utf-8", [json.dumps(document).encode()])


def _asked(body: dict[str, Any]) -> mind.Asked:
    messages = body.get("messages") or []
    texts = [" ".join([message.get("content") or "", *("[picture]" for _ in message.get("images") or ())]).strip() for message in messages]
    user = next((message["content"] for message in reversed(messages) if message.get("role") == "user"), "")
    last = messages[-1] if messages else {}
    tools = [mind.Tool(tool["function"]["name"], tool["function"].get("parameters") or {}) for tool in body.get("tools") or ()]
    wanted = body.get("format")
    schema = wanted if isinstance(wanted, dict) else ({"type": "object"} if wanted == "json" else None)
    result = last["content"] if last.get("role") == "tool" else None
    return mind.Asked([text for text in texts if text], user, result, tools, None, schema)
