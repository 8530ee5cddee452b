"""Tokens, read from an answer's body as it passes: Workers AI, OpenAI chat and Responses, Anthropic, Gemini; JSON or SSE.

Nothing is held back and little is kept: the current line of a stream, the tail of a document (ai-binding.md 1.5, 4.2 "usage").
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_LONGEST_LINE = 256 * 1024
"""A longer event (an image, say) is passed over; usage events are short."""
_TAIL = 64 * 1024
"""Usage stands near the end of every dialect's document."""
_USAGE = re.compile(rb'"(?:usage|usageMetadata)"\s*:\s*(?=\{)')
_END_WORDS = (b'"finishReason"', b'"message_stop"', b'"response.completed"', b'"response.incomplete"')
"""With their quotes: inside a text they would be escaped."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """`cached_in` is the part of `tokens_in` that the provider's prompt cache held."""

    tokens_in: int = 0
    tokens_out: int = 0
    cached_in: int = 0


def tokens_of(usage: Any) -> Tokens | None:
    """Tokens from a usage object in any dialect's words; None when it has none of them, or is no object."""
    if not isinstance(usage, Mapping):
        return None
    if "promptTokenCount" in usage:
        thoughts = _count(usage.get("thoughtsTokenCount"))
        cached = _count(usage.get("cachedContentTokenCount"))
        return Tokens(_count(usage["promptTokenCount"]), _count(usage.get("candidatesTokenCount")) + thoughts, cached)
    if "prompt_tokens" in usage or "completion_tokens" in usage:
        details = usage.get("prompt_tokens_details")
        cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else 0
        return Tokens(_count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")), cached)
    if "input_tokens" in usage or "output_tokens" in usage:
        details = usage.get("input_tokens_details")
        cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else 0
        read, written = _count(usage.get("cache_read_input_tokens")), _count(usage.get("cache_creation_input_tokens"))
        return Tokens(_count(usage.get("input_tokens")) + read + written, _count(usage.get("output_tokens")), cached + read)
    if "total_tokens" in usage:  # embeddings
        return Tokens(_count(usage["total_tokens"]))
    return None


class UsageReader:
    """Feed it the chunks of one body; `usage` and `finished` are right when the body has ended."""

    def __init__(self, content_type: str) -> None:
        self._stream = content_type.split(";")[0].strip().lower() == "text/event-stream"
        self._kept = bytearray()
        self._overlong = False
        self._usage: dict[str, Any] = {}
        self._finished = False

    def feed(self, chunk: bytes) -> None:
        """One chunk of the body."""
        if not self._stream:
            self._kept += chunk
            if len(self._kept) > 2 * _TAIL:
                del self._kept[:-_TAIL]
            return
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            self._kept += line
            if not self._overlong:
                self._line(bytes(self._kept))
            self._kept.clear()
            self._overlong = False
        self._kept += rest
        if len(self._kept) > _LONGEST_LINE:
            self._kept.clear()
            self._overlong = True

    @property
    def usage(self) -> dict[str, Any] | None:
        """The usage object in the dialect's own words; parts of it that come in several events are put together."""
        if not self._stream:
            return _last_usage(bytes(self._kept))
        return self._usage or None

    @property
    def finished(self) -> bool:
        """Whether a stream came to its own end (`[DONE]`, `message_stop`, `response.completed`, a Gemini finish reason). A document is
        always finished."""
        return self._finished or not self._stream

    def _line(self, line: bytes) -> None:
        if not line.startswith(b"data:"):
            return
        data = line[5:].strip()
        if data == b"[DONE]" or any(word in data for word in _END_WORDS):
            self._finished = True
        found = _last_usage(data)
        if found is not None:
            self._usage |= {name: value for name, value in found.items() if value is not None}


def _last_usage(data: bytes) -> dict[str, Any] | None:
    found = [match.end() for match in _USAGE.finditer(data)]
    if not found:
        return None
    try:
        value, _ = json.JSONDecoder().raw_decode(data[found[-1] :].decode("utf-8", "replace"))
    except ValueError:
        return None  # cut off in the middle: there is no usage to report
    return value if isinstance(value, dict) else None


def _count(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else 0
