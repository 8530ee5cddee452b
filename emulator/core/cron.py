"""Cron triggers in the platform's dialect: Quartz-like, five fields, UTC, Sunday is 1 (developers.cloudflare.com, Cron Triggers).

================  ===========================  =====================================================
field             values                       besides `*`, lists, ranges and steps
================  ===========================  =====================================================
minute            0-59
hour              0-23
day of the month  1-31                         `L` the last, `L-3`, `LW` the last working day, `15W` the one nearest to the 15th
month             1-12 or JAN-DEC
day of the week   1-7 or SUN-SAT, Sunday is 1  `L` Saturday, `6L` the month's last Friday, `FRI#2` its second
================  ===========================  =====================================================

A range may wrap (`FRI-MON`). When both day fields are restricted, either is enough. What has `L`, `W` or `#` stands alone in its field.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

MINUTE_MS = 60_000
DAY_MINUTES = 1_440
FURTHEST_DAYS = 15_000
"""The rarest day there is, a fifth weekday in February, comes again within 40 years."""

_EPOCH = date(1970, 1, 1)
_NAMES = {
    "month": {name: at for at, name in enumerate(("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), 1)},
    "day of the week": {name: at for at, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)},
}
_STEP = re.compile(r"\*/(\d{1,3})")
_RANGE = re.compile(r"(\w{1,3})(?:-(\w{1,3}))?(?:/(\d{1,3}))?", re.ASCII)
_MONTH_END = re.compile(r"L(?:-(\d{1,2}))?(W?)")
_WORKING_DAY = re.compile(r"(\d{1,2})W")
_ONE_WEEKDAY = re.compile(r"(\w{1,3}?)(?:L|#(\d))", re.ASCII)

Days = Callable[[int, int], frozenset[int]]
"""The days of a month that are meant: year and month in, days out."""


class BadCron(ValueError):
    """Not an expression of the dialect; the text says which field, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Cron:
    """One expression. `text` is as it was written: the handler gets it as `controller.cron`."""

    text: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: frozenset[int]
    days: Days

    @classmethod
    def parse(cls, text: str) -> Cron:
        """Raises BadCron."""
        fields = text.split()
        if len(fields) != 5:
            raise BadCron(f"{text!r} has {len(fields)} fields; there are five: minute, hour, day of the month, month, day of the week")
        minute, hour, day, month, weekday = fields
        minutes = _values("minute", minute, 0, 59)
        hours = _values("hour", hour, 0, 23)
        months = _values("month", month, 1, 12)
        return cls(text, tuple(sorted(minutes)), tuple(sorted(hours)), months, lru_cache(2)(_either(_month_days(day), _week_days(weekday))))

    def next_after(self, now_ms: int) -> int | None:
        """The first time after `now_ms` at which it fires, in ms since 1970; None for a day that never comes (31 February)."""
        first = now_ms // MINUTE_MS + 1
        day_number, minute = divmod(first, DAY_MINUTES)
        day = _EPOCH + timedelta(days=day_number)
        last = day_number + FURTHEST_DAYS
        found = self._time_from(minute) if self._fires_on(day) else None
        while found is None:
            day = self._next_day(day)
            day_number = (day - _EPOCH).days
            if day_number > last:
                return None
            found = self._time_from(0) if self._fires_on(day) else None
        return (day_number * DAY_MINUTES + found) * MINUTE_MS

    def _fires_on(self, day: date) -> bool:
        return day.month in self.months and day.day in self.days(day.year, day.month)

    def _next_day(self, day: date) -> date:
        """Tomorrow; in a month that is not meant, the first of the next."""
        if day.month in self.months:
            return day + timedelta(days=1)
        return date(day.year + day.month // 12, day.month % 12 + 1, 1)

    def _time_from(self, minute: int) -> int | None:
        """The first minute of the day, from `minute` on, that is meant."""
        at_hour, at_minute = divmod(minute, 60)
        for hour in self.hours:
            if hour < at_hour:
                continue
            earliest = at_minute if hour == at_hour else 0
            for found in self.minutes:
                if found >= earliest:
                    return hour * 60 + found
        return None


def _values(field: str, text: str, low: int, high: int) -> frozenset[int]:
    """A list of values, ranges and steps."""
    if text == "*":
        return frozenset(range(low, high + 1))
    names = _NAMES.get(field, {})
    found: set[int] = set()
    for part in text.split(","):
        step = _STEP.fullmatch(part)
        if step is not None:
            found.update(range(low, high + 1, _step(field, part, step[1], high - low)))
            continue
        shape = _RANGE.fullmatch(part)
        if shape is None:
            raise BadCron(f"the {field} {text!r}: {part!r} is no value, range or step")
        start = _value(field, shape[1], low, high, names)
        end = high if shape[3] else start
        if shape[2] is not None:
            end = _value(field, shape[2], low, high, names)
        every = 1 if shape[3] is None else _step(field, part, shape[3], high - low)
        # A range that ends before it starts goes round.
        whole = [*range(start, end + 1)] if start <= end else [*range(start, high + 1), *range(low, end + 1)]
        found.update(whole[::every])
    return frozenset(found)


def _value(field: str, text: str, low: int, high: int, names: Mapping[str, int]) -> int:
    value = int(text) if text.isdigit() else names.get(text.upper())
    if value is None or not low <= value <= high:
        expected = f"{low} to {high}" + (f" or {', '.join(names)}" if names else "")
        note = "; Sunday is 1" if field == "day of the week" and text == "0" else ""
        raise BadCron(f"the {field} {text!r} is not {expected}{note}")
    return value


def _step(field: str, part: str, text: str, most: int) -> int:
    if not 1 <= int(text) <= most:
        raise BadCron(f"the {field} {part!r}: a step is from 1 to {most}")
    return int(text)


def _either(month_days: Days | None, week_days: Days | None) -> Days:
    if month_days is None or week_days is None:
        return month_days or week_days or _every_day
    one, other = month_days, week_days
    return lambda year, month: one(year, month) | other(year, month)


def _every_day(year: int, month: int) -> frozenset[int]:
    return frozenset(range(1, _length(year, month) + 1))


def _month_days(text: str) -> Days | None:
    """None when the field says nothing."""
    if text == "*":
        return None
    if (end := _MONTH_END.fullmatch(text)) is not None:
        before = 0 if end[1] is None else _value("day of the month", end[1], 1, 30, {})
        nearest = bool(end[2])
        return lambda year, month: _on(year, month, _length(year, month) - before, nearest=nearest)
    if (working := _WORKING_DAY.fullmatch(text)) is not None:
        day = _value("day of the month", working[1], 1, 31, {})
        return lambda year, month: _on(year, month, day, nearest=True)
    days = _values("day of the month", text, 1, 31)
    return lambda year, month: days & _every_day(year, month)


def _on(year: int, month: int, day: int, *, nearest: bool) -> frozenset[int]:
    """That day, or the working day nearest to it in the same month; nothing when the month has no such day."""
    length = _length(year, month)
    if not 1 <= day <= length:
        return frozenset()
    if nearest:
        match calendar.weekday(year, month, day):
            case calendar.SATURDAY:
                day = day - 1 if day > 1 else 3
            case calendar.SUNDAY:
                day = day + 1 if day < length else length - 2
    return frozenset((day,))


def _week_days(text: str) -> Days | None:
    """None when the field says nothing."""
    field = "day of the week"
    if text == "*":
        return None
    if text == "L":
        text = "SAT"
    if (one := _ONE_WEEKDAY.fullmatch(text)) is not None:
        weekday = _value(field, one[1], 1, 7, _NAMES[field])
        if one[2] is None:
            return lambda year, month: frozenset((max(_those(year, month, weekday)),))
        nth = _value(f"{field} {text!r}: the count", one[2], 1, 5, {})
        return lambda year, month: frozenset(_those(year, month, weekday)[nth - 1 : nth])
    weekdays = _values(field, text, 1, 7)
    return lambda year, month: frozenset(day for weekday in weekdays for day in _those(year, month, weekday))


def _those(year: int, month: int, weekday: int) -> list[int]:
    """The days of a month that are this weekday (Sunday is 1)."""
    first = (weekday - 2 - calendar.weekday(year, month, 1)) % 7 + 1
    return [*range(first, _length(year, month) + 1, 7)]


def _length(year: int, month: int) -> int:
    return calendar.monthrange(year, month)[1]
