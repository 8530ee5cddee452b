"""Cron triggers in the platform's dialect: what its documentation says of each form, and what its own parser does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.core.cron import BadCron, Cron


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def fires(cron: str, after: str, count: int) -> list[str]:
    expression, now, found = Cron.parse(cron), ms(after), []
    for _ in range(count):
        now = expression.next_after(now) or pytest.fail("it never fires")
        found.append(f"{datetime.fromtimestamp(now / 1000, UTC):%Y-%m-%d %H:%M}")
    return found


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        ("* * * * *", "2026-01-01T00:00:00", ["2026-01-01 00:01", "2026-01-01 00:02"]),
        ("* * * * *", "2026-01-01T00:00:59.999", ["2026-01-01 00:01"]),
        ("*/30 * * * *", "2026-01-01T00:00:01", ["2026-01-01 00:30", "2026-01-01 01:00"]),
        ("45 * * * *", "2026-12-31T23:50:00", ["2027-01-01 00:45"]),
        ("0 17 * * SUN", "2026-01-01", ["2026-01-04 17:00", "2026-01-11 17:00"]),
        ("0 17 * * 1", "2026-01-01", ["2026-01-04 17:00"]),
        ("10 7 * * mon-fri", "2026-01-02T08:00", ["2026-01-05 07:10", "2026-01-06 07:10"]),
        (
            "0 0 * * FRI-MON",
            "2026-01-01",
            ["2026-01-02 00:00", "2026-01-03 00:00", "2026-01-04 00:00", "2026-01-05 00:00", "2026-01-09 00:00"],
        ),
        ("0 15 1 * *", "2026-01-01T15:00", ["2026-02-01 15:00"]),
        ("0 18 * * 6L", "2026-01-01", ["2026-01-30 18:00", "2026-02-27 18:00"]),
        ("0 18 * * friL", "2026-01-01", ["2026-01-30 18:00"]),
        ("59 23 LW * *", "2026-01-01", ["2026-01-30 23:59", "2026-02-27 23:59"]),
        ("0 0 L * *", "2028-02-01", ["2028-02-29 00:00", "2028-03-31 00:00"]),
        ("0 0 L-3 * *", "2026-02-01", ["2026-02-25 00:00"]),
        ("0 0 L-30 * *", "2026-02-01", ["2026-03-01 00:00"]),
        ("0 0 L-2W 5 *", "2026-05-01", ["2026-05-29 00:00"]),
        ("0 0 15W * *", "2026-02-01", ["2026-02-16 00:00"]),
        ("0 0 1W 8 *", "2026-01-01", ["2026-08-03 00:00"]),
        ("0 0 31W 5 *", "2026-01-01", ["2026-05-29 00:00"]),
        ("0 0 * * FRI#2", "2026-01-01", ["2026-01-09 00:00", "2026-02-13 00:00"]),
        ("0 0 * * L", "2026-01-01", ["2026-01-03 00:00"]),
        ("0 0 13 * FRI", "2026-01-10", ["2026-01-13 00:00", "2026-01-16 00:00"]),
        ("0 0 29 FEB *", "2026-01-01", ["2028-02-29 00:00"]),
        ("0 0 29 2 *", "2096-03-01", ["2104-02-29 00:00"]),
        ("0 0 * 2 FRI#5", "2026-01-01", ["2036-02-29 00:00", "2064-02-29 00:00"]),
        ("50/5 9-10 * * *", "2026-01-01", ["2026-01-01 09:50", "2026-01-01 09:55", "2026-01-01 10:50"]),
        ("50-10/10 0 * * *", "2026-01-01T00:11", ["2026-01-01 00:50", "2026-01-02 00:00", "2026-01-02 00:10"]),
        ("0 0 1 JAN,jul *", "2026-01-01", ["2026-07-01 00:00", "2027-01-01 00:00"]),
        ("*/20,7 0 * * *", "2026-01-01", ["2026-01-01 00:07", "2026-01-01 00:20", "2026-01-01 00:40", "2026-01-02 00:00"]),
    ],
)
def test_when_it_fires(cron: str, after: str, expected: list[str]) -> None:
    assert fires(cron, after, len(expected)) == expected


def test_a_day_that_never_comes() -> None:
    assert Cron.parse("0 0 31 2 *").next_after(ms("2026-01-01")) is None


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("", "0 fields"),
        ("* * * *", "4 fields"),
        ("0 * * * * *", "6 fields"),
        ("60 * * * *", "minute '60' is not 0 to 59"),
        ("* 24 * * *", "hour '24' is not 0 to 23"),
        ("* * 0 * *", "day of the month '0' is not 1 to 31"),
        ("* * * 13 *", "month '13' is not 1 to 12 or JAN"),
        ("0 0 * * 0", "day of the week '0' is not 1 to 7 or SUN, MON, TUE, WED, THU, FRI, SAT; Sunday is 1"),
        ("* * * * SUNDAY", "day of the week"),
        ("*/60 * * * *", "a step is from 1 to 59"),
        ("*/0 * * * *", "a step is from 1 to 59"),
        ("*,5 * * * *", "'*' is no value"),
        ("1- * * * *", "'1-' is no value"),
        ("* * L,15 * *", "is not 1 to 31"),
        ("* * ? * *", "'?' is no value"),
        ("* * * * FRI#6", "is not 1 to 5"),
        ("@daily", "1 fields"),
        ("\u0661 * * * *", "is no value"),
    ],
)
def test_what_is_no_expression_says_why(cron: str, words: str) -> None:
    with pytest.raises(BadCron) as caught:
        Cron.parse(cron)
    assert words in str(caught.value)


MINUTES = st.sampled_from(["*", "*/7", "0", "59", "10-20/3", "50-10"])
HOURS = st.sampled_from(["*", "*/5", "0", "23", "22-2"])
DAYS = st.sampled_from(["*", "1", "15", "L", "LW", "15W", "*/10", "28-3"])
MONTHS = st.sampled_from(["*", "2", "*/3", "NOV-FEB"])
WEEKDAYS = st.sampled_from(["*", "1", "MON-FRI", "6L", "TUE#1", "FRI-SUN"])


@settings(deadline=None)
@given(st.tuples(MINUTES, HOURS, DAYS, MONTHS, WEEKDAYS), st.integers(0, 7_000_000))
def test_there_is_no_fire_between_now_and_the_next(fields: tuple[str, ...], minute: int) -> None:
    """Walking minute by minute finds the same as jumping."""
    expression = Cron.parse(" ".join(fields))
    now = ms("2026-01-01") + minute * 60_000
    found = expression.next_after(now)
    assert found is not None and found > now and found % 60_000 == 0
    for at in range(now + 60_000, min(found, now + 2_000 * 60_000), 60_000):
        when = datetime.fromtimestamp(at / 1000, UTC)
        day = when.day in expression.days(when.year, when.month) and when.month in expression.months
        assert not (day and when.hour in expression.hours and when.minute in expression.minutes)
    assert expression.next_after(found - 1) == found
    assert timedelta(milliseconds=found - now) < timedelta(days=400)
