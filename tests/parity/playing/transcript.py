"""What happened in a scenario, told so that two servers can be compared: ids, times, ports and stack traces are replaced."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from typing import Any

# Keys whose strings may be ids that the server made up.
_ID_KEYS = frozenset({"id", "ids", "messageId", "messageIds", "requestId", "connections", "serverId"})
_GENERATED = re.compile(r"[A-Za-z0-9_-]{8,}")
_MESSAGE_ID = re.compile(r"assistant_\d{13}_\w+")
_PLACE = re.compile(r"(?:127\.0\.0\.1|localhost):\d+")
_ISO = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_RECENT_MS = range(1_600_000_000_000, 2_600_000_000_000)
_RECENT_S = range(1_600_000_000, 2_600_000_000)

Line = list[Any]


class Transcript:
    """Lines `[who, what, content]` in the order in which the scenario read them; within one connection that is the order of the wire."""

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._said: set[str] = set()
        self._heard: set[str] = set()

    def add(self, who: str, what: str, *content: Any) -> None:
        """Something came, or was found out."""
        self._heard.update(_strings(content))
        self._lines.append([who, what, *content])

    def say(self, who: str, what: str, *content: Any) -> None:
        """The scenario does something. Its words are its own, the server did not make them up, unless it repeats what it heard."""
        self._said.update(set(_strings(content)) - self._heard)
        self._lines.append([who, what, *content])

    def lines(self) -> list[Line]:
        """The lines with everything replaced that differs from run to run. An id keeps its number through the whole scenario."""
        lines = [_unpacked(line) for line in self._lines]
        ids: dict[str, str] = {}
        for line in lines:
            for id in _ids(line[2:]):
                if id not in self._said:
                    ids.setdefault(id, f"<id {len(ids) + 1}>")
        return [line[:2] + _plain(line[2:], ids) for line in lines]


def written(number: int, title: str, lines: list[Line]) -> str:
    """A transcript as the text of its file: JSON, one line for each line."""
    body = ",\n".join(f"    {json.dumps(line, ensure_ascii=False, sort_keys=True)}" for line in lines)
    head = f'  "scenario": {number},\n  "title": {json.dumps(title)},\n'
    return f'{{\n{head}  "lines": [\n{body}\n  ]\n}}\n'


def difference(expected: list[Line], got: list[Line], names: tuple[str, str]) -> str:
    """Empty if they are the same, else the lines that differ between their neighbours."""
    return "\n".join(difflib.unified_diff(_shown(expected), _shown(got), *names, lineterm="", n=3))


def _shown(lines: list[Line]) -> list[str]:
    return [" ".join([who, what, *(json.dumps(part, ensure_ascii=False, sort_keys=True) for part in rest)]) for who, what, *rest in lines]


def _unpacked(value: Any) -> Any:
    """Strings that hold a JSON object or array as `{"json": ...}`: the order of their keys means nothing."""
    match value:
        case dict():
            return {key: _unpacked(part) for key, part in value.items()}
        case list() | tuple():
            return [_unpacked(part) for part in value]
        case bytes():
            return {"bytes": value.hex()}
        case str() if value[:1] in ("{", "["):
            try:
                return {"json": _unpacked(json.loads(value))}
            except ValueError:
                return value
    return value


def _ids(value: Any, key: str = "") -> Iterable[str]:
    match value:
        case dict():
            for name in sorted(value):
                yield from _ids(value[name], name)
        case list():
            for part in value:
                yield from _ids(part, key)
        case str() if _MESSAGE_ID.fullmatch(value) or (key in _ID_KEYS and _GENERATED.fullmatch(value)):
            yield value


def _plain(value: Any, ids: dict[str, str]) -> Any:
    match value:
        case dict():
            return {ids.get(key, key): _plain(part, ids) for key, part in value.items()}
        case list():
            return [_plain(part, ids) for part in value]
        case str():
            return ids.get(value) or _plain_text(value, ids)
        case bool():
            return value
        case int() | float() if int(value) in _RECENT_MS:
            return "<ms>"
        case int() | float() if int(value) in _RECENT_S:
            return "<s>"
    return value


def _plain_text(text: str, ids: dict[str, str]) -> str:
    text = text.split("\n    at ", 1)[0]
    for id, shown in ids.items():
        text = text.replace(id, shown)
    return _ISO.sub("<time>", _PLACE.sub("<host>", text))


def _strings(value: Any) -> Iterable[str]:
    match value:
        case str():
            yield value
            if value[:1] in ("{", "["):
                try:
                    yield from _strings(json.loads(value))
                except ValueError:
                    return
        case dict():
            for part in value.values():
                yield from _strings(part)
        case list() | tuple():
            for part in value:
                yield from _strings(part)
