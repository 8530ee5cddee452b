"""Who running user code belongs to: an object's instance or one invocation of the Worker.

Everything user code begins (tasks, timers, outgoing requests, open sockets) is counted for its owner, because an instance with anything
unfinished must not hibernate (S-99) and a dead one must not be resumed (durable-objects.md 2.7). The owner travels in a context variable,
so it follows `await`, `create_task` and timers without user code knowing.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any

from emulator.core.gates import InputGate, Section
from emulator.hosts.python.surface import suspend

current_owner: contextvars.ContextVar[Owner | None] = contextvars.ContextVar("emulator_owner", default=None)
current_section: contextvars.ContextVar[Section | None] = contextvars.ContextVar("emulator_section", default=None)


Ended = (Exception, asyncio.CancelledError, SystemExit, KeyboardInterrupt)
"""How user code may end and still owe an answer: a task it cancelled itself, `sys.exit()`. Any other BaseException unwinds a reset."""


class Owner:
    """Counts what runs. Subclasses say what being quiet means."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.tasks: set[asyncio.Task[Any]] = set()
        self.holds: dict[str, int] = {}
        self.held = 0
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
        return not self.tasks and not self.held

    def hold(self, what: str) -> None:
        """Something outside a task keeps it busy: `timer`, `fetch`, `socket`, `stub`, `body`."""
        self.holds[what] = self.holds.get(what, 0) + 1
        self.held += 1

    def release(self, what: str) -> None:
        """That something has ended."""
        self.holds[what] -= 1
        self.held -= 1
        if not self.held and not self.tasks:
            self.on_quiet()

    def track(self, task: asyncio.Task[Any]) -> None:
        """A task that has not finished in its first step."""
        self.tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not self.tasks and not self.held:
            self.on_quiet()

    def on_quiet(self) -> None:
        """The last unfinished thing has ended."""

    def kill(self) -> None:
        """Stop everything it runs; nothing of it is resumed afterwards."""
        self.dead = True
        for task in tuple(self.tasks):
            task.cancel()


async def contained(work: Coroutine[Any, Any, Any]) -> Any:
    """`sys.exit()` in user code ends that code, not the host and all its objects with it."""
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(f"user code raised {error!r}") from error
