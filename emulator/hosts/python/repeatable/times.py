"""Every clock of Python on the virtual one: the `time` module and `datetime`. JavaScript's and SQLite's follow from these (runtime.py,
sql_clock.py), the loop's is its own (loop.py).

One number is behind all of them: the monotonic clocks count from 1970 too, as they do in workerd, whose `performance.now()` is
`Date.now()`. A clock that does not move while code computes is the platform's own.
"""

from __future__ import annotations

import asyncio
import concurrent.futures._base
import ctypes
import datetime
import gc
import os
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

# Imported while the machine's clock is still in its place: they wait in threads, and take what they need by name.
import queue  # noqa: F401  # isort: skip
import subprocess  # noqa: F401  # isort: skip

from emulator.clock.virtual import VirtualClock
from emulator.hosts.python.repeatable.replacing import replace
from emulator.hosts.python.surface import suspend

_SECONDS = ("time", "monotonic", "perf_counter", "process_time", "thread_time")
_OF_A_MOMENT = ("localtime", "gmtime", "ctime")


class CannotSleep(RuntimeError):
    """`time.sleep` where nothing can wait for a virtual clock."""

    code = "E633"

    def __init__(self, why: str) -> None:
        super().__init__(f"{self.code} time.sleep() cannot wait for the virtual clock here: {why}")


def install_clock(clock: VirtualClock) -> None:
    """For as long as the process lives; call it on the loop's thread. Local time becomes UTC, as on the platform."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    functions = _functions(clock, threading.get_ident())
    # A thread that waits for a job measures its wait on the machine's clock.
    concurrent.futures._base.time = SimpleNamespace(monotonic=time.monotonic)  # type: ignore[attr-defined]
    pairs = []
    for name, function in functions.items():
        if hasattr(time, name):
            pairs.append((getattr(time, name), function))
            function.__name__ = function.__qualname__ = name
            setattr(time, name, function)
    _set_class_methods(datetime.datetime, now=_now(clock), utcnow=_utcnow(clock))
    replace(pairs)


def _functions(clock: VirtualClock, loop_thread: int) -> dict[str, Callable[..., Any]]:
    """The `time` module's functions that look at a clock, by name."""
    now_ms = clock.now_ms
    functions: dict[str, Callable[..., Any]] = {}
    for name in _SECONDS:
        functions[name] = lambda: now_ms() / 1000
        functions[f"{name}_ns"] = lambda: now_ms() * 1_000_000
    functions["clock_gettime"] = lambda _clock, /: now_ms() / 1000
    functions["clock_gettime_ns"] = lambda _clock, /: now_ms() * 1_000_000
    for name in _OF_A_MOMENT:
        functions[name] = _of_a_moment(getattr(time, name), clock)
    asctime, strftime, localtime = time.asctime, time.strftime, time.localtime
    functions["asctime"] = lambda moment=None, /: asctime(localtime(now_ms() / 1000) if moment is None else moment)
    functions["strftime"] = lambda form, moment=None, /: strftime(form, localtime(now_ms() / 1000) if moment is None else moment)
    functions["sleep"] = _sleep(time.sleep, loop_thread)
    return functions


def _of_a_moment(real: Callable[..., Any], clock: VirtualClock) -> Callable[..., Any]:
    return lambda seconds=None, /: real(clock.now_ms() / 1000 if seconds is None else seconds)


def _sleep(real: Callable[[float], None], loop_thread: int) -> Callable[[float], None]:
    """`time.sleep` as Pyodide has it since 0.28: the caller's stack is left, the event loop goes on, and it returns when the clock is
    there. Sleeping for real instead would hold the process up while the clock stands still; where no stack can be left, it is refused.
    Threads, which the platform has not, sleep on the machine's clock."""

    def sleep(seconds: float, /) -> None:
        if threading.get_ident() != loop_thread:
            real(seconds)
            return
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        if not suspend.can_run_sync():
            raise CannotSleep(_why_not())
        suspend.run_sync(asyncio.sleep(seconds))

    return sleep


def _why_not() -> str:
    if not suspend.available():
        return "the project's Python has no greenlet; pip install greenlet, or write await asyncio.sleep()"
    return "only an event's code can wait; write await asyncio.sleep() in a handler"


def _now(clock: VirtualClock) -> Callable[..., datetime.datetime]:
    def now(cls: type[datetime.datetime], tz: datetime.tzinfo | None = None) -> datetime.datetime:
        """Returns new datetime object representing current time local to tz."""
        return cls.fromtimestamp(clock.now_ms() / 1000, tz)

    return now


def _utcnow(clock: VirtualClock) -> Callable[..., datetime.datetime]:
    def utcnow(cls: type[datetime.datetime]) -> datetime.datetime:
        """Return a new datetime representing UTC day and time."""
        return cls.fromtimestamp(clock.now_ms() / 1000, datetime.UTC).replace(tzinfo=None)

    return utcnow


def _set_class_methods(kind: type, **methods: Callable[..., Any]) -> None:
    """Replace class methods of a type written in C, in the type itself: a subclass in its place would fail every `type(x) is datetime`,
    and would not be what libraries have imported by name. (`today` asks `time.time`.)"""
    (members,) = gc.get_referents(kind.__dict__)
    for name, method in methods.items():
        members[name] = classmethod(method)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))
