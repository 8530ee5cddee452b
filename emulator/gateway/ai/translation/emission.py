"""Deltas in the shape of the model that was asked for: Workers AI's legacy shape or OpenAI chat (ai-binding.md 1.5, 4.2). Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from emulator.gateway.ai.canonical import ModelRequest, canonical, compact, key_of
from emulator.gateway.ai.catalogue import Model, model_info
from emulator.gateway.ai.translation.deltas import (
    Delta,
    Done,
    Failed,
    Finish,
    Reasoning,
    Started,
    Text,
    ToolArguments,
    ToolStart,
    Usage,
)
from emulator.gateway.ai.upstream_errors import refused

_CREATED_S = 1735689600
"""For protocols without a time: the same as the stub's, so that equal answers stay equal bytes."""
_PADDING = "ab"
"""`p` hides the length of a token on the real service; its own length is random there."""
_THINKS_ALOUD = re.compile(r"deepseek-r1|qwq")
"""Legacy models whose text begins with its reasoning in a <think> element; the others show none."""
_STREAM_END = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Emission:
    """How to write one answer. `model` is the requested one; `key` is the request's match key (hex): ids that the provider does not give
    derive from it. `json_mode`: the text is to be a JSON value."""

    model: Model
    key: str
    json_mode: bool = False

    @classmethod
    def of(cls, asked: ModelRequest) -> Emission:
        """For the answer to `asked`."""
        wanted = asked.body.get("response_format") if isinstance(asked.body, dict) else None
        json_mode = isinstance(wanted, dict) and wanted.get("type") in ("json_object", "json_schema")
        return cls(model_info(asked.target), key_of(canonical(asked)), json_mode)

    def call_id(self, index: int) -> str:
        """The id of the answer's call `index` when the provider gives none: the same for the same request."""
        return f"call_{hashlib.sha256(f'{self.key}:{index}'.encode()).hexdigest()[:24]}"

    @property
    def answer_id(self) -> str:
        """The id of the answer when the provider gives none."""
        return f"chatcmpl-{self.key[:24]}"

    @property
    def thinks_aloud(self) -> bool:
        """Whether reasoning stands in the text, in a <think> element."""
        return not self.model.chat_shape and _THINKS_ALOUD.search(self.model.id.lower()) is not None


