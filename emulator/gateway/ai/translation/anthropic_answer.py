"""What Anthropic's messages and stream events say, as deltas (ai-binding.md 4.2). Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from emulator.gateway.ai.canonical import compact
from emulator.gateway.ai.sse import SseParser
from emulator.gateway.ai.translation.deltas import Delta, Done, Failed, Finish, Reasoning, Started, Text, ToolArguments, ToolStart, Usage
from emulator.gateway.ai.upstream_errors import Upstream, in_stream, no_event

_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*?)\s*```\s*", re.DOTALL)
_ERROR_CODES = {
    "authentication_error": 10000,
    "permission_error": 10000,
    "billing_error": 3036,
    "not_found_error": 5007,
    "request_too_large": 3006,
    "timeout_error": 3007,
}
"""Workers AI's code for an `error.type` inside a stream (ai-binding.md 4.3); the text or the configuration decides about the others."""


def message_deltas(message: Mapping[str, Any], *, json_tool: str | None = None, told_json: bool = False) -> list[Delta]:
    """A whole message. The input of the tool `json_tool` is the answer's text. A text that was told to be JSON loses its code fence."""
    deltas: list[Delta] = [Started(message.get("id"))]
    calls = 0
    for block in message["content"]:
        match block.get("type"):
            case "text":
                fenced = _FENCED.fullmatch(block["text"]) if told_json else None
                deltas.append(Text(fenced[1] if fenced else block["text"]))
            case "thinking":
                deltas.append(Reasoning(block["thinking"]))
            case "tool_use" if block["name"] == json_tool:
                deltas.append(Text(compact(block.get("input"))))
            case "tool_use":
                deltas += [ToolStart(calls, block["id"], block["name"]), ToolArguments(calls, compact(block.get("input")))]
                calls += 1
    deltas.append(Finish(_finish(message.get("stop_reason"), calls)))
    deltas.append(_usage(message.get("usage") or {}))
    return [*deltas, Done()]


class EventReader:
    """One stream of named events. See stream_body.Reader."""

    def __init__(self, upstream: Upstream, *, json_tool: str | None = None) -> None:
        self._upstream = upstream
        self._json_tool = json_tool
        self._events = SseParser()
        self._usage: dict[str, Any] = {}
        self._calls: dict[int, int] = {}
        self._open: dict[int, Mapping[str, Any]] = {}
        self._answers: set[int] = set()

    def feed(self, chunk: bytes) -> Iterable[Sequence[Delta]]:
        """One list of deltas for each event that `chunk` completes. An event that is no JSON fails the stream."""
        for event in self._events.feed(chunk):
            if event.data is None:
                continue
            try:
                deltas = self._deltas(json.loads(event.data))
            except (ValueError, KeyError, TypeError, AttributeError):
                deltas = [Failed(*no_event(self._upstream, event.data))]
            yield deltas

    def _deltas(self, event: Mapping[str, Any]) -> list[Delta]:
        match event["type"]:
            case "message_start":
                self._usage = dict(event["message"].get("usage") or {})
                return [Started(event["message"].get("id"))]
            case "content_block_start":
                return self._started(event["index"], event["content_block"])
            case "content_block_delta":
                return self._delta(event["index"], event["delta"])
            case "content_block_stop":
                return self._stopped(event["index"])
            case "message_delta":
                self._usage |= {name: count for name, count in (event.get("usage") or {}).items() if count is not None}
                reason = event["delta"].get("stop_reason")
                return [Finish(_finish(reason, len(self._calls))), _usage(self._usage)] if reason else []
            case "message_stop":
                return [Done()]
            case "error":
                return [_failed(self._upstream, event)]
        return []  # ping, and what is still to be invented: clients must ignore both

    def _started(self, index: int, block: Mapping[str, Any]) -> list[Delta]:
        kind = block.get("type")
        if kind == "text":
            return [Text(block["text"])] if block.get("text") else []
        if kind == "thinking":
            return [Reasoning(block["thinking"])] if block.get("thinking") else []
        if kind != "tool_use":
            return []
        self._open[index] = block
        if block["name"] == self._json_tool:
            self._answers.add(index)
            return []
        self._calls[index] = len(self._calls)
        return [ToolStart(self._calls[index], block["id"], block["name"])]

    def _delta(self, index: int, delta: Mapping[str, Any]) -> list[Delta]:
        match delta["type"]:
            case "text_delta":
                return [Text(delta["text"])]
            case "thinking_delta":
                return [Reasoning(delta["thinking"])]
            case "input_json_delta":
                if not delta["partial_json"]:
                    return []
                self._open.pop(index, None)
                return self._arguments(index, delta["partial_json"])
        return []  # signature_delta, citations_delta: Workers AI has no place for them

    def _stopped(self, index: int) -> list[Delta]:
        """A call whose input came whole with its start, or that has none, gets its arguments now."""
        block = self._open.pop(index, None)
        return [] if block is None else self._arguments(index, compact(block.get("input") or {}))

    def _arguments(self, index: int, text: str) -> list[Delta]:
        return [Text(text)] if index in self._answers else [ToolArguments(self._calls[index], text)]


def _failed(upstream: Upstream, event: Mapping[str, Any]) -> Failed:
    code, text = in_stream(upstream, event)
    return Failed(_ERROR_CODES.get(event["error"].get("type"), code), text)


def _finish(reason: Any, calls: int) -> str:
    finish = _FINISH.get(str(reason), "stop")
    return "stop" if finish == "tool_calls" and not calls else finish


def _usage(usage: Mapping[str, Any]) -> Usage:
    cached = usage.get("cache_read_input_tokens") or 0
    prompt = (usage.get("input_tokens") or 0) + cached + (usage.get("cache_creation_input_tokens") or 0)
    reasoning = (usage.get("output_tokens_details") or {}).get("thinking_tokens") or 0
    return Usage(prompt, usage.get("output_tokens") or 0, cached, reasoning)
