"""Waiting, and branches side by side: only one of them runs at a time, in the order of the file, and time passes when all of them wait.

So what branches do is always in the same order, although each goes on as soon as it can.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import ContextVar
from typing import Any

from emulator.scenarios.times import Time

Condition = Callable[[], bool]


class _Lane:
    """One branch. It waits for `condition`, at most until `until_ms`."""

    def __init__(self) -> None:
        self.condition: Condition = lambda: True
        self.until_ms = 0
        self.go = asyncio.Event()
        self.waits = asyncio.Event()
        self.task: asyncio.Task[Any] | None = None

    def run(self, branch: Coroutine[Any, Any, None]) -> None:
        """Begin; it stands still at once."""

        async def body() -> None:
            _current.set(self)
            await self.go.wait()
            self.go.clear()
            await branch

        self.task = asyncio.create_task(body())

    async def resume(self) -> bool:
        """Let it run until it waits again; whether it goes on at all. Raises what it raises."""
        assert self.task is not None
        self.waits.clear()
        self.go.set()
        waiting = asyncio.create_task(self.waits.wait())
        await asyncio.wait({waiting, self.task}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self.task.done():
            self.task.result()
            return False
        return True


_current: ContextVar[_Lane | None] = ContextVar("lane", default=None)


class Lanes:
    """`passing` is called whenever time has passed or the server has settled; `next_ms` is the clients' own next deadline."""

    def __init__(self, time: Time, passing: Callable[[], Awaitable[None]], next_ms: Callable[[], int | None]) -> None:
        self._time = time
        self._passing = passing
        self._next_ms = next_ms

    async def settle(self) -> None:
        """Let everything happen that is due. In a branch, that is for when all branches wait."""
        if _current.get() is None:
            await self._time.settle()
            await self._passing()

    async def until(self, condition: Condition, until_ms: int) -> bool:
        """Wait for the condition, letting time pass at most to `until_ms`; whether it came true."""
        lane = _current.get()
        if lane is None:
            return await self._pass_time(condition, until_ms)
        lane.condition, lane.until_ms = condition, until_ms
        lane.waits.set()
        await lane.go.wait()
        lane.go.clear()
        return condition()

    async def _pass_time(self, condition: Condition, until_ms: int) -> bool:
        await self._time.settle()
        await self._passing()
        while not condition():
            if self._time.now_ms >= until_ms:
                return False
            own_ms = self._next_ms()
            await self._time.wait(until_ms if own_ms is None else min(until_ms, own_ms))
            await self._passing()
        return True

    async def until_idle(self, limit_ms: int) -> None:
        """Let time pass until neither the server nor a client waits for it, at most to `limit_ms`."""
        await self.settle()
        while True:
            deadlines = [ms for ms in (self._time.next_ms, self._next_ms()) if ms is not None and ms <= limit_ms]
            if not deadlines:
                return
            await self.until(self._has_come(min(deadlines)), limit_ms)

    def _has_come(self, ms: int) -> Condition:
        return lambda: self._time.now_ms >= ms

    async def together(self, branches: Sequence[Coroutine[Any, Any, None]]) -> None:
        """Run branches to their ends. The first that fails ends all."""
        lanes = [_Lane() for _ in branches]
        for lane, branch in zip(lanes, branches, strict=True):
            lane.run(branch)
        try:
            while lanes:
                ready = [lane for lane in lanes if lane.condition() or self._time.now_ms >= lane.until_ms]
                if ready:
                    for lane in ready:
                        if not await lane.resume():
                            lanes.remove(lane)
                else:
                    await self.until(self._any_of(lanes), min(lane.until_ms for lane in lanes))
        finally:
            tasks = {lane.task for lane in lanes if lane.task is not None}
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)

    @staticmethod
    def _any_of(lanes: list[_Lane]) -> Condition:
        return lambda: any(lane.condition() for lane in lanes)
