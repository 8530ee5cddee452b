"""Where a fault struck, in words: what had just happened, and what was about to."""

from __future__ import annotations

import re
from collections.abc import Sequence

from emulator.scenarios.sweep import Point

_SHOWN = 60
_MODEL = "the model's call"
_BINDING = "POST https://workers-binding.ai/"
_CARRIED = re.compile(r'\{"body": ?"\{.{0,40}?\\"type\\": ?\\"([\w-]+)\\"')
_KIND = re.compile(r'"type": ?"(cf_agent_\w+)"')


def place_words(point: Point, passed: Sequence[Point]) -> str:
    """For example `after the answer of POST https://pay.example/charges, before a commit`. `passed` are all points of the scenario."""
    following = next((other for other in passed if other.n == point.n + 1), None)
    after = _after(point)
    return after if following is None else f"{after}, before {_event(following)}"


def _after(point: Point) -> str:
    if point.what == "turn":
        return f"as {_event(point)}"
    if point.what == "request":
        return f"as {_label(point)} left"
    if point.what in ("answer", "chunk"):
        return f"after {_event(point)}, which the agent had not read yet"
    return f"after {_event(point)}"


def _event(point: Point) -> str:
    whose = f" of {point.about}" if point.about else ""
    label = _label(point)
    match point.what:
        case "turn":
            return f"{label}{whose} began"
        case "end":
            return f"the end of {label}{whose}"
        case "commit":
            return f"a commit{whose}"
        case "frame":
            return f"the frame {label} to a client"
        case "request":
            return f"the request {label}"
        case "answer":
            return f"the answer of {label}"
        case "chunk":
            return f"a piece of the answer of {label}"
        case "respond":
            return f"the response {label}"
    return f"{point.what} {label}".rstrip()


def _label(point: Point) -> str:
    """A frame of the SDK by its kind, where the point shows so much of it; anything else as it is."""
    text = point.label
    if point.what == "frame":
        carried = _CARRIED.match(text)
        kind = carried or _KIND.search(text)
        return kind[1] if kind is not None else _short(text)
    return _MODEL if text.startswith(_BINDING) else _short(text)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
