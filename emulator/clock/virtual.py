"""A clock that stands still until it is moved. Pure, but for `sleep`."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable


class VirtualTimer:
    """A callback at a time of a virtual clock. `why` says what waits, for people; None when others tell of it."""

    __slots__ = ("_clock", "_order", "callback", "when_ms", "why")

    def __init__(self, clock: VirtualClock, when_ms: int, order: int, callback: Callable[[], None], why: str | None) -> None:
        self._clock: VirtualClock | None = clock
        self._order = order
        self.when_ms = when_ms
        self.callback: Callable[[], None] | None = callback
        self.why = why

    def cancel(self) -> None:
        """It shall not happen. Nothing after it has."""
        if self.callback is not None:
            self.callback = None
            if self._clock is not None:
                self._clock._cancelled()

    def __lt__(self, other: VirtualTimer) -> bool:
        return (self.when_ms, self._order) < (other.when_ms, other._order)


class VirtualClock:
    """Milliseconds since 1970 that only `set` moves. Timers fire in `fire_due`, by time and then in the order they were armed."""

    def __init__(self, now_ms: int) -> None:
        self._start_ms = self._now_ms = now_ms
        self._sleepers: set[asyncio.Future[None]] = set()
        self._timers: list[VirtualTimer] = []
        self._armed = 0
        self._dead = 0

    def now_ms(self) -> int:
        """Now."""
        return self._now_ms

    def call_at(self, when_ms: int, callback: Callable[[], None], *, why: str | None = None) -> VirtualTimer:
        """Call back in the first `fire_due` at or after `when_ms`; one in the past is due at once, and not before others that are."""
        self._armed += 1
        timer = VirtualTimer(self, max(when_ms, self._now_ms), self._armed, callback, why)
        heapq.heappush(self._timers, timer)
        return timer

    async def sleep(self, seconds: float, *, why: str | None = "a wait") -> None:
        """Until the clock has been moved that far, in whole milliseconds and never less; 0 is one turn of the event loop."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        due: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.add(due)
        timer = self.call_at(self._now_ms + math.ceil(seconds * 1000), lambda: None if due.done() else due.set_result(None), why=why)
        try:
            await due
        finally:
            self._sleepers.discard(due)
            timer.cancel()

    def next_deadline(self) -> int | None:
        """When the earliest timer is due; None when there is none."""
        while self._timers and self._timers[0].callback is None:
            self._take_first()
        return self._timers[0].when_ms if self._timers else None

    def set(self, now_ms: int) -> None:
        """Move to `now_ms`, and fire nothing yet. ValueError backwards."""
        if now_ms < self._now_ms:
            raise ValueError(f"a clock does not go back: from {self._now_ms} to {now_ms}")
        self._now_ms = now_ms

    def restart(self) -> None:
        """Back to where it stood first. Every timer is cancelled, and so is who sleeps."""
        for timer in self._timers:
            timer._clock, timer.callback = None, None
        self._timers, self._armed, self._dead = [], 0, 0
        for due in list(self._sleepers):
            due.cancel()
        self._now_ms = self._start_ms

    def fire_due(self) -> int:
        """Fire what is due, and give how many fired. Timers that a callback arms for now are left for the next call."""
        due: list[VirtualTimer] = []
        while self._timers and self._timers[0].when_ms <= self._now_ms:
            due.append(self._take_first())
        fired = 0
        for timer in due:
            # One that fires may cancel another.
            callback, timer.callback = timer.callback, None
            if callback is not None:
                fired += 1
                callback()
        return fired

    def pending(self) -> list[VirtualTimer]:
        """Every timer that is armed, in order."""
        return sorted(timer for timer in self._timers if timer.callback is not None)

    def _take_first(self) -> VirtualTimer:
        timer = heapq.heappop(self._timers)
        self._dead -= timer.callback is None
        timer._clock = None
        return timer

    def _cancelled(self) -> None:
        """Timers that were cancelled are thrown out when they are the most: a wait that is armed anew for each event must not pile up."""
        self._dead += 1
        if self._dead > 64 and self._dead * 2 > len(self._timers):
            self._timers = [timer for timer in self._timers if timer.callback is not None]
            heapq.heapify(self._timers)
            self._dead = 0
