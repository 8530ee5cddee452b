"""A miss that teaches: the nearest recording, the JSON paths that differ, both values, the next step (ai-binding.md 7.3 step 8).

Pure. A report stays under 40 lines, whatever was asked. It goes to terminals and into logs, so nothing in it looks like a secret:
texts are masked before they are cut, for a part of a token has no form to be known by.
"""

from __future__ import annotations

import heapq
import re
import shlex
from collections.abc import Mapping
from typing import Any

from emulator.config.document import shown
from emulator.gateway.ai.canonical import ModelRequest, canonical, compact, key_of
from emulator.gateway.ai.cassettes import jsonpath
from emulator.gateway.ai.cassettes.helping_rules import helping_rules, setting
from emulator.gateway.ai.cassettes.json_differences import ABSENT, differences
from emulator.gateway.ai.cassettes.library import DEFAULT, MANIFEST, Cassette, Shelf
from emulator.gateway.ai.cassettes.recording import Recording
from emulator.gateway.ai.recorder.secret_patterns import masked, masked_value

_MOST_DIFFERENCES = 8
_WIDTH = 100
_LOOKED_AT_CLOSELY = 12
"""Recordings whose whole texts are compared: those that come first by what is cheap to compare."""


def miss_report(request: ModelRequest, shelf: Shelf, *, cassette: str | None = None) -> str:
    """Several lines for people: what was asked, what comes nearest, how it differs, what to do. `cassette` is where a recording of this
    request would go."""
    asked = canonical(request)
    lines = [f"no recording answers {request.kind} {_cut(request.target)} (key {key_of(asked)[:8]})"]
    near = nearest(request, shelf)
    steps: list[str] = []
    if near is None:
        lines.append(f"  nearest   {_none_of_kind(sum(1 for _ in shelf.recordings), request)}")
    else:
        lines.append(f"  nearest   {shown(near.file)}")
        lines += _unmet_rules(near, request) if near.manual else _different_values(near, request, shelf, steps)
    if shelf.broken:
        lines.append(f"  note      {len(shelf.broken)} recording files could not be used; the first is {shelf.broken[0].where}")
    target = cassette or (near.cassette if near is not None else DEFAULT)
    steps.append(f"record it: agents-emu ai record --add --cassette {shlex.quote(target)} -- <your test command>")
    steps.append("on a running server: agents-emu ai mode new   by hand: fixtures/README.md")
    lines += [f"  {'next' if index == 0 else '':<8}  {step}" for index, step in enumerate(steps)]
    return "\n".join(lines)


def exhausted_report(request: ModelRequest, recordings: tuple[Recording, ...]) -> str:
    """Several lines for people: the request is known, but every answer to it is used up."""
    count = len(recordings)
    return "\n".join(
        [
            f"recorded {count} {'time' if count == 1 else 'times'}, requested once more: {request.kind} {_cut(request.target)}",
            f"  last      {shown(recordings[-1].file)}",
            '  next      set "repeat": "last" or "forever" in its "match", or record the new number of calls:',
            f"            agents-emu ai record --add --cassette {shlex.quote(recordings[-1].cassette)} -- <your test command>",
        ]
    )


def nearest(request: ModelRequest, shelf: Shelf) -> Recording | None:
    """The recording of the same kind that has most in common with `request`; the first of those that have equally much."""
    wanted = _Features(request)
    document = request.document()
    rough = [
        (_likeness(recording, request, wanted, document), -place, recording)
        for place, recording in enumerate(shelf.recordings)
        if recording.request.kind is request.kind
    ]
    words = _words(request)
    close = [
        (score if recording.manual else score + 2 * _overlap(words, _words(recording.request)), place, recording)
        for score, place, recording in heapq.nlargest(_LOOKED_AT_CLOSELY, rough, key=lambda row: row[:2])
    ]
    return max(close, key=lambda row: row[:2])[2] if close else None


def _none_of_kind(recorded: int, request: ModelRequest) -> str:
    if recorded < 2:
        return f"the one recording is not of kind {request.kind}" if recorded else "nothing is recorded yet"
    return f"none of {recorded} recordings is of kind {request.kind}"


# -- ranking


