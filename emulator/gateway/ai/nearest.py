"""A miss that teaches: the nearest recording, the JSON paths that differ, both values, the next step (ai-binding.md 7.3 step 8).

Pure. A report stays under 40 lines, whatever was asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from emulator.gateway.ai import jsonpath
from emulator.gateway.ai.canonical import NORMALISERS, Kind, ModelRequest, canonical, compact, key_of
from emulator.gateway.ai.cassettes import Shelf
from emulator.gateway.ai.recording import Recording

_MOST_DIFFERENCES = 8
_WIDTH = 100
_ABSENT = object()


def miss_report(request: ModelRequest, shelf: Shelf) -> str:
    """Several lines for people: what was asked, what comes nearest, how it differs, what to do."""
    asked = canonical(request)
    lines = [f"no recording answers {request.kind} {request.target} (key {key_of(asked)[:8]})"]
    nearest = _nearest(request, asked, shelf)
    steps: list[str] = []
    if nearest is None:
        lines.append(f"  nearest   none of {sum(1 for _ in shelf.recordings)} recordings is of kind {request.kind}")
    else:
        lines.append(f"  nearest   {nearest.file}")
        lines += _unmet_rules(nearest, request) if nearest.manual else _different_values(nearest, asked, steps)
    if shelf.broken:
        lines.append(f"  note      {len(shelf.broken)} recording files could not be used; the first is {shelf.broken[0].where}")
    steps += ["write a recording by hand (fixtures/README.md), or run with --ai auto or --ai live for other answers"]
    lines += [f"  {'next' if index == 0 else '':<8}  {step}" for index, step in enumerate(steps)]
    return "\n".join(lines)


def exhausted_report(request: ModelRequest, recordings: tuple[Recording, ...]) -> str:
    """Several lines for people: the request is known, but every answer to it is used up."""
    count = len(recordings)
    return "\n".join(
        [
            f"recorded {count} {'time' if count == 1 else 'times'}, requested once more: {request.kind} {request.target}",
            f"  last      {recordings[-1].file}",
            '  next      set "repeat": "last" or "forever" in its "match", or add another recording',
        ]
    )


def _unmet_rules(recording: Recording, request: ModelRequest) -> list[str]:
    document = request.document()
    lines = []
    if not recording.fits_target(request):
        lines.append(f"  target    {recording.request.target} does not fit {request.target}")
    for rule in [rule for rule in recording.rules if not rule.holds(document)][:_MOST_DIFFERENCES]:
        values = jsonpath.select(document, rule.steps)
        lines += [f"  rule      {_cut(str(rule))}", f"    found   {_cut(compact(values[0])) if values else 'nothing at that path'}"]
    return lines


def _different_values(recording: Recording, asked: dict[str, Any], steps: list[str]) -> list[str]:
    pairs = list(_differences(canonical(recording.request), asked, ()))
    lines = []
    for path, recorded, now in pairs[:_MOST_DIFFERENCES]:
        left, right = _shown(recorded, now)
        lines += [f"  {jsonpath.join(path)}", f"    recorded  {left}", f"    asked     {right}"]
    if len(pairs) > _MOST_DIFFERENCES:
        lines.append(f"  and {len(pairs) - _MOST_DIFFERENCES} more differences")
    for name in NORMALISERS:
        if pairs and all(_same_under(name, recorded, now) for _, recorded, now in pairs):
            manifest = recording.file.parent / "cassette.json"
            steps.append(f'only times differ; if they may, write "normalise": ["{name}"] into {manifest}')
    return lines


def _same_under(normaliser: str, recorded: Any, now: Any) -> bool:
    def normal(value: Any) -> Any:
        request = ModelRequest(Kind.RUN, "", {"value": str(value)})
        return canonical(request, (normaliser,))["body"]

    return recorded is not _ABSENT and now is not _ABSENT and bool(normal(recorded) == normal(now))


def _nearest(request: ModelRequest, asked: dict[str, Any], shelf: Shelf) -> Recording | None:
    wanted = _features(request, asked)
    best: tuple[float, Recording] | None = None
    for recording in shelf.recordings:
        if recording.request.kind is not request.kind:
            continue
        score = _score(wanted, _features(recording.request, canonical(recording.request)), recording, request)
        if best is None or score > best[0]:
            best = (score, recording)
    return best[1] if best else None


def _features(request: ModelRequest, document: dict[str, Any]) -> dict[str, Any]:
    body = request.body if isinstance(request.body, dict) else {}
    messages = [message for message in body.get("messages") or [] if isinstance(message, dict)]
    tools = [tool.get("function", tool).get("name") for tool in body.get("tools") or [] if isinstance(tool, dict)]
    users = [message.get("content") for message in messages if message.get("role") == "user"]
    return {
        "target": request.target,
        "tools": tools,
        "count": len(messages),
        "user": users[-1] if users else body.get("prompt"),
        "tokens": set(re.findall(r"\w+", compact(document["body"]).lower())),
    }


def _score(wanted: dict[str, Any], have: dict[str, Any], recording: Recording, request: ModelRequest) -> float:
    if recording.manual:
        document = request.document()
        met = sum(rule.holds(document) for rule in recording.rules)
        return 3.0 * (recording.request.target == request.target) + met / max(1, len(recording.rules))
    tokens = len(wanted["tokens"] & have["tokens"]) / max(1, len(wanted["tokens"] | have["tokens"]))
    same = {name: wanted[name] == have[name] for name in ("target", "tools", "count", "user")}
    return 3.0 * same["target"] + 2.0 * same["user"] + 2.0 * tokens + same["tools"] + 0.5 * same["count"]


def _differences(recorded: Any, asked: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any, Any]]:
    if isinstance(recorded, dict) and isinstance(asked, dict):
        for name in sorted({*recorded, *asked}):
            yield from _differences(recorded.get(name, _ABSENT), asked.get(name, _ABSENT), (*path, name))
    elif isinstance(recorded, list) and isinstance(asked, list):
        for index in range(max(len(recorded), len(asked))):
            left = recorded[index] if index < len(recorded) else _ABSENT
            right = asked[index] if index < len(asked) else _ABSENT
            yield from _differences(left, right, (*path, index))
    elif recorded is _ABSENT or asked is _ABSENT or recorded != asked:
        yield path, recorded, asked


def _shown(recorded: Any, asked: Any) -> tuple[str, str]:
    """Both values, long texts cut so that the place where they part is visible."""
    left, right = (("absent" if value is _ABSENT else compact(value)) for value in (recorded, asked))
    common = next((index for index, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    start = 0 if common < _WIDTH // 2 else common - 30
    return _cut(left, start), _cut(right, start)


def _cut(text: str, start: int = 0) -> str:
    piece = text[start : start + _WIDTH].replace("\n", " ")
    return ("..." if start else "") + piece + ("..." if start + _WIDTH < len(text) else "")