def usage_document(usage: Usage, *, chat_shape: bool) -> dict[str, Any]:
    """Tokens as Workers AI counts them. The legacy shape mentions cached tokens only when there are some."""
    document: dict[str, Any] = {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
    }
    if chat_shape or usage.cached:
        document["prompt_tokens_details"] = {"cached_tokens": usage.cached}
    if chat_shape and usage.reasoning:
        document["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning}
    return document


def error_event(failed: Failed) -> bytes:
    """An error inside a stream. No `[DONE]` follows it."""
    error = {"message": failed.message, "type": "upstream_error", "code": failed.code}
    return _event({"error": error, "errors": [{"message": failed.message, "code": failed.code}], "success": False})


class Emitter:
    """One streamed answer as server-sent events."""

    def __init__(self, emission: Emission) -> None:
        self._emission = emission
        self._head = {
            "id": emission.answer_id,
            "object": "chat.completion.chunk",
            "created": _CREATED_S,
            "model": emission.model.id,
        }
        self._role_told = False
        self._thinking = False

    def emit(self, deltas: Sequence[Delta]) -> bytes:
        """The chunk for what one upstream event said, of several events if need be; empty when there is nothing to say."""
        written = self._chat(deltas) if self._emission.model.chat_shape else self._legacy(deltas)
        for delta in deltas:
            if isinstance(delta, Failed):
                return written + error_event(delta)
        return written + _STREAM_END if any(isinstance(delta, Done) for delta in deltas) else written

    def _chat(self, deltas: Sequence[Delta]) -> bytes:
        said: dict[str, Any] = {}
        finish, usage = None, None
        for delta in deltas:
            match delta:
                case Started():
                    self._head |= {"id": delta.id or self._head["id"], "created": delta.created_s or self._head["created"]}
                    said.setdefault("content", "")
                case Text():
                    said["content"] = said.get("content", "") + delta.text
                case Reasoning():
                    said["reasoning_content"] = said.get("reasoning_content", "") + delta.text
                case ToolStart() | ToolArguments():
                    said.setdefault("tool_calls", [])
                    _add_call(said["tool_calls"], delta, self._emission)
                case Finish():
                    finish = delta.reason
                case Usage():
                    usage = delta
        written = b""
        if said or finish is not None:
            if not self._role_told:
                self._role_told, said = True, {"role": "assistant", **said}
            written += _event({**self._head, "choices": [{"index": 0, "delta": said, "finish_reason": finish}]})
        if usage is not None:
            written += _event({**self._head, "choices": [], "usage": usage_document(usage, chat_shape=True)})
        return written

    def _legacy(self, deltas: Sequence[Delta]) -> bytes:
        text, usage = "", None
        calls: list[dict[str, Any]] = []
        for delta in deltas:
            match delta:
                case Reasoning() if self._emission.thinks_aloud:
                    text += delta.text if self._thinking else f"<think>\n{delta.text}"
                    self._thinking = True
                case Text():
                    text += self._closed_thought() + delta.text
                case ToolStart() | ToolArguments():
                    text += self._closed_thought()
                    _add_call(calls, delta, self._emission)
                case Finish() | Done():
                    text += self._closed_thought()
                case Usage():
                    usage = delta
        written = b""
        if text or calls:
            written += _event({"response": text, **({"tool_calls": calls} if calls else {}), "p": _PADDING})
        if usage is not None:
            written += _event({"response": "", "usage": usage_document(usage, chat_shape=False)})
        return written

    def _closed_thought(self) -> str:
        if not self._thinking:
            return ""
        self._thinking = False
        return "\n</think>\n\n"


def _add_call(calls: list[dict[str, Any]], delta: ToolStart | ToolArguments, emission: Emission) -> None:
    """Both shapes stream calls alike: a start with id and name, then pieces of the arguments."""
    if isinstance(delta, ToolStart):
        function = {"name": delta.name, "arguments": ""}
        call_id = delta.id or emission.call_id(delta.index)
        calls.append({**delta.extra, "index": delta.index, "id": call_id, "type": "function", "function": function})
        return
    for call in calls:
        if call["index"] == delta.index:
            call["function"]["arguments"] += delta.text
            return
    calls.append({"index": delta.index, "function": {"arguments": delta.text}})


@dataclass(slots=True)
class _Answer:
    """Everything that was said."""

    text: str = ""
    reasoning: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    finish: str | None = None
    usage: Usage | None = None
    started: Started = field(default_factory=Started)


def whole(emission: Emission, deltas: Iterable[Delta]) -> dict[str, Any]:
    """The JSON answer. Raises Refused (upstream_errors.py) for a Failed, and when JSON mode was asked for and the text is none."""
    answer = _Answer()
    for delta in deltas:
        match delta:
            case Started():
                answer.started = delta
            case Text():
                answer.text += delta.text
            case Reasoning():
                answer.reasoning += delta.text
            case ToolStart() | ToolArguments():
                _add_call(answer.calls, delta, emission)
            case Finish():
                answer.finish = delta.reason
            case Usage():
                answer.usage = delta
            case Failed():
                raise refused(429 if delta.code in (3036, 3040) else 500, delta.code, delta.message, "E615", answered=True)
    for call in answer.calls:
        del call["index"]
    return _chat_answer(emission, answer) if emission.model.chat_shape else _legacy_answer(emission, answer)


def _chat_answer(emission: Emission, answer: _Answer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None}
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    if answer.calls:
        message |= {"content": answer.text or None, "tool_calls": answer.calls}
    choice = {"index": 0, "message": message, "finish_reason": answer.finish or "stop", "logprobs": None}
    document = {
        "id": answer.started.id or emission.answer_id,
        "object": "chat.completion",
        "created": answer.started.created_s or _CREATED_S,
        "model": emission.model.id,
        "choices": [choice],
    }
    return document if answer.usage is None else {**document, "usage": usage_document(answer.usage, chat_shape=True)}


def _legacy_answer(emission: Emission, answer: _Answer) -> dict[str, Any]:
    thought = f"<think>\n{answer.reasoning}\n</think>\n\n" if answer.reasoning and emission.thinks_aloud else ""
    response: Any = thought + answer.text
    document: dict[str, Any] = {"response": response}
    if answer.calls:
        document["tool_calls"] = [_legacy_call(call) for call in answer.calls]
        document["response"] = response or None
    elif emission.json_mode:
        document["response"] = _json_value(answer.text)
    if answer.usage is not None:
        document["usage"] = usage_document(answer.usage, chat_shape=False)
    return document


def _legacy_call(call: dict[str, Any]) -> dict[str, Any]:
    extra = {name: value for name, value in call.items() if name not in ("id", "type", "function")}
    text = call["function"]["arguments"]
    try:
        arguments = json.loads(text) if text else {}
    except ValueError:
        arguments = text  # what the model wrote is for the caller to judge
    return {**extra, "name": call["function"]["name"], "arguments": arguments}


def _json_value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        shown = text if len(text) <= 200 else text[:200] + "..."
        raise refused(400, 5006, f"JSON Mode couldn't be met: the model answered {shown!r}", "E613", answered=True) from None


def _event(document: Any) -> bytes:
    return f"data: {compact(document)}\n\n".encode()