class _Features:
    """What is cheap to compare."""

    def __init__(self, request: ModelRequest) -> None:
        body = _inputs(request)
        turns = body.get("messages") or body.get("input")
        self.target = request.target
        self.tools = [_tool_name(tool) for tool in _list(body.get("tools"))]
        self.count = len(turns) if isinstance(turns, list) else 0
        users = [turn for turn in _list(turns) if isinstance(turn, Mapping) and turn.get("role") == "user"]
        self.user = users[-1].get("content") if users else body.get("prompt", turns if isinstance(turns, str) else body.get("text"))

    def likeness(self, other: _Features) -> float:
        """0 to 6.5."""
        same_user = self.user is not None and self.user == other.user
        return 3.0 * (self.target == other.target) + 2.0 * same_user + (self.tools == other.tools) + 0.5 * (self.count == other.count)


def _inputs(request: ModelRequest) -> Mapping[str, Any]:
    """What the model is told, wherever this kind of request has it."""
    body = request.body
    if isinstance(body, list) and body and isinstance(body[0], Mapping):  # the universal endpoint
        body = body[0].get("query")
    return body if isinstance(body, Mapping) else {}


def _tool_name(tool: Any) -> Any:
    if not isinstance(tool, Mapping):
        return None
    function = tool.get("function")
    return function.get("name") if isinstance(function, Mapping) else tool.get("name")


def _likeness(recording: Recording, request: ModelRequest, wanted: _Features, document: dict[str, Any]) -> float:
    if not recording.manual:
        return wanted.likeness(_Features(recording.request))
    met = sum(rule.holds(document) for rule in recording.rules)
    return 3.0 * recording.fits_target(request) + met / max(1, len(recording.rules))


def _words(request: ModelRequest) -> set[str]:
    return set(re.findall(r"\w+", compact(request.body).lower()))


def _overlap(left: set[str], right: set[str]) -> float:
    return len(left & right) / max(1, len(left | right))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


# -- words


def _unmet_rules(recording: Recording, request: ModelRequest) -> list[str]:
    document = request.document()
    lines = []
    if not recording.fits_target(request):
        lines.append(f"  target    {_cut(recording.request.target)} does not fit {_cut(request.target)}")
    unmet = [rule for rule in recording.rules if not rule.holds(document)]
    for rule in unmet[:_MOST_DIFFERENCES]:
        values = jsonpath.select(document, rule.steps)
        lines += [f"  rule      {_cut(str(rule))}", f"    found   {_cut(_written(values[0])) if values else 'nothing at that path'}"]
    return lines + _rest(len(unmet), "unmet rules")


def _different_values(recording: Recording, request: ModelRequest, shelf: Shelf, steps: list[str]) -> list[str]:
    home = next((one for one in shelf.cassettes if one.name == recording.cassette), Cassette(recording.cassette))
    pairs = list(differences(canonical(recording.request, home.normalisers), canonical(request, home.normalisers), ()))
    lines = []
    for path, recorded, asked in pairs[:_MOST_DIFFERENCES]:
        left, right = _both(_as_sent(recording.request, path, recorded), _as_sent(request, path, asked))
        lines += [f"  {_cut(jsonpath.join(path))}", f"    recorded  {left}", f"    asked     {right}"]
    rules = helping_rules(request, recording.request, home.normalisers) if pairs else None
    if rules is not None:
        manifest = shown(recording.file.parent / MANIFEST)
        steps += [f"if it is the same request all the same, write into {manifest}:", f"  {masked(setting(rules))}"]
    return lines + _rest(len(pairs), "differences")


def _as_sent(request: ModelRequest, path: tuple[str | int, ...], compared: Any) -> Any:
    """Long texts that look like base64 are compared by hash; whoever looks for the difference wants the text."""
    if not isinstance(compared, str) or not compared.startswith("sha256:"):
        return compared
    value: Any = {"body": request.body}
    for step in path:
        value = value[step]
    return value


def _rest(count: int, what: str) -> list[str]:
    return [f"  and {count - _MOST_DIFFERENCES} more {what}"] if count > _MOST_DIFFERENCES else []


def _both(recorded: Any, asked: Any) -> tuple[str, str]:
    """Both values, long texts cut so that the place where they part is visible."""
    left, right = (("absent" if value is ABSENT else _written(value)) for value in (recorded, asked))
    common = next((index for index, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    start = 0 if common < _WIDTH // 2 else common - 30
    return _cut(left, start), _cut(right, start)


def _written(value: Any) -> str:
    return compact(masked_value(value))


def _cut(text: str, start: int = 0) -> str:
    text = masked(text)
    piece = text[start : start + _WIDTH].replace("\n", " ")
    return ("..." if start else "") + piece + ("..." if start + _WIDTH < len(text) else "")
