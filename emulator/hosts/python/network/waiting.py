"""Waiting in synchronous code, as a synchronous HTTP client does.

In production Pyodide switches stacks: the caller stands still, the event loop goes on. Here `run_sync` does the same on a stack of
greenlet's (surface/suspend.py). A thread simply waits for the loop. At module level nothing can wait: the platform allows no I/O there.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from emulator.hosts.python.loop import HostLoop
from emulator.hosts.python.surface import suspend


class CannotWait(OSError):
    """A synchronous client asks for the network where nothing can wait for it."""

    code = "E630"

    def __init__(self, why: str) -> None:
        super().__init__(f"{self.code} a synchronous HTTP client cannot wait here: {why}")


class Waiting:
    """Waits on behalf of one loop, made on that loop's thread."""

    def __init__(self, loop: HostLoop) -> None:
        self._loop = loop
        self._thread = threading.get_ident()

    def expect(self) -> None:
        """A library has been imported whose clients may wait: from the next event on there are stacks to leave."""
        self._loop.suspends = suspend.available()

    def check(self) -> None:
        """Raises CannotWait where `wait` would."""
        if threading.get_ident() == self._thread and not suspend.can_run_sync():
            raise CannotWait(self._why_not())

    def _why_not(self) -> str:
        if asyncio.current_task(self._loop) is None:
            return "outside of an event, as at module level, the platform allows no I/O; move the call into a handler"
        if not suspend.available():
            return "the project's Python has no greenlet; pip install greenlet, or use an asynchronous client (fetch, httpx.AsyncClient)"
        return "this event began before the library was imported; import it at the top of the module"

    def wait[T](self, make: Callable[[], Coroutine[Any, Any, T]], timeout_s: float | None = None) -> T:
        """The result of `make()`, run on the loop as the caller's code. Raises TimeoutError as sockets do, and CannotWait."""
        self.check()
        if threading.get_ident() == self._thread:
            result: T = suspend.run_sync(_within(make(), timeout_s))
            return result
        return asyncio.run_coroutine_threadsafe(_within(make(), timeout_s), self._loop).result()

    def later(self, callback: Callable[[], object]) -> None:
        """Run `callback` on the loop: now, when this is its thread."""
        if threading.get_ident() == self._thread:
            callback()
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback)


async def _within[T](work: Coroutine[Any, Any, T], timeout_s: float | None) -> T:
    try:
        async with asyncio.timeout(timeout_s):
            return await work
    except TimeoutError:
        raise TimeoutError("timed out") from None
