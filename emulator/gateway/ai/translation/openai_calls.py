"""Tool calls as OpenAI-compatible servers stream them, made reliable: every call gets its own index and an id that stays. Pure.

Servers differ: some leave the id or the index out, some repeat the id with every piece, Gemini numbers all parallel calls 0. And Gemini
wants back with a call what it sent with it (thought signatures), which no SDK on the binding keeps; so it is remembered.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.gateway.ai.canonical import compact
from emulator.gateway.ai.translation.emission import Emission

_KNOWN = frozenset({"index", "id", "type", "function"})
_MOST_REMEMBERED = 2000


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of call `index`. `begins`: the first part, with `id` and `name`. `extra`: fields that only the provider understands."""

    index: int
    id: str
    name: str
    arguments: str
    begins: bool
    extra: Mapping[str, Any] = field(default_factory=dict)


class CallExtras:
    """What a provider wants back with its calls: the last 2000. A call is known by its id, or, since legacy answers carry none, by its name
    and arguments."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Mapping[str, Any]] = OrderedDict()

    def remember(self, call_id: str, name: str, arguments: str, extra: Mapping[str, Any]) -> None:
        """Keep the unknown fields of a call."""
        if extra:
            self._kept[call_id] = self._kept[_content(name, arguments)] = extra
            while len(self._kept) > 2 * _MOST_REMEMBERED:
                self._kept.popitem(last=False)

    def restore(self, messages: list[dict[str, Any]]) -> None:
        """Put them back into the calls of a conversation that lost them on its way through a client."""
        for message in messages:
            calls = message.get("tool_calls")
            if isinstance(calls, list):
                message["tool_calls"] = [{**self._of(call), **call} for call in calls]

    def _of(self, call: Mapping[str, Any]) -> Mapping[str, Any]:
        content = _content(call["function"]["name"], call["function"]["arguments"])
        return self._kept.get(call["id"]) or self._kept.get(content) or {}


def _content(name: str, arguments: str) -> str:
    try:
        return compact([name, json.loads(arguments)], sort=True)
    except ValueError:
        return compact([name, arguments])


class CallNumbers:
    """The calls of one answer."""

    def __init__(self, emission: Emission, extras: CallExtras) -> None:
        self._emission = emission
        self._extras = extras
        self._ids: list[str] = []
        self._names: list[str] = []
        self._current: dict[Any, int] = {}

    @property
    def any(self) -> bool:
        """Whether a tool was called."""
        return bool(self._ids)

    def piece(self, call: Mapping[str, Any]) -> Piece:
        """What one entry of `tool_calls` is about."""
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        place, call_id, name = call.get("index"), call.get("id") or "", function.get("name") or ""
        arguments = function.get("arguments") or ""
        arguments = arguments if isinstance(arguments, str) else compact(arguments)
        index = self._current.get(place)
        begins = index is None or (bool(name) and (place is None or (bool(call_id) and call_id != self._ids[index])))
        extra = {field: value for field, value in call.items() if field not in _KNOWN}
        if index is None or begins:
            index = len(self._ids)
            self._current[place] = index
            self._ids.append(call_id or self._emission.call_id(index))
            self._names.append(name)
        self._extras.remember(self._ids[index], self._names[index], arguments, extra)
        return Piece(index, self._ids[index], self._names[index], arguments, begins, extra)


def finish_reason(reason: str | None, *, called: bool) -> str | None:
    """In OpenAI's words. Gemini and some others say `stop` after a tool call."""
    if reason is None:
        return None
    known = {"function_call": "tool_calls", "max_tokens": "length", "eos": "stop", "end_turn": "stop"}.get(reason, reason)
    return "tool_calls" if called and known == "stop" else known
