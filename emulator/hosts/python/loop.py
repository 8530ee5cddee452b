"""The host's event loop: asyncio's own, knowing whose timers and tasks are whose, and on which clock they run.

Three things differ for code that has an owner. Its timers count as unfinished work and fire only when the owner's input gate lets them
(a timer armed before a `blockConcurrencyWhile` fires after it, S-20); its tasks are known, so that a reset can end them; and with a virtual
clock its time and timers are that clock's. The loop's own time stays the machine's.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
import math
import time
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any, cast

from emulator.clock.idle_loop import IdleLoop
from emulator.clock.virtual import VirtualClock, VirtualTimer
from emulator.hosts.python.holds import Begun
from emulator.hosts.python.owner import Owner, contained, current_owner, current_section
from emulator.hosts.python.surface import suspend

_NO_OWNER = contextvars.Context()

_ROUNDING_MS = 0.001
"""Seconds since 1970 as a float are exact to a quarter of a microsecond."""

_WAKE_SLEEPER: Any = asyncio.futures._set_result_unless_cancelled  # type: ignore[attr-defined]
_TIME_OUT: Any = asyncio.Timeout._on_timeout  # type: ignore[attr-defined]
_KINDS = {_WAKE_SLEEPER: "asyncio.sleep", _TIME_OUT: "asyncio.timeout"}
"""What asyncio arms timers with, for a task that waits."""


class OwnedTimer(asyncio.TimerHandle):
    """A timer of user code; it holds its owner awake."""

    __slots__ = ("_armed", "_owner", "_set_s", "_spent", "begun", "kind", "since_s")
    _context: contextvars.Context
    _callback: Any

    what = "timer"

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
        self._armed: VirtualTimer | None = None
        self.kind: str | None = None
        waits = callback is _WAKE_SLEEPER or getattr(callback, "__func__", None) is _TIME_OUT
        self.begun: Begun = asyncio.current_task(loop) if waits else owner.lines.here(3)
        self.since_s = self._set_s = time.time()
        owner.holds[id(self)] = self

    @property
    def text(self) -> str:
        """`setInterval 30000 ms`."""
        callback = getattr(self._callback, "__func__", self._callback)
        loop: HostLoop = self._loop  # type: ignore[attr-defined]
        left_s = self.when() - loop.platform_time()
        delay_ms = round((time.time() + left_s - self._set_s) * 1000)
        return f"{self.kind or _KINDS.get(callback, 'loop.call_later')} {delay_ms} ms"

    def cancel(self) -> None:
        if self.cancelled():
            return
        self._spend()
        super().cancel()
        if self._armed is not None:
            self._armed.cancel()
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
            self._owner.release(self)


class HostLoop(IdleLoop):
    """asyncio's selector loop with owned timers and tasks."""

    user_steps = 0
    """How many steps of user code were ever made runnable: a step that raised it has left something to do first."""

    suspends = False
    """Whether tasks of user code can `run_sync`. Set for projects that use it: a stack of its own doubles the cost of every event."""

    clock: VirtualClock | None = None
    """What user code and the platform's limits go by; None = the machine's clock."""

    # asyncio's own, which the type stubs do not know.
    _ready: Any
    _scheduled: Any

    def __init__(self) -> None:
        super().__init__()
        self._firing = False
        self.set_task_factory(_make_task)

    # -- tasks and callbacks

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override]
        if (current_owner.get() if context is None else context.get(current_owner)) is not None:
            self.user_steps += 1
        return super().call_soon(callback, *args, context=context)

    def count_tasks(self) -> None:
        """From now on tasks of user code without a name have a number of their own count, which repeats: asyncio's counts our tasks too."""
        numbers = itertools.count(1)
        create_task = self.create_task

        def create_named(work: Any, *, name: str | None = None, context: Any = None, **options: Any) -> asyncio.Task[Any]:
            if name is None and (current_owner.get() if context is None else context.get(current_owner)) is not None:
                name = f"Task-{next(numbers)}"
            return create_task(work, name=name, context=context, **options)

        self.create_task = create_named  # type: ignore[method-assign, assignment]

    # -- timers

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> asyncio.TimerHandle:  # type: ignore[override]
        owner = current_owner.get() if context is None else context.get(current_owner)
        if owner is None:
            return super().call_at(when, callback, *args, context=context)
        self._check_closed()  # type: ignore[attr-defined]
        timer = OwnedTimer(when, callback, args, self, context, owner)
        if self.clock is None:
            heapq.heappush(self._scheduled, timer)
            timer._scheduled = True  # type: ignore[attr-defined]
        else:
            # It runs as the loop's timers do: in a round of its own, as nobody's task.
            timer._armed = self._arm(when, lambda: self._ready.append(timer))
        return timer

    def platform_time(self) -> float:
        """Seconds on the clock that the platform's own limits go by."""
        return monotonic() if self.clock is None else self.clock.now_ms() / 1000

    def platform_later(self, delay_s: float, callback: Callable[[], Any]) -> asyncio.TimerHandle | VirtualTimer:
        """A timer of the platform's: nobody's code, on `platform_time`."""
        if self.clock is None:
            return self.call_later(delay_s, callback, context=_NO_OWNER)
        return self._arm(self.platform_time() + delay_s, lambda: self.call_soon(callback, context=_NO_OWNER))

    def after_reactions(self, within_s: float, callback: Callable[[], Any]) -> None:
        """Call back when code has reacted to what has just happened: `within_s` later or, as a virtual clock stands still meanwhile, when
        nothing is runnable."""
        if self.clock is None:
            self.call_later(within_s, callback, context=_NO_OWNER)
            return

        async def reacted() -> None:
            await self.idle()
            callback()

        _NO_OWNER.copy().run(self.create_task, reacted())

    # -- the virtual clock

    def go_by(self, clock: VirtualClock) -> None:
        """From now on user code and the platform's limits go by `clock`. On the instance: the machine's clock costs nothing more."""
        self.clock = clock
        self.time = self._time_of_caller  # type: ignore[method-assign]
        self.call_later = self._call_later_as_owner  # type: ignore[method-assign, assignment]

    def _time_of_caller(self) -> float:
        """Seconds: for user code the clock it sees, for everybody else the machine's."""
        return monotonic() if current_owner.get() is None else self.platform_time()

    def _call_later_as_owner(self, delay: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> asyncio.TimerHandle:
        # Whose time it is depends on whose the timer will be, not on who arms it.
        owner = current_owner.get() if context is None else context.get(current_owner)
        now_s = monotonic() if owner is None else self.platform_time()
        return self.call_at(now_s + delay, callback, *args, context=context)

    def hear_time(self, now_ms: int) -> None:
        """The gateway's clock. Fires nothing: at one instant what comes from the gateway goes first (wire/README.md)."""
        clock = self.clock
        if clock is not None and now_ms > clock.now_ms():
            clock.set(now_ms)

    async def move_clock(self, to_ms: int) -> int | None:
        """Go to `to_ms` by way of every timer that is due until then; returns, when nothing is runnable, the time of the earliest that is
        left. RuntimeError on the machine's clock."""
        clock = self.clock
        if clock is None:
            raise RuntimeError("this host is on the machine's clock")
        await self.idle()
        while (due_ms := clock.next_deadline()) is not None and due_ms <= to_ms:
            self.hear_time(due_ms)
            clock.fire_due()
            await self.idle()
            if due_ms >= to_ms:
                break
        self.hear_time(to_ms)
        return clock.next_deadline()

    def _arm(self, when_s: float, fire: Callable[[], Any]) -> VirtualTimer:
        clock = self.clock
        assert clock is not None
        when_ms = math.ceil(when_s * 1000 - _ROUNDING_MS)
        timer = clock.call_at(when_ms, fire)
        if when_ms <= clock.now_ms() and not self._firing:
            # No time has to pass for it: it is one of this moment's steps.
            self._firing = True
            super().call_soon(self._fire_due, context=_NO_OWNER)
        return timer

    def _fire_due(self) -> None:
        self._firing = False
        assert self.clock is not None
        self.clock.fire_due()


def host_loop() -> HostLoop:
    """The loop that runs."""
    return cast(HostLoop, asyncio.get_running_loop())


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
