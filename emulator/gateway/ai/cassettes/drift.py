"""How the shape of an answer has changed since it was recorded: for mode `check` (ai-binding.md 7.4; A34). Pure.

Two answers of a model never say the same. What a client relies on is compared: the status, the type of the body, which fields there are and
of which types, which events a stream is made of and in which order, and how the answer ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from emulator.gateway.ai.answers import Answer
from emulator.gateway.ai.cassettes.decoding import events_of, framing_of, json_value, parsed_event
from emulator.gateway.exchange import header

_FINISH = frozenset({"finish_reason", "stop_reason", "done_reason"})
_FREE = frozenset({"arguments", "input", "partial_json"})
"""Fields whose inside is the model's own invention."""


class Change(StrEnum):
    """What became of a part of an answer."""

    ADDED = "added"
    REMOVED = "removed"
    RETYPED = "retyped"
    CHANGED = "changed"
    """Another value where the value itself is what clients read: status, content type, finish reason, order of events."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference. `path` is `$.choices[*].message`, for streams below the kind of event (`message_delta $.usage`), or `events A -> B`
    for two that follow each other; `recorded` and `now` are types, or values for CHANGED; empty where there is nothing."""

    change: Change
    path: str
    recorded: str
    now: str

    def __str__(self) -> str:
        match self.change:
            case Change.ADDED:
                return f"added    {self.path}{f': {self.now}' if self.now else ''}"
            case Change.REMOVED:
                return f"removed  {self.path}{f': {self.recorded}' if self.recorded else ''}"
        return f"{self.change:<8} {self.path}: {self.recorded} -> {self.now}"


def drift(recorded: Answer, now: Answer) -> list[Drift]:
    """The differences in shape, the weightiest first; empty when a client would not notice."""
    found = list(_values("status", str(recorded.status), str(now.status)))
    found += _values("content-type", _media_type(recorded), _media_type(now))
    old, new = _shape(recorded), _shape(now)
    found += _values("finish", ", ".join(old.finishes), ", ".join(new.finishes))
    found += [Drift(Change.ADDED, f"events {pair}", "", "") for pair in new.follows if pair not in old.follows]
    found += [Drift(Change.REMOVED, f"events {pair}", "", "") for pair in old.follows if pair not in new.follows]
    for path in sorted({*old.types, *new.types}):
        before, after = _words(old.types.get(path)), _words(new.types.get(path))
        if not before:
            found.append(Drift(Change.ADDED, path, "", after))
        elif not after:
            found.append(Drift(Change.REMOVED, path, before, ""))
        elif _cannot_be_both(old.types[path], new.types[path]):
            found.append(Drift(Change.RETYPED, path, before, after))
    return found


@dataclass(slots=True)
class _Shape:
    """`types` by path. `follows` are the pairs of kinds of events that come after each other, in order of appearance: how many there are of
    each is the model's choice, what may follow what is the protocol."""

    types: dict[str, set[str]] = field(default_factory=dict)
    follows: list[str] = field(default_factory=list)
    finishes: list[str] = field(default_factory=list)


def _shape(answer: Answer) -> _Shape:
    shape = _Shape()
    framing = framing_of(_media_type(answer))
    data = answer.body if answer.chunks is None else b"".join(chunk.data for chunk in answer.chunks)
    if framing is None:
        value = json_value(data.decode("utf-8", "replace")) if _media_type(answer).endswith("json") else None
        if value is not None:
            _note(shape, value)
        return shape
    last = "start"
    for event in events_of(framing, data, [(0, len(data))] if data else []):
        value = parsed_event(framing, event)
        kind = _kind(event, value)
        if kind is None:
            continue
        _follow(shape, last, kind)
        last = kind
        if value is not None:
            _note(shape, value, "" if kind == "data" else f"{kind} ")
    _follow(shape, last, "end")
    return shape


def _follow(shape: _Shape, last: str, kind: str) -> None:
    pair = f"{last} -> {kind}"
    if last != kind and pair not in shape.follows:
        shape.follows.append(pair)


def _cannot_be_both(before: set[str], now: set[str]) -> bool:
    """`null` goes with everything: it says that there is no value this time."""
    before, now = before - {"null"}, now - {"null"}
    return bool(before and now) and not before & now


def _kind(event: dict[str, Any], value: Any) -> str | None:
    """What sort of event it is; None for comments, which say nothing."""
    named = value.get("type") if isinstance(value, dict) else None
    name = event.get("event") or (named if isinstance(named, str) else None)
    if name == "ping":
        return None
    if name:
        return str(name)
    if value is None:
        text = event.get("text")
        return text if text in (None, "[DONE]") else "text"
    return "data"


def _note(shape: _Shape, value: Any, prefix: str = "") -> None:
    for path, name, leaf in _walk(value, "$", ""):
        shape.types.setdefault(prefix + path, set()).add(_type(leaf))
        if name in _FINISH and isinstance(leaf, str) and leaf not in shape.finishes:
            shape.finishes.append(leaf)


def _walk(value: Any, path: str, name: str) -> Iterator[tuple[str, str, Any]]:
    yield path, name, value
    if name in _FREE:
        return
    if isinstance(value, dict):
        for member, item in value.items():
            yield from _walk(item, f"{path}.{member}", member)
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item, f"{path}[*]", name)


def _type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def _words(types: Iterable[str] | None) -> str:
    return " or ".join(sorted(types or ()))


def _values(path: str, before: str, after: str) -> list[Drift]:
    return [] if before == after else [Drift(Change.CHANGED, path, before or "none", after or "none")]


def _media_type(answer: Answer) -> str:
    return (header(answer.headers, "content-type") or "").split(";")[0].strip().lower()
