"""A recording as a conversation: what was asked, what was answered, and in which rhythm. For people who look at it. Pure.

Everything is read from the recording's JSON. What is in no known dialect leaves `said` empty; then the raw body is what there is to see.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from emulator.gateway.ai.ai_gateway.usage import Tokens, tokens_of
from emulator.gateway.ai.cassettes.encoding import encode_event
from emulator.gateway.ai.curation.answer_parts import Part, PartKind, parts_of
from emulator.gateway.ai.curation.asked_messages import Asked, Message, ToolCall, asked_of, parsed
from emulator.gateway.ai.sse import SseParser


@dataclass(frozen=True, slots=True)
class Beat:
    """One moment of a stream: `t_ms` after the request, `size` characters of text, reasoning or arguments; 0 for bookkeeping."""

    t_ms: int
    size: int


@dataclass(frozen=True, slots=True)
class Conversation:
    """`said` is the answer; None when no known dialect speaks in it. `finish` is in the dialect's own words."""

    asked: Asked
    status: int
    said: Message | None
    finish: str | None
    error: str | None
    beats: tuple[Beat, ...]
    end: str
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    usage: Mapping[str, Any] | None = None
    """What the recording, or else the answer, says about tokens, in its own words."""

    @property
    def first_ms(self) -> int | None:
        """When the first piece of the answer came; None for an answer that is no stream."""
        return next((beat.t_ms for beat in self.beats if beat.size), None)

    @property
    def last_ms(self) -> int | None:
        """When the last event came."""
        return self.beats[-1].t_ms if self.beats else None


def conversation_of(document: Mapping[str, Any]) -> Conversation:
    """The conversation that a recording's document holds."""
    response = document["response"]
    stream = response.get("stream")
    pieces = list(_spoken(response))
    parts = [part for _, _, found in pieces for part in found]
    beats = tuple(Beat(t_ms, sum(_size(part) for part in found)) for t_ms, _, found in pieces) if stream else ()
    usage = document.get("usage") or next((found for _, value, _ in reversed(pieces) if (found := usage_in(value))), None)
    tokens = tokens_of(usage) or Tokens()
    return Conversation(
        asked=asked_of(document["request"].get("body")),
        status=response["status"],
        said=_said(parts),
        finish=next((part.text for part in reversed(parts) if part.kind is PartKind.FINISH), None),
        error=next((part.text for part in parts if part.kind is PartKind.ERROR), None),
        beats=beats,
        end=stream.get("end", "complete") if stream else "complete",
        prompt_tokens=tokens.tokens_in,
        completion_tokens=tokens.tokens_out,
        cost_usd=document.get("cost_usd"),
        usage=usage,
    )


def event_values(framing: str, event: Mapping[str, Any]) -> list[Any]:
    """The JSON values of one recorded event, usually one; an event kept raw may hold several, a closing `[DONE]` none."""
    if "json" in event:
        return [event["json"]]
    if "text" in event:
        texts = [event["text"]]
    else:
        data = encode_event(framing, dict(event))
        texts = _sse_texts(data) if framing == "sse" else data.decode("utf-8", "replace").splitlines()
    return [value for text in texts for value in _json(text)]


def usage_in(value: Any) -> dict[str, Any] | None:
    """The usage object of a whole answer or of one event, in its own words."""
    if not isinstance(value, dict):
        return None
    places = (value, value.get("message"), value.get("response"), value.get("result"))
    for place in places:
        if isinstance(place, dict):
            if isinstance(place.get("usage"), dict):
                return place["usage"]
            if isinstance(place.get("prompt_eval_count"), int):  # Ollama
                return {"prompt_tokens": place["prompt_eval_count"], "completion_tokens": place.get("eval_count", 0)}
    found = value.get("usageMetadata")
    if isinstance(found, dict):  # Gemini
        return {"prompt_tokens": found.get("promptTokenCount", 0), "completion_tokens": found.get("candidatesTokenCount", 0)}
    return None


def _spoken(response: Mapping[str, Any]) -> Iterator[tuple[int, Any, list[Part]]]:
    if "stream" in response:
        stream = response["stream"]
        for event in stream["events"]:
            values = event_values(stream["framing"], event)
            for value in values or [None]:
                yield event["t"], value, list(parts_of(value))
    elif "json" in response:
        yield response.get("t", 0), response["json"], list(parts_of(response["json"]))


def _said(parts: list[Part]) -> Message | None:
    spoken = [part for part in parts if not part.repeated]
    if not any(part.kind in (PartKind.TEXT, PartKind.REASONING, PartKind.TOOL, PartKind.ARGUMENTS) for part in spoken):
        spoken = parts  # a stream of which only the end was kept
    text = "".join(part.text if part.value is None else _shown(part.value) for part in spoken if part.kind is PartKind.TEXT)
    reasoning = "".join(part.text for part in spoken if part.kind is PartKind.REASONING)
    calls = tuple(_calls(spoken))
    return Message("assistant", text, reasoning, calls) if text or reasoning or calls else None


def _calls(parts: list[Part]) -> Iterator[ToolCall]:
    names: dict[str, Part] = {}
    arguments: dict[str, list[str]] = {}
    values: dict[str, Any] = {}
    for part in parts:
        if part.kind is PartKind.TOOL:
            names.setdefault(part.call, part)
        elif part.kind is PartKind.ARGUMENTS and part.value is not None:
            values[part.call] = part.value
        elif part.kind is PartKind.ARGUMENTS:
            arguments.setdefault(part.call, []).append(part.text)
    for call, named in names.items():
        text = "".join(arguments.get(call, ()))
        yield ToolCall(named.text, values.get(call, {}) if not text else parsed(text), named.id)


def _size(part: Part) -> int:
    spoken = part.kind in (PartKind.TEXT, PartKind.REASONING, PartKind.ARGUMENTS, PartKind.TOOL) and not part.repeated
    return len(part.text) if spoken else 0


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _sse_texts(data: bytes) -> list[str]:
    parser = SseParser()
    events = parser.feed(data)
    if parser.rest:
        events += SseParser().feed(parser.rest + b"\n\n")  # an event whose end stands in the next recorded one
    return [event.data for event in events if event.data is not None]


def _json(text: str) -> Iterator[Any]:
    try:
        yield json.loads(text)
    except ValueError:
        return  # `[DONE]`, or a line that is no JSON: it says nothing of the answer
