"""Instants and spans of time as people write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.config.clock_choice import ClockChoice
from emulator.config.instants import FIRST_MS, LAST_MS, instant_ms, iso, span_ms


@settings(deadline=None)
@given(st.integers(FIRST_MS, LAST_MS))
def test_an_instant_is_read_back(ms: int) -> None:
    assert instant_ms(iso(ms)) == ms
    assert iso(ms) == datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000).isoformat(
        timespec="milliseconds"
    ).replace("+00:00", "Z")
    assert ClockChoice.parse(str(ClockChoice(ms))) == ClockChoice(ms)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("0", 0),
        ("1500", 1500),
        ("250ms", 250),
        ("90s", 90_000),
        ("1h", 3_600_000),
        ("1h30m", 5_400_000),
        ("2d", 172_800_000),
        ("1w", 604_800_000),
    ],
)
def test_spans(text: str, ms: int) -> None:
    assert span_ms(text) == ms


@pytest.mark.parametrize("text", ["", "-1", "1.5h", "h", "1 h", "1y", "1h-", "1e3", "\u0661", "9" * 20])
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(ValueError, match="a span of time such as"):
        span_ms(text)


@pytest.mark.parametrize("text", ["", "now", "2026-13-01", "1969-12-31T23:59:59Z", "2300-01-01", "25:00"])
def test_what_is_no_instant(text: str) -> None:
    with pytest.raises(ValueError, match="an instant"):
        instant_ms(text)
