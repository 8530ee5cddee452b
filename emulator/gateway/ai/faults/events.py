"""Single events of a stream, and how a fault bends them: bytes in, bytes out. Pure.

An event is one block of server-sent events, one line of NDJSON, or a whole JSON answer. Bytes that a fault does not mean stay as they are.
"""

from __future__ import annotations

import json
import re
from typing import Any

from emulator.gateway.ai.canonical import compact
from emulator.gateway.ai.sse import SseParser

_DATA = re.compile(rb"^data: ?", re.MULTILINE)
_CONTINUED = re.compile(rb"(?:\r\n|\n|\r)data: ?")
_LINE_END = re.compile(rb"[\r\n]*\Z")

_CLOSING_TYPES = frozenset({"message_stop", "response.completed", "response.failed", "response.incomplete"})
_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
_GEMINI_REASONS = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
_INCOMPLETE_REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}


class EventSplitter:
    """A stream's bytes as events, by its media type; where nothing marks an event, each chunk is one."""

    def __init__(self, content_type: str) -> None:
        media_type = content_type.partition(";")[0].strip().lower()
        self._parser = SseParser() if media_type == "text/event-stream" else None
        self._lines = media_type.endswith("ndjson")
        self._kept = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The events that `chunk` completes."""
        if self._parser is not None:
            return [event.raw for event in self._parser.feed(chunk)]
        if not self._lines:
            return [chunk]
        *lines, self._kept = (self._kept + chunk).split(b"\n")
        return [line + b"\n" for line in lines]

    @property
    def rest(self) -> bytes:
        """What came after the last complete event."""
        return self._kept if self._parser is None else self._parser.rest


def is_closing(event: bytes) -> bool:
    """Whether the stream is over with this event: OpenAI's `[DONE]`, the last one of the Responses and the Messages API, Ollama's `done`,
    Gemini's `finishReason`."""
    _, payload, _ = _parts(event)
    if payload.strip() == b"[DONE]":
        return True
    value = _parsed(payload)
    if not isinstance(value, dict):
        return False
    candidates = value.get("candidates")
    ended = any(isinstance(item, dict) and item.get("finishReason") for item in candidates) if isinstance(candidates, list) else False
    return ended or value.get("type") in _CLOSING_TYPES or value.get("done") is True


def malformed(event: bytes) -> bytes:
    """The event with the second half of its data missing: no JSON any more, but still an event."""
    head, payload, tail = _parts(event)
    half = payload[: max(1, len(payload) // 2)].decode("utf-8", "ignore").encode()
    return head + half + tail


def with_finish_reason(event: bytes, reason: str) -> bytes:
    """The event with another reason why the model stopped, in the words of its own shape; unchanged when it has none."""
    head, payload, tail = _parts(event)
    value = _parsed(payload)
    if not isinstance(value, dict) or not _set_reason(value, reason):
        return event
    if value.get("type") == "response.incomplete":
        head = head.replace(b"response.completed", b"response.incomplete")
    return head + compact(value).encode() + tail


def split_inside_characters(chunk: bytes) -> list[bytes]:
    """`chunk`, cut after the first byte of every character that has several."""
    cuts = [index + 1 for index, byte in enumerate(chunk) if byte >= 0xC0 and index + 1 < len(chunk)]
    return [chunk[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(chunk)], strict=True)]


def _parts(event: bytes) -> tuple[bytes, bytes, bytes]:
    """What stands before the data, the data (its lines joined), and the end of the line or block."""
    found = _DATA.search(event)
    begin = found.end() if found is not None else 0
    end = _LINE_END.search(event, begin)
    until = end.start() if end is not None else len(event)
    payload = event[begin:until]
    return event[:begin], _CONTINUED.sub(b"\n", payload) if found is not None else payload, event[until:]


def _parsed(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return None


def _set_reason(value: dict[str, Any], reason: str) -> bool:
    done = False
    for choice in _objects(value.get("choices")):
        if choice.get("finish_reason"):
            choice["finish_reason"], done = reason, True
    for candidate in _objects(value.get("candidates")):
        if candidate.get("finishReason"):
            candidate["finishReason"], done = _GEMINI_REASONS.get(reason, reason), True
    for holder in _objects([value, value.get("delta")]):
        if holder.get("stop_reason"):
            holder["stop_reason"], done = _STOP_REASONS.get(reason, reason), True
    if value.get("done_reason"):
        value["done_reason"], done = reason, True
    return _set_incomplete(value, _INCOMPLETE_REASONS.get(reason, reason)) or done


def _set_incomplete(value: dict[str, Any], reason: str) -> bool:
    """The Responses API has no reason to stop but being complete; every other one is an incomplete response."""
    response = value.get("response") if value.get("type") == "response.completed" else value
    if not isinstance(response, dict) or response.get("object") != "response" or response.get("status") != "completed" or reason == "stop":
        return False
    response.update(status="incomplete", incomplete_details={"reason": reason})
    if response is not value:
        value["type"] = "response.incomplete"
    return True


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
