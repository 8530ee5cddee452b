"""An answer ready to be played: what recordings and the stub both produce, and replay.py sends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from emulator.gateway.ai.canonical import compact
from emulator.gateway.exchange import Headers


class StreamEnd(StrEnum):
    """How a recorded stream ended: in order, cut cleanly by the server, torn, or left by the reader (replayed in full)."""

    COMPLETE = "complete"
    EOF = "eof"
    RESET = "reset"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class Chunk:
    """`t_ms` counts from the request."""

    t_ms: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """`chunks` holds a stream; then `body` is empty. `usage` is in the model's own words (`prompt_tokens`, ...)."""

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    chunks: Sequence[Chunk] | None = None
    first_byte_ms: int = 0
    end: StreamEnd = StreamEnd.COMPLETE
    usage: Mapping[str, Any] | None = None


def json_answer(value: Any, status: int = 200, *, usage: Mapping[str, Any] | None = None) -> Answer:
    """A JSON answer with exactly `content-type: application/json`: with a charset appended the client would hand the caller a
    stream instead of an object (ai-binding.md 1.3 rule 4)."""
    return Answer(status, [("content-type", "application/json")], compact(value).encode(), usage=usage)


def sse_answer(events: list[Any], *, gap_ms: int, usage: Mapping[str, Any] | None = None, named: bool = False) -> Answer:
    """A stream of `data:` events `gap_ms` apart, one chunk each, closed by `[DONE]`; with `named`, each event's `type` is its
    `event:` name and nothing closes the stream, as in the Responses and Messages APIs."""
    texts = [(f"event: {event['type']}\n" if named else "") + f"data: {compact(event)}\n\n" for event in events]
    if not named:
        texts.append("data: [DONE]\n\n")
    chunks = tuple(Chunk((index + 1) * gap_ms, text.encode()) for index, text in enumerate(texts))
    return Answer(200, [("content-type", "text/event-stream")], chunks=chunks, usage=usage)
