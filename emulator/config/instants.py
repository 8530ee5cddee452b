"""Instants and spans of time as people write them. Milliseconds since 1970, and milliseconds, inside."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

FIRST_MS: Final = 0
LAST_MS: Final = 7_258_118_400_000
"""2200-01-01T00:00:00Z. Alarms are stored in nanoseconds, which end in 2262."""

_UNITS_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_SPAN: Final = re.compile(r"(\d{1,12})(ms|[smhdw])")


def instant_ms(text: str) -> int:
    """`2026-12-24T09:00:00Z`, with any offset (none means UTC), or a date alone. Raises ValueError with what is expected."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("an instant such as 2026-12-24T09:00:00Z") from None
    moment = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    # Whole numbers: a float of seconds would lose the last millisecond.
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    ms = (since.days * 86_400 + since.seconds) * 1_000 + since.microseconds // 1_000
    if not FIRST_MS <= ms <= LAST_MS:
        raise ValueError("an instant from 1970-01-01 to 2200-01-01")
    return ms


def iso(ms: int) -> str:
    """`2026-12-24T09:00:00.000Z`, as JavaScript's `toISOString` has it."""
    when = datetime.fromtimestamp(ms // 1_000, UTC)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{ms % 1_000:03d}Z"


def span_ms(text: str) -> int:
    """`90s`, `1h30m`, `2d`, `1w`, `250ms`; a number alone is milliseconds. Raises ValueError with what is expected."""
    if text.isascii() and text.isdigit() and len(text) <= 15:
        return int(text)
    parts = _SPAN.findall(text)
    if not parts or "".join(count + unit for count, unit in parts) != text:
        raise ValueError("a span of time such as 1h, 90s, 1h30m, 2d or 250ms")
    return sum(int(count) * _UNITS_MS[unit] for count, unit in parts)
