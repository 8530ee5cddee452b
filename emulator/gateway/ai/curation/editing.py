"""Another text in a recorded answer: said in the same rhythm and in as large pieces as the recorded one. Pure.

Tool calls, reasoning, usage and all other events stay as they are. A stream keeps the `sha256` of what was recorded, so that it counts as
edited and is played event by event (encoding.py); its transport splits are dropped, they belong to other bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulator.gateway.ai.cassettes.encoding import encode_event
from emulator.gateway.ai.curation.answer_parts import Part, PartKind, parts_of, with_value
from emulator.gateway.ai.curation.conversation import event_values
from emulator.gateway.ai.sse import SseParser

GAP_MS = 20
"""Between pieces where the recording has too few to tell a rhythm."""

_PIECE = re.compile(r"\s*\S+|\s+$")


class NoTextError(ValueError):
    """There is no text in the answer that could be replaced; the message says what there is."""


@dataclass(frozen=True, slots=True)
class Edited:
    """`document` is the new recording. `before` and `after` count the events that carry text; 1 for an answer that is no stream."""

    document: dict[str, Any]
    before: int
    after: int


def with_text(document: Mapping[str, Any], text: str) -> Edited:
    """The recording with `text` as the text of its answer. Raises NoTextError."""
    response = document["response"]
    if "stream" in response:
        stream, before, after = _stream(response["stream"], text)
        return Edited({**document, "response": {**response, "stream": stream}}, before, after)
    if "text" in response:
        return Edited({**document, "response": {**response, "text": text}}, 1, 1)
    if "json" in response:
        return Edited({**document, "response": {**response, "json": _whole(response["json"], text)}}, 1, 1)
    raise NoTextError("the answer is a file" if "blob" in response else "the answer has no body")


def _whole(value: Any, text: str) -> Any:
    parts = list(parts_of(value))
    texts = [part for part in parts if part.kind is PartKind.TEXT]
    if not texts:
        raise NoTextError(_what_there_is(parts))
    for index, part in enumerate(texts):
        value = with_value(value, part.path, _replaced(part, text if index == 0 else ""))
    return value


def _replaced(part: Part, text: str) -> Any:
    """JSON mode answers with a value, not with text."""
    if part.value is None:
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise NoTextError("the answer is a JSON value (JSON mode), and the new text is no JSON") from None


def _what_there_is(parts: list[Part]) -> str:
    kinds = {part.kind for part in parts}
    if PartKind.ERROR in kinds:
        return "the answer is an error"
    return "the answer only calls tools" if PartKind.TOOL in kinds else "the answer is in no known dialect, or has no text"


@dataclass(slots=True)
class _Event:
    """One event with its JSON value, if it is one; `spoken` is the text that it adds to the answer."""

    event: dict[str, Any]
    value: Any
    spoken: Part | None
    parts: list[Part]


def _stream(stream: dict[str, Any], text: str) -> tuple[dict[str, Any], int, int]:
    events = [_Event(event, *_read(stream["framing"], event)) for event in _plain(stream)]
    carriers = [event for event in events if event.spoken and event.spoken.text] or [event for event in events if event.spoken][:1]
    if not carriers:
        raise NoTextError(_what_there_is([part for event in events for part in event.parts]))
    item = _call(carriers[0])
    carriers = [event for event in carriers if _call(event) == item]
    pieces = _pieces(text, _mean_size(carriers))
    times = _times([event.event["t"] for event in carriers], len(pieces))
    shift = times[-1] - carriers[-1].event["t"]
    ordinal = {id(event): index for index, event in enumerate(carriers)}
    written: list[dict[str, Any]] = []
    for event in events:
        index = ordinal.get(id(event))
        if index is None:
            written += [_shifted(event.event, carriers, event, shift, _said_again(event, item, text))]
            continue
        if index < len(pieces):
            written.append(_with(event, pieces[index], times[index]))
        elif len(event.parts) > 1:
            written.append(_with(event, "", times[-1]))  # it says something else besides
        if index == len(carriers) - 1:
            written += [_with(event, piece, t_ms) for piece, t_ms in zip(pieces[index + 1 :], times[index + 1 :], strict=True)]
    rest = {name: value for name, value in stream.items() if name != "chunks"}
    return {**rest, "events": _renumbered(written)}, len(carriers), len(pieces)


def _plain(stream: dict[str, Any]) -> list[dict[str, Any]]:
    """The events, those that were kept raw taken apart where that loses nothing but spaces."""
    plain: list[dict[str, Any]] = []
    for event in stream["events"]:
        plain += [event] if "json" in event or "text" in event else _taken_apart(stream["framing"], event)
    return plain


def _taken_apart(framing: str, event: dict[str, Any]) -> list[dict[str, Any]]:
    if framing != "sse" or len(event_values(framing, event)) == 0:
        return [event]
    parser = SseParser()
    found = parser.feed(encode_event(framing, event))
    if parser.rest or any(one.data is None for one in found):
        return [event]
    apart = []
    for one in found:
        fields = {name: value for name, value in (("event", one.event), ("id", one.id)) if value is not None}
        try:
            apart.append({"t": event["t"], **fields, "json": json.loads(one.data or "")})
        except ValueError:
            apart.append({"t": event["t"], **fields, "text": one.data})
    return apart


def _read(framing: str, event: dict[str, Any]) -> tuple[Any, Part | None, list[Part]]:
    values = event_values(framing, event)
    if len(values) != 1:
        return None, None, []
    parts = list(parts_of(values[0]))
    spoken = next((part for part in parts if part.kind is PartKind.TEXT and not part.repeated and part.value is None), None)
    return values[0], spoken, parts


def _call(event: _Event) -> str:
    return event.spoken.call if event.spoken else ""


def _mean_size(carriers: list[_Event]) -> int:
    sizes = [len(event.spoken.text) for event in carriers if event.spoken]
    return max(1, round(sum(sizes) / len(sizes)))


def _pieces(text: str, size: int) -> list[str]:
    """`text` cut before words, in pieces of about `size` characters; words that are much longer, as in Chinese, are cut too."""
    pieces = [""]
    for word in (part for found in _PIECE.findall(text) for part in _cut(found, size)):
        if pieces[-1] and len(pieces[-1]) + len(word) / 2 > size:
            pieces.append("")
        pieces[-1] += word
    return pieces


def _cut(word: str, size: int) -> list[str]:
    most = max(2 * size, 4)
    return [word] if len(word) <= most else [word[at : at + size] for at in range(0, len(word), size)]


def _times(recorded: list[int], count: int) -> list[int]:
    """The recorded times, and as many more in the same rhythm as are needed."""
    gap = round((recorded[-1] - recorded[0]) / (len(recorded) - 1)) if len(recorded) > 1 else GAP_MS
    return [recorded[index] if index < len(recorded) else recorded[-1] + (index - len(recorded) + 1) * gap for index in range(count)]


def _with(event: _Event, piece: str, t_ms: int) -> dict[str, Any]:
    assert event.spoken is not None  # only carriers come here
    return {**_without_body(event.event), "t": t_ms, "json": with_value(event.value, event.spoken.path, piece)}


def _said_again(event: _Event, item: str, text: str) -> Any:
    """The event's value with the new text where it repeats the old one (OpenAI Responses); other items of the answer fall silent."""
    value = event.value
    for part in event.parts:
        if part.kind is PartKind.TEXT and part.value is None and (part.repeated or part.call != item):
            value = with_value(value, part.path, text if part.call == item else "")
    return value


def _shifted(event: dict[str, Any], carriers: list[_Event], one: _Event, shift: int, value: Any) -> dict[str, Any]:
    """An event that is no piece of the text: what came after the last piece still does."""
    moved = {**event, "t": max(0, event["t"] + shift)} if event["t"] >= carriers[-1].event["t"] else event
    return moved if value is one.value else {**_without_body(moved), "json": value}


def _without_body(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in ("json", "text", "raw", "b64")}


def _renumbered(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """OpenAI Responses counts its events."""
    numbers = [event["json"]["sequence_number"] for event in events if _is_numbered(event)]
    if not numbers:
        return events
    following = iter(range(numbers[0], numbers[0] + len(numbers)))
    return [{**event, "json": {**event["json"], "sequence_number": next(following)}} if _is_numbered(event) else event for event in events]


def _is_numbered(event: dict[str, Any]) -> bool:
    value = event.get("json")
    return isinstance(value, dict) and isinstance(value.get("sequence_number"), int)
