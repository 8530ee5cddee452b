"""The texts that stream events add up to. A model says a key token by token: no event holds it, and the reader has it all the same.

Pieces at one path of the events' JSON are joined. A known secret that lies across pieces is taken out of them: its placeholder stands in
the first piece. An unknown one is a finding.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any

from emulator.gateway.ai.cassettes import jsonpath
from emulator.gateway.ai.cassettes.decoding import event_of, parsed_event, whole_pieces
from emulator.gateway.ai.recorder.redaction import Finding, Redaction
from emulator.gateway.ai.recorder.secret_patterns import unknown_secrets

Path = tuple[str | int, ...]
_ENOUGH = 8 * 1024
"""Characters of one path that are looked through at a time."""
_Pieces = dict[Path, list[tuple[int, str]]]
"""By path: the index of the event, and its piece."""


def mend(framing: str, events: Sequence[dict[str, Any]], redaction: Redaction) -> list[dict[str, Any]]:
    """The events without known secrets that lie across several of them; the same event objects where nothing changes."""
    mended = list(events)
    for path, pieces in _pieces(framing, events).items():
        ends = list(accumulate(len(text) for _, text in pieces))
        changes: dict[int, list[tuple[int, int, str]]] = defaultdict(list)
        for start, end, placeholder in redaction.known_in("".join(text for _, text in pieces)):
            for number, (_, text) in enumerate(pieces):
                begin = ends[number] - len(text)
                if begin < end and start < ends[number]:
                    changes[number].append((max(start - begin, 0), min(end - begin, len(text)), placeholder if begin <= start else ""))
        for number, cuts in changes.items():
            index, text = pieces[number]
            for start, end, replacement in reversed(cuts):
                text = text[:start] + replacement + text[end:]
            mended[index] = _with_text(framing, mended[index], path, text)
    return mended


def joined_findings(framing: str, events: Sequence[dict[str, Any]], redaction: Redaction) -> Iterator[Finding]:
    """Secrets in the joined texts, but for those that one piece holds alone: they have a path of their own."""
    for path, pieces in _pieces(framing, events).items():
        text = "".join(piece for _, piece in pieces)
        where = "$.response.stream.events[*].json" + jsonpath.join(path).removeprefix("$")
        yield from (Finding(f"the value of {name}, in pieces", where) for _, _, name in redaction.known_in(text))
        if found := unknown_secrets(text):
            alone = {what for _, piece in pieces for what in unknown_secrets(piece)}
            yield from (Finding(f"{what}, in pieces", where) for what in found if what not in alone)


def long_findings(framing: str, windows: Iterable[bytes], redaction: Redaction) -> Iterator[Finding]:
    """The same, known secrets included, for a stream that is too long to hold: nothing of it is replaced."""
    waiting: dict[Path, str] = defaultdict(str)
    watches: dict[Path, Callable[[bytes], list[Finding]]] = {}

    def look(path: Path) -> list[Finding]:
        if path not in watches:
            watches[path] = redaction.watch("$.response.stream.blob, joined " + jsonpath.join(path).removeprefix("$."))
        return watches[path](waiting.pop(path).encode("utf-8", "replace"))

    for piece in whole_pieces(framing, windows):
        for path, text in _strings(parsed_event(framing, event_of(framing, piece, 0)), ()):
            waiting[path] += text
            if len(waiting[path]) > _ENOUGH:
                yield from look(path)
    for path in list(waiting):
        yield from look(path)


def _pieces(framing: str, events: Iterable[dict[str, Any]]) -> _Pieces:
    """Paths with one piece, or with the same text in every event (ids, models), add up to nothing new."""
    found: _Pieces = defaultdict(list)
    for index, event in enumerate(events):
        for path, text in _strings(parsed_event(framing, event), ()):
            found[path].append((index, text))
    return {path: pieces for path, pieces in found.items() if len({text for _, text in pieces}) > 1}


def _strings(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        if value:
            yield path, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _strings(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strings(item, (*path, index))


def _with_text(framing: str, event: dict[str, Any], path: Path, text: str) -> dict[str, Any]:
    value = copy.deepcopy(parsed_event(framing, event))
    holder = value
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = text
    return {**{name: event[name] for name in ("t", "event", "id") if name in event}, "json": value}
