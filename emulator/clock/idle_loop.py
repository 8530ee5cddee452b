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

    _selector: Any

    def __init__(self) -> None:
        super().__init__()
        self._idle_waiters: list[asyncio.Future[None]] = []
        self._outside: Counter[str] = Counter()
        self._plain = self._selector
        self._looking = _Looking(self._selector, self._idle)

    async def idle(self) -> None:
        """Wait until this loop has nothing to do. No bound of its own: use asyncio.timeout."""
        waiter = self.create_future()
        self._idle_waiters.append(waiter)
        self._selector = self._looking
        try:
            await waiter
        finally:
            if not waiter.done() or waiter.cancelled():
                self._idle_waiters.remove(waiter)
            if not self._idle_waiters:
                self._selector = self._plain

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

    def close(self) -> None:
        """As asyncio's."""
        self._selector = self._plain
        super().close()

    def _ended(self, what: str) -> None:
        self._outside[what] -= 1
        if not self._outside[what]:
            del self._outside[what]

    def _idle(self) -> bool:
        """There is nothing to do now: whether that ends anybody's wait."""
        if self._outside:
            return False
        waiters, self._idle_waiters = self._idle_waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        return True


class _Looking:
    """The loop's selector while somebody waits for idleness. The loop asks for events with a time limit other than 0 exactly when it has
    nothing runnable and no timer is due."""

    def __init__(self, selector: Any, idle: Callable[[], bool]) -> None:
        self._selector = selector
        self._idle = idle

    def select(self, timeout: float | None = None) -> Any:
        """The events. Without any, and with nothing else to do, those who wait are told, and the loop goes on at once."""
        events = self._selector.select(0)
        if events or timeout == 0 or self._idle():
            return events
        return self._selector.select(timeout)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._selector, name)
