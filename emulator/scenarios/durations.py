"""Spans of time as people write them: `500ms`, `30s`, `1h30m`, `3d`. A number alone says no unit, and is refused."""

from __future__ import annotations

import re

_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[dhms]))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])")

PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|[dhms]))+$"
"""The same as a pattern of JSON Schema."""


def parse_ms(text: str) -> int:
    """`1h30m` in milliseconds. Raises ValueError."""
    words = text.replace(" ", "")
    if not _WHOLE.fullmatch(words):
        raise ValueError(f'"{text}" is no span of time: 500ms, 30s, 1h30m or 3d is expected')
    return round(sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(words)))


def words(ms: int) -> str:
    """`5400000` as `1h30m`."""
    if ms <= 0:
        return f"{ms}ms"
    parts = []
    for unit, size in _UNITS.items():
        number, ms = divmod(ms, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts)


def offset(ms: int) -> str:
    """A time since the start, as transcripts have it: `00.412`, `1:02.500`, `2d 03:00:00.000`."""
    seconds, milliseconds = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    text = f"{seconds:02}.{milliseconds:03}"
    if hours or days:
        text = f"{hours:02}:{minutes:02}:{text}"
    elif minutes:
        text = f"{minutes}:{text}"
    return f"{days}d {text}" if days else text
