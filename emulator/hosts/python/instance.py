"""One life of an object: the door through which all its events pass, its gates, and its end.

`deliver` is the only way into user code. Events start in order, overlap at their awaits (durable-objects.md 1.6), wait while the input
gate is closed, and their effects leave in program order once the writes they depend on are committed (2.4).
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

from emulator.core.gates import InputGate, TooDeep
from emulator.core.lifecycle import Step
from emulator.hosts.python.database import COMMIT_LOST
from emulator.hosts.python.holds import Begun, Hold
from emulator.hosts.python.loop import HostLoop
from emulator.hosts.python.owner import Ended, Owner, current_owner, current_section
from emulator.hosts.python.storage import CommitFailed, ObjectStorage
from emulator.hosts.python.surface.convert import is_awaitable, unwrap
from emulator.hosts.python.surface.errors import JsException, Origin, js_error, python_error
from emulator.hosts.python.surface.promise import JsPromise
from emulator.hosts.python.usage import Usage, current_usage
from emulator.hosts.python.weak_references import expire
from emulator.wire.exchange import RemoteError

if TYPE_CHECKING:
    from emulator.hosts.python.objects import ObjectHandle

SECTION_LIMIT_S = 30.0
"""How long `blockConcurrencyWhile` may take (S-23)."""

_TOO_LONG = (
    "A call to blockConcurrencyWhile() in a Durable Object waited for too long. The call was canceled and the Durable Object was reset."
)
_ABORTED = "Application called abort() to reset Durable Object."

_NO_OWNER = contextvars.Context()

Effect = Callable[[], Any]


class InstanceGone(BaseException):
    """Unwinds user code whose instance has just been reset; not an Exception, so that user code cannot catch it by accident."""


class Turn:
    """One delivery to user code: `work(instance)` runs it, exactly one of `done(result)` and `failed(error, reset)` ends it.

    `reset` tells an object that was reset from user code that merely raised: the first breaks the caller's stub, the second does not.
    """

    __slots__ = ("done", "failed", "label", "retry_alarm", "since_s", "task", "used", "work")

    def __init__(
        self,
        label: str,
        work: Callable[[Instance], Awaitable[Any]],
        done: Callable[[Any], None],
        failed: Callable[[JsException, bool], None],
    ) -> None:
        self.label = label
        self.work = work
        self.done = done
        self.failed = failed
        self.retry_alarm = True
        self.since_s = 0.0
        """When it came, and from its start when that was: seconds since 1970 on the clock that user code sees."""
        self.task: asyncio.Task[Any] | None = None
        self.used = Usage()


class Instance(Owner):
    """The live instance of one object. `handle` is the identity that outlives it."""

    def __init__(self, handle: ObjectHandle) -> None:
        super().__init__(handle.label, handle.world.lines)
        self.handle = handle
        self.storage: ObjectStorage = handle.world.storage_of(handle, self)
        self.gate: InputGate = InputGate()
        self.user_object: Any = None
        self._constructed = False
        self._name_written = False
        self.broken: JsException | None = None
        self.identity: str | None = None
        """How turns name it (points.py), once one has ended."""
        self._loop = cast(HostLoop, asyncio.get_running_loop())
        self.waiting: deque[Turn] = deque()
        """Events that have not started."""
        self.in_flight: dict[Turn, None] = {}
        """Events that have started and whose end nobody has heard."""
        self._outbox: list[Effect] = []
        self._unindexed_alarms = 0
        self._points = handle.world.points
        self._ticking = False

    # -- events

    def deliver(self, turn: Turn, *, now: bool) -> None:
        """Let an event in as soon as order and the input gate allow; `now` = it may start before this returns."""
        if self.dead:
            turn.failed(self.broken or js_error("Error", _ABORTED, durableObjectReset=True), True)
            return
        self.waiting.append(turn)
        if self._ticking or not now:
            turn.since_s = time.time()
        if self._ticking:
            return
        if now:
            self._start_waiting()
        else:
            self._tick_later()

    def _tick_later(self) -> None:
        self._ticking = True
        self._loop.call_soon(self._tick, context=_NO_OWNER)

    def _tick(self) -> None:
        self._ticking = False
        self._start_waiting()

    def _start_waiting(self) -> None:
        """Start the events that wait, one after the other. What an event makes runnable comes before the next event (node-host.md 6.1):
        the rest waits for the loop's next round then."""
        if not self._constructed and self.waiting and not self.dead:
            self._constructed = True
            self.handle.construct(self)
        while self.waiting and not self.dead and self.gate.is_open:
            before = self._loop.user_steps
            self._start(self.waiting.popleft())
            if self._loop.user_steps != before:
                if self.waiting and not self._ticking:
                    self._tick_later()
                return

    def _start(self, turn: Turn) -> None:
        self.in_flight[turn] = None
        if self._points.on:
            self._points.reached("turn", self.handle, turn.label)
        turn.since_s = time.time()
        turn.task = self.run(self._drive(turn), turn.label)
        if not self.tasks and not self.holds and not self.waiting:
            self.on_quiet()

    async def _drive(self, turn: Turn) -> None:
        current_usage.set(turn.used)
        try:
            result = await turn.work(self)
        except Ended as error:
            # Of a dead instance nothing is heard any more: the reset has failed this turn.
            failure = python_error(error)
            self.emit(lambda: self._end(turn) and turn.failed(failure, False))
        except BaseException:
            # The SDK's abort raises first and resets in a microtask, which fails this turn.
            return
        else:
            self.emit(lambda: self._end(turn) and turn.done(result))

    def _end(self, turn: Turn) -> bool:
        """Whether the turn had no end yet; now it has."""
        if turn not in self.in_flight:
            return False
        del self.in_flight[turn]
        self.handle.world.turn_ended(self, turn)
        if self._points.on:
            self._points.reached("end", self.handle, turn.label)
        return True

    @property
    def busy(self) -> bool:
        """Anything unfinished: S-99."""
        return bool(self.tasks or self.holds or self.waiting or self.in_flight or self._outbox)

    @property
    def answering(self) -> bool:
        """Somebody waits for it: an event that has not ended, an effect on its way, a body being read."""
        return bool(self.in_flight or self.waiting or self._outbox or self.held_by("body"))

    def on_quiet(self) -> None:
        if not self.dead and not self.busy:
            self.handle.instance_quiet(self)

    # -- effects: the output gate

    def emit(self, effect: Effect) -> None:
        """Let an effect (a reply, a frame, an outgoing request) leave, after those before it and after the writes it may depend on."""
        if self.dead:
            return
        if self._outbox or self._unindexed_alarms or self.storage.is_dirty:
            self._outbox.append(effect)
        else:
            effect()

    def dirty(self) -> None:
        """StorageHooks: the first write of a turn; its commit comes when the loop's current callback has ended."""
        self._loop.call_soon(self.commit)

    def commit(self) -> None:
        """End the implicit transaction. A commit that fails resets the object before any effect of the turn has left (S-29 to S-32)."""
        if self.dead:
            return
        try:
            if not self._name_written and self.storage.is_dirty:
                # With the first writes of each life: who wakes the object later, or opens its file, may know the id alone.
                self._name_written = True
                self.storage.write_name()
            self.storage.commit()
        except CommitFailed as failure:
            self._commit_failed(failure)
            return
        self._flush()

    def committed(self) -> None:
        """StorageHooks: writes are in the file."""
        usage = current_usage.get()
        if usage is not None:
            usage.commits += 1
        if self._points.on:
            self._points.reached("commit", self.handle, "")

    def _commit_failed(self, failure: CommitFailed) -> None:
        error = js_error("Error", str(failure))
        self.handle.world.user_error("commit", error, self.handle)
        self.reset(error)

    def _flush(self) -> None:
        if self._unindexed_alarms:
            return
        while self._outbox and not self.storage.is_dirty:
            effects, self._outbox = self._outbox, []
            for effect in effects:
                effect()
        if not self.tasks and not self.holds:
            self.on_quiet()

    def alarm_changed(self, time_ms: int | None) -> None:
        """StorageHooks: a commit changed the alarm. Effects wait until the gateway has it on disk: no acknowledged alarm is lost."""
        self._unindexed_alarms += 1
        hold = self.hold("alarm", "an alarm on its way to the disk")
        indexed = self.handle.index_alarm(time_ms)
        indexed.add_done_callback(lambda done: self._alarm_indexed(done, hold))

    def _alarm_indexed(self, indexed: asyncio.Future[Any], hold: Hold) -> None:
        self._unindexed_alarms -= 1
        if self.dead:
            return
        self.release(hold)
        failure = None if indexed.cancelled() else indexed.exception()
        if failure is None and not indexed.cancelled():
            self._flush()
        elif isinstance(failure, RemoteError):
            # The alarm is in the object's file but nobody would ring it: the turn's answer must not leave.
            self._commit_failed(CommitFailed(COMMIT_LOST + str(failure)))
        # Else the gateway is gone, and this process with it in a moment: nothing may leave any more.

    # -- critical sections

    def block_concurrency(self, callback: Callable[[], Any]) -> JsPromise:
        """`blockConcurrencyWhile`: nothing else of the object runs until the callback has ended; its failure resets the object (2.3)."""
        return self._section(callback, self._block_failed, SECTION_LIMIT_S)

    def block(self, callback: Callable[[], Any]) -> JsPromise:
        """StorageHooks: an async transaction, the same kind of section without a reset on failure (2.6)."""
        return self._section(callback, None, None)

    def _block_failed(self, error: BaseException) -> None:
        self.handle.world.user_error("blockConcurrencyWhile", error, self.handle)
        if isinstance(error, TimeoutError):
            self.reset(js_error("Error", _TOO_LONG, overloaded=True, durableObjectReset=True))
            return
        failure = python_error(error)
        failure.durableObjectReset = True
        failure._origin = Origin(error, self.handle.reference(), shown=True)
        self.reset(failure)

    def _section(self, callback: Callable[[], Any], on_failure: Callable[[BaseException], None] | None, limit_s: float | None) -> JsPromise:
        promise = JsPromise()

        async def run() -> None:
            try:
                async with asyncio.timeout(limit_s):
                    result = callback()
                    if is_awaitable(result):
                        result = await unwrap(result)
            except InstanceGone:
                return
            except Exception as error:
                if isinstance(error, CommitFailed):
                    self._commit_failed(error)
                    return
                if on_failure is not None:
                    on_failure(error)
                    return
                promise.fail(error)
            else:
                promise.settle(result)
            # The section's own continuation runs before the events that waited (2.3): it was scheduled one line above.
            for waiting in self.gate.leave(section):
                self._loop.call_soon(waiting)
            if not self._ticking:
                self._tick_later()
            # A transaction commits by itself: what its object wanted to say meanwhile may leave now.
            self._loop.call_soon(self.commit)

        def start() -> None:
            context = self.fresh_context()
            context.run(current_section.set, section)
            task = asyncio.Task(run(), loop=self._loop, name=f"{self.label} section", context=context)
            self.track(task)

        try:
            section, active = self.gate.enter(current_section.get() or self.gate.root, start)
        except TooDeep as error:
            raise js_error("Error", str(error)) from None
        if active:
            # Not at once: the caller's next statement comes first, then the callback (2.3).
            start()
        return promise

    # -- the end

    def abort(self, reason: str | None, *, retry_alarm: bool = True) -> None:
        """`ctx.abort`: end this instance now; every caller in flight hears the reason (S-105)."""
        if not retry_alarm:
            for turn in self.in_flight:
                turn.retry_alarm = False
        self.reset(js_error("Error", reason or _ABORTED, durableObjectReset=True))

    def reset(self, error: JsException, *, cut_sockets: bool = True) -> None:
        """Destroy the instance: uncommitted writes vanish, callers get `error`, its sockets drop (S-91)."""
        if self.dead:
            return
        self.broken = error
        self.kill()
        with contextlib.suppress(Exception):
            self.storage.rollback()
        self.storage.revoke()
        self._outbox.clear()
        unanswered = [*self.in_flight, *self.waiting]
        self.in_flight.clear()
        self.waiting.clear()
        self.handle.instance_ended(self, Step.RESET, cut_sockets=cut_sockets)
        expire(self.user_object, self._loop)
        for turn in unanswered:
            if turn.task is not None:
                self.handle.world.turn_ended(self, turn)
            turn.failed(error, True)

    def retire(self) -> None:
        """Drop a quiet instance: nothing is lost, the next event constructs anew."""
        self.commit()
        self.dead = True
        self.storage.revoke()
        self.handle.instance_ended(self, Step.EXPIRE, cut_sockets=False)
        expire(self.user_object, self._loop)


def instance_of_caller() -> Instance | None:
    """The instance whose code is running, None in a Worker invocation or outside user code."""
    owner = current_owner.get()
    return owner if isinstance(owner, Instance) else None


def emit(effect: Effect) -> None:
    """Let an effect of the running code leave through its owner's output gate; at once where there is none."""
    instance = instance_of_caller()
    if instance is None:
        effect()
    else:
        instance.emit(effect)


class WayBack:
    """How an answer comes back to the running code: `back(settle, value)` passes its owner's input gate. Until then the owner is busy
    with `what`."""

    __slots__ = ("_owner", "_section", "hold")

    def __init__(self, what: str, text: str, begun: Begun = None) -> None:
        owner = self._owner = current_owner.get()
        self._section = current_section.get()
        self.hold = None if owner is None else owner.hold(what, text, begun)

    @property
    def begun(self) -> Begun:
        """Where the user's code waits."""
        return None if self.hold is None else self.hold.begun

    def __call__(self, settle: Callable[[Any], None], value: Any) -> None:
        owner = self._owner
        if owner is None:
            settle(value)
            return
        owner.resume(self._section, lambda: settle(value))
        if not owner.dead and self.hold is not None:
            owner.release(self.hold)
