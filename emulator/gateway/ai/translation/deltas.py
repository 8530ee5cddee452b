"""What a text model says, between any protocol and the shape that is emitted (ai-binding.md 4.2). Pure data.

A reader turns **one** upstream event (an SSE event, an NDJSON line, a whole JSON answer) into **one** list of deltas; emission.py turns
that list into one chunk. So nothing is ever merged or held back, however many things one event says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Started:
    """The answer begins. `created_s` counts from 1970; None when the protocol does not say."""

    id: str | None = None
    created_s: int | None = None


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    text: str


@dataclass(frozen=True, slots=True)
class ToolStart:
    """A tool call begins. `index` counts the calls of one answer from 0; `id` None: the protocol gives none, emission makes one.
    `extra`: fields of the call that only the provider understands and wants back (Gemini's thought signatures)."""

    index: int
    id: str | None
    name: str
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolArguments:
    """A piece of JSON text of the arguments of call `index`; the pieces of one call make one JSON value."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class Finish:
    """`reason` in OpenAI's words: `stop`, `length`, `tool_calls`, `content_filter`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens. `prompt` includes the `cached` ones, `completion` includes the `reasoning` ones."""

    prompt: int
    completion: int
    cached: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """The provider reports an error inside its stream: an error event goes out, then the stream closes without `[DONE]`. `code` is
    Workers AI's (ai-binding.md 1.4)."""

    code: int
    message: str


@dataclass(frozen=True, slots=True)
class Done:
    """The provider says that the stream is complete. A stream that ends without it is passed on as cut: no `[DONE]`."""


Delta = Started | Text | Reasoning | ToolStart | ToolArguments | Finish | Usage | Failed | Done
