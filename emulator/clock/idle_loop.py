"""asyncio's selector loop, able to tell when nothing is left to do. It costs nothing until somebody asks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any


class IdleLoop(asyncio.SelectorEventLoop):
    """`await loop.idle()` returns when no callback is runnable, the kernel has nothing for us, no thread works for us, and no real work
    outside (`external`) is under way. Timers of the loop that are not due do not count: they are the real clock's."""

    def __init__(self) -> None:
        super().__init__()
        self._idle_waiters: list[asyncio.Future[None]] = []
        self._outside: Counter[str] = Counter()

    async def idle(self) -> None:
        """Wait until this loop has nothing to do. No bound of its own: use asyncio.timeout."""
        waiter = self.create_future()
        self._idle_waiters.append(waiter)
        # On the instance, and only while somebody waits: `run_forever` looks the method up for each turn.
        self._run_once = self._run_once_or_idle
        try:
            await waiter
        finally:
            if waiter in self._idle_waiters:
                self._idle_waiters.remove(waiter)

    @contextmanager
    def external(self, what: str) -> Iterator[None]:
        """Real work that this loop waits for without a callback being runnable: `what` is for people. Not idle until it ends."""
        self._outside[what] += 1
        try:
            yield
        finally:
            self._ended(what)

    def external_work(self) -> list[str]:
        """What `idle` waits for."""
        return sorted(self._outside.elements())

    def run_in_executor(self, executor: Executor | None, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """As asyncio's. A job in a thread counts as work that is under way."""
        job: asyncio.Future[Any] = super().run_in_executor(executor, func, *args)
        what = getattr(func, "__qualname__", "a job in a thread")
        self._outside[what] += 1
        job.add_done_callback(lambda _: self._ended(what))
        return job

    def _ended(self, what: str) -> None:
        self._outside[what] -= 1
        if not self._outside[what]:
            del self._outside[what]

    def _run_once_or_idle(self) -> None:
        """One turn of the loop, preceded by a look whether there is anything to do."""
        if not self._idle_waiters:
            del self._run_once
        elif not self._ready and not self._outside and not self._due():
            events = self._selector.select(0)
            if events:
                self._process_events(events)
            else:
                waiters, self._idle_waiters = self._idle_waiters, []
                for waiter in waiters:
                    if not waiter.done():
                        waiter.set_result(None)
        super()._run_once()  # type: ignore[misc]

    def _due(self) -> bool:
        """Is a timer of the loop due?"""
        end = self.time() + self._clock_resolution
        return any(timer._when <= end and not timer.cancelled() for timer in self._scheduled[:1])

    # asyncio's own, which the type stubs do not know.
    _run_once: Callable[[], None]
    _process_events: Callable[[Any], None]
    _selector: Any
    _ready: Any
    _scheduled: list[Any]
    _clock_resolution: float
