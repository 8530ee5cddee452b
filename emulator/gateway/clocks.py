"""Where the gateway gets its time. Everything that waits for a platform deadline uses a Clock, so that a virtual one can drive it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

Work = Callable[[str], AbstractContextManager[None]]
"""Marks real work outside that a virtual clock must not run ahead of (IdleLoop.external): what it is, for people."""


class Timer(Protocol):
    """Something that will happen, until it is cancelled."""

    def cancel(self) -> None:
        """It shall not happen."""


class Clock(Protocol):
    """Milliseconds since 1970, and callbacks at such a time."""

    def now_ms(self) -> int:
        """Now."""

    def call_at(self, when_ms: int, callback: Callable[[], None]) -> Timer:
        """Call back at `when_ms` or a little later; the callee looks at `now_ms` itself."""


class SystemClock:
    """The machine's clock, on the running event loop."""

    def now_ms(self) -> int:
        """Now, in milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def call_at(self, when_ms: int, callback: Callable[[], None]) -> Timer:
        """A timer of the event loop. A sleeping machine or a corrected clock moves it, so at most an hour is waited in one piece."""
        delay_s = min(max(when_ms - self.now_ms(), 0) / 1000, 3600)
        return asyncio.get_running_loop().call_later(delay_s, callback)


def unmarked(what: str) -> AbstractContextManager[None]:
    """Work on the real clock, which waits for nobody."""
    return nullcontext()
