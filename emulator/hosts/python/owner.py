"""Who running user code belongs to: an object's instance or one invocation of the Worker.

Everything user code begins (tasks, timers, outgoing requests, open sockets) is counted for its owner, because an instance with anything
unfinished must not hibernate (S-99) and a dead one must not be resumed (durable-objects.md 2.7). The owner travels in a context variable,
so it follows `await`, `create_task` and timers without user code knowing.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable, Coroutine
from typing import Any

from emulator.core.gates import InputGate, Section
from emulator.hosts.python.holds import Begun, Hold, Holding, UserLines
from emulator.hosts.python.surface import suspend

current_owner: contextvars.ContextVar[Owner | None] = contextvars.ContextVar("emulator_owner", default=None)
current_section: contextvars.ContextVar[Section | None] = contextvars.ContextVar("emulator_section", default=None)


Ended = (Exception, asyncio.CancelledError, SystemExit, KeyboardInterrupt)
"""How user code may end and still owe an answer: a task it cancelled itself, `sys.exit()`. Any other BaseException unwinds a reset."""


class Owner:
    """Counts what runs. Subclasses say what being quiet means."""

    def __init__(self, label: str, lines: UserLines) -> None:
        self.label = label
        self.lines = lines
        self.tasks: dict[asyncio.Task[Any], float] = {}
        """By when they were first waited for, in seconds since 1970."""
        self.holds: dict[int, Holding] = {}
        """By `id`: timers that are due together may be equal."""
        self.dead = False
        self.gate: InputGate | None = None
        self._template = contextvars.Context()
        self._template.run(current_owner.set, self)

    def fresh_context(self) -> contextvars.Context:
        """An empty context that knows only its owner: no event sees another's context variables."""
        return self._template.copy()

    def run(self, work: Coroutine[Any, Any, Any], label: str) -> asyncio.Task[Any]:
        """Start `work` now, as a turn of its own: its first step runs before this returns."""
        loop = asyncio.get_running_loop()
        if getattr(loop, "suspends", False):
            work = suspend.suspendable(work)
        task = asyncio.Task(contained(work), loop=loop, name=label, eager_start=True, context=self.fresh_context())
        if not task.done():
            self.track(task)
        return task

    def resume(self, section: Section | None, callback: Callable[[], None]) -> None:
        """An answer for this owner has arrived: run `callback` when its input gate lets that code run; never once it is dead."""
        if self.dead:
            return
        gate = self.gate
        if gate is None or gate.pass_or_wait(section or gate.root, callback):
            callback()

    @property
    def quiet(self) -> bool:
        """Nothing it began is unfinished."""
        return not self.tasks and not self.holds

    def hold(self, what: str, text: str, begun: Begun = None) -> Hold:
        """Something outside a task keeps it busy (`Holding` has the words) until it is released; `begun` says where when
        it is not the running line."""
        hold = Hold(what, text, begun or self.lines.here(2))
        self.holds[id(hold)] = hold
        return hold

    def release(self, hold: Holding) -> None:
        """That something has ended."""
        self.holds.pop(id(hold), None)
        if not self.holds and not self.tasks:
            self.on_quiet()

    def held_by(self, *kinds: str) -> bool:
        """Whether something of these kinds (`Holding.what`) is unfinished."""
        return any(hold.what in kinds for hold in self.holds.values())

    def track(self, task: asyncio.Task[Any]) -> None:
        """A task that has not finished in its first step."""
        self.tasks[task] = time.time()
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self.tasks.pop(task, None)
        if not self.tasks and not self.holds:
            self.on_quiet()

    def on_quiet(self) -> None:
        """The last unfinished thing has ended."""

    def kill(self) -> None:
        """Stop everything it runs; nothing of it is resumed afterwards."""
        self.dead = True
        for task in tuple(self.tasks):
            task.cancel()
        for hold in tuple(self.holds.values()):
            if isinstance(hold, asyncio.TimerHandle):
                hold.cancel()
        self.holds.clear()


async def contained(work: Coroutine[Any, Any, Any]) -> Any:
    """`sys.exit()` in user code ends that code, not the host and all its objects with it."""
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(f"user code raised {error!r}") from error
