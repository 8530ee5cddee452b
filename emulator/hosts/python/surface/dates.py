"""Date: milliseconds since 1970, with the getters Python code uses."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

from .errors import js_error
from .values import JsProxy, is_nullish, js_number

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MAX_TIME_MS: Final = 8.64e15


class JsDate(JsProxy):
    """A moment; an invalid date holds NaN. `js.Date.new()` and `js.Date.now()` ask the runtime's clock (install.py)."""

    __slots__ = ("__weakref__", "_ms")
    _js_name = "Date"
    _js_statics: ClassVar[tuple[str, ...]] = ("UTC", "parse")

    def __init__(self, ms: float) -> None:
        self._ms = time_clip(ms)

    @classmethod
    def _js_new(cls, *args: Any) -> JsDate:
        if len(args) > 1:
            return cls(local_ms(*args))
        value = args[0] if args else math.nan
        if isinstance(value, JsDate):
            return cls(value._ms)
        if isinstance(value, str):
            return cls(cls.parse(value))
        if is_nullish(value):
            return cls(math.nan if value is None else 0)
        return cls(value)

    @staticmethod
    def UTC(year: int, month: int = 0, day: int = 1, hour: int = 0, minute: int = 0, second: int = 0, ms: float = 0) -> int | float:
        moment = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC) - EPOCH
        rest = timedelta(days=day - 1, hours=hour, minutes=minute, seconds=second)
        return js_number((moment + rest) / timedelta(milliseconds=1) + ms)

    @staticmethod
    def parse(text: str) -> int | float:
        """Milliseconds of an ISO 8601 or RFC 2822 date; NaN when it is neither."""
        from email.utils import parsedate_to_datetime

        try:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is None:  # JavaScript: a date alone is UTC, a date with time is local
                moment = moment.replace(tzinfo=UTC) if len(text) <= 10 else moment.astimezone()
        except ValueError:
            try:
                moment = parsedate_to_datetime(text)
            except ValueError:
                return math.nan
        return js_number((moment - EPOCH) / timedelta(milliseconds=1))

    def getTime(self) -> int | float:
        return js_number(self._ms)

    valueOf = getTime

    def setTime(self, ms: float) -> int | float:
        self._ms = time_clip(ms)
        return self.getTime()

    def toISOString(self) -> str:
        if self._ms != self._ms:
            raise js_error("RangeError", "Invalid time value")
        return self._utc().strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(self._ms) % 1000:03d}Z"

    def toJSON(self) -> str:
        return self.toISOString()

    def toUTCString(self) -> str:
        return self._utc().strftime("%a, %d %b %Y %H:%M:%S GMT")

    def toString(self) -> str:
        if self._ms != self._ms:
            return "Invalid Date"
        return self._local().strftime("%a %b %d %Y %H:%M:%S GMT%z (%Z)")

    def getTimezoneOffset(self) -> int:
        return -int((self._local().utcoffset() or timedelta()).total_seconds() // 60)

    def getFullYear(self) -> int:
        return self._local().year

    def getMonth(self) -> int:
        return self._local().month - 1

    def getDate(self) -> int:
        return self._local().day

    def getDay(self) -> int:
        return self._local().isoweekday() % 7

    def getHours(self) -> int:
        return self._local().hour

    def getMinutes(self) -> int:
        return self._local().minute

    def getSeconds(self) -> int:
        return self._local().second

    def getMilliseconds(self) -> int:
        return int(self._ms) % 1000

    def getUTCFullYear(self) -> int:
        return self._utc().year

    def getUTCMonth(self) -> int:
        return self._utc().month - 1

    def getUTCDate(self) -> int:
        return self._utc().day

    def getUTCDay(self) -> int:
        return self._utc().isoweekday() % 7

    def getUTCHours(self) -> int:
        return self._utc().hour

    def getUTCMinutes(self) -> int:
        return self._utc().minute

    def getUTCSeconds(self) -> int:
        return self._utc().second

    getUTCMilliseconds = getMilliseconds

    def _utc(self) -> datetime:
        if self._ms != self._ms:
            raise js_error("RangeError", "Invalid time value")
        return EPOCH + timedelta(milliseconds=self._ms)

    def _local(self) -> datetime:
        return self._utc().astimezone()


def time_clip(ms: float) -> float:
    """A time value as Date keeps it: whole milliseconds, NaN beyond the range."""
    if ms != ms or abs(ms) > MAX_TIME_MS:
        return math.nan
    return float(math.trunc(ms))


def local_ms(year: int, month: int = 0, day: int = 1, hour: int = 0, minute: int = 0, second: int = 0, ms: float = 0) -> float:
    """Local wall time to milliseconds since 1970."""
    return time.mktime((year, month + 1, day, hour, minute, second, 0, 0, -1)) * 1000 + ms
