"""The host's event loop: asyncio's own, knowing whose timers and tasks are whose.

Two things differ for code that has an owner. Its timers count as unfinished work and fire only when the owner's input gate lets them
(a timer armed before a `blockConcurrencyWhile` fires after it, S-20); its tasks are known, so that a reset can end them.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from collections.abc import Callable, Coroutine
from typing import Any

from emulator.hosts.python.owner import Owner, contained, current_owner, current_section
from emulator.hosts.python.surface import suspend


class OwnedTimer(asyncio.TimerHandle):
    """A timer of user code."""

    __slots__ = ("_owner", "_spent")
    _context: contextvars.Context

    def __init__(
        self,
        when: float,
        callback: Callable[..., Any],
        args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context | None,
        owner: Owner,
    ) -> None:
        super().__init__(when, callback, args, loop, context)
        self._owner = owner
        self._spent = False
        owner.hold("timer")

    def cancel(self) -> None:
        if self.cancelled():
            return
        self._spend()
        super().cancel()
        # The loop keeps a cancelled timer until it would have been due: it shall not keep a dropped instance with it.
        del self._context, self._owner

    def _run(self) -> None:
        owner = self._owner
        if owner.dead:
            self._spend()
            return
        section = self._context.get(current_section)
        if owner.gate is None or owner.gate.pass_or_wait(section or owner.gate.root, self._fire):
            self._fire()

    def _fire(self) -> None:
        if not self._spent and not self._owner.dead:
            super()._run()
        self._spend()

    def _spend(self) -> None:
        if not self._spent:
            self._spent = True
            self._owner.release("timer")


class HostLoop(asyncio.SelectorEventLoop):
    """asyncio's selector loop with owned timers and tasks."""

    user_steps = 0
    """How many steps of user code were ever made runnable: a step that raised it has left something to do first."""

    suspends = False
    """Whether tasks of user code can `run_sync`. Set for projects that use it: a stack of its own doubles the cost of every event."""

    def __init__(self) -> None:
        super().__init__()
        self.set_task_factory(_make_task)

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override]
        if (current_owner.get() if context is None else context.get(current_owner)) is not None:
            self.user_steps += 1
        return super().call_soon(callback, *args, context=context)

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> asyncio.TimerHandle:  # type: ignore[override]
        owner = current_owner.get() if context is None else context.get(current_owner)
        if owner is None:
            return super().call_at(when, callback, *args, context=context)
        self._check_closed()  # type: ignore[attr-defined]
        timer = OwnedTimer(when, callback, args, self, context, owner)
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer


def _make_task(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
    context = options.get("context")
    owner = current_owner.get() if context is None else context.get(current_owner)
    if owner is not None and getattr(loop, "suspends", False):
        # What user code starts may `run_sync`; the host's own tasks never do.
        work = suspend.suspendable(work)
    task = asyncio.Task(work if owner is None else contained(work), loop=loop, **options)
    if owner is not None and not task.done():
        owner.track(task)
    return task
