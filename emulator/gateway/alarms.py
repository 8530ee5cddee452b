"""The alarm clock: AlarmBook (core/alarms.py) on the gateway's clock, with its index on disk (flow "alarm" in emulator/README.md).

The host is told that an alarm is set only when the index has it on disk, so that no crash of either process can lose one. On a virtual
clock it is told at once, and the index follows: the object's own database has the alarm already, and after a crash of the gateway the
index is made from those. So a simulated year does not wait for the disk at each alarm.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from emulator.core.alarms import AlarmBook, AlarmKey, DueAlarm, Outcome
from emulator.errors import EmuError, StartError, WireError
from emulator.gateway.alarm_index import AlarmIndex, Change
from emulator.gateway.clocks import Clock, Timer
from emulator.gateway.dispatcher import Dispatcher, NoHost, Overloaded
from emulator.gateway.journal import Journal
from emulator.wire.exchange import Incoming, LinkLost, RemoteError

FIRST_PAUSE_S = 0.05
MAX_PAUSE_S = 1.0
ANSWER_WITHIN_S = 5.0
"""When the index cannot be written for so long, who waits is told; the changes are kept and tried on."""
GATHER_S = 0.1
"""How long changes that nobody waits for are gathered into one write."""


class Alarms:
    """`jitter` gives the fraction (0 to 0.25) that a retry is delayed by. `awaited`: an alarm counts as set when it is on disk."""

    def __init__(
        self,
        index: AlarmIndex,
        dispatcher: Dispatcher,
        clock: Clock,
        journal: Journal,
        jitter: Callable[[], float],
        *,
        awaited: bool = True,
    ) -> None:
        self.book = AlarmBook()
        self._index = index
        self._dispatcher = dispatcher
        self._clock = clock
        self._journal = journal
        self._jitter = jitter
        self._timer: Timer | None = None
        self._armed_ms: int | None = None
        self._changes: dict[AlarmKey, Change] = {}
        self._waiting: list[tuple[str, Incoming]] = []
        self._awaited = awaited
        self._closing = asyncio.Event()
        self._wanted = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._runs: dict[asyncio.Task[Any], AlarmKey] = {}
        self.ran = 0
        """How many runs have ended, retries among them."""
        dispatcher.on_resume.append(self.settle)

    async def load(self, *, reconcile: bool) -> None:
        """Read the index; after an unclean stop hold it against the objects' own databases. Raises StartError E331."""
        alarms = await self._index.load()
        for key, time_ms, name in alarms:
            self.book.set(key, time_ms, name)
        if reconcile:
            changes = await self._index.reconcile(alarms)
            for key, (changed_ms, name) in changes.items():
                if changed_ms is None:
                    self.book.delete(key)
                else:
                    self.book.set(key, changed_ms, name)
            if changes:
                try:
                    await self._index.write(changes)
                except sqlite3.Error as error:
                    raise StartError("E331", f"the alarm index cannot be written: {error}", hint="see what else has it open") from error
                self._journal.add("alarms.reconciled", count=len(changes))

    async def after_crash(self, since_s: float) -> None:
        """A host died that had written since a moment on time.time(): alarms that it committed and could not tell us of are in its objects'
        databases, for the alarm is part of the commit (durable-objects.md 4)."""
        indexed = [(key, time_ms, name) for key, name, time_ms, _, _ in self.book.pending()]
        changes = await self._index.reconcile(indexed, since_s)
        for key, (time_ms, name) in changes.items():
            if time_ms is not None:
                self.book.set(key, time_ms, name)
            elif self.book.at_rest(key):
                self.book.delete(key)
            else:
                continue  # a run that was cut off is repeated, whatever it had done to its alarm
            self._change(key, time_ms, name)
            self._journal.add("alarm.set", object=_subject(key, name), time_ms=time_ms)

    def on_call(self, incoming: Incoming, call: dict[str, Any]) -> None:
        """An object set (`time_ms`) or deleted (null) its alarm: answered when that is on disk, if that is to be awaited."""
        key = AlarmKey(call["class"], call["id"])
        time_ms = call.get("time_ms")
        if time_ms is None:
            self.book.delete(key)
        else:
            self.book.set(key, int(time_ms), call.get("name"))
        self._change(key, None if time_ms is None else int(time_ms), call.get("name"))
        if self._awaited:
            self._waiting.append((key.class_name, incoming))
        else:
            incoming.result(None)
        self._journal.add("alarm.set", object=_subject(key, call.get("name")), time_ms=time_ms)
        self.settle()

    def fire(self, key: AlarmKey) -> bool:
        """Run an object's alarm now; False when it has none or it runs already."""
        due = self.book.fire(key) if self._dispatcher.link is not None else None
        if due is not None:
            self._start(due)
        return due is not None

    def skip(self, key: AlarmKey, time_ms: int) -> None:
        """The object has given up its alarm of this time without a run."""
        if self.book.time_of(key) == time_ms:
            name = next((name for other, name, *_ in self.book.pending() if other == key), None)
            self.book.delete(key)
            self._change(key, None, name)
            self._journal.add("alarm.skipped", object=_subject(key, name), time_ms=time_ms)
            self.settle()

    def settle(self) -> None:
        """Deliver what is due and set the one timer for what comes next. Without a host nothing is due."""
        if self._dispatcher.link is None:
            return
        for due in self.book.due(self._clock.now_ms()):
            self._start(due)
        deadline = self.book.next_deadline()
        if deadline == self._armed_ms and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed_ms = deadline
        self._timer = None if deadline is None else self._clock.call_at(deadline, self._ring)

    def replace(self, covers: Callable[[str, str], bool], alarms: Mapping[AlarmKey, tuple[int, str | None]]) -> None:
        """The objects that `covers` (class, id) were exchanged, and these are their alarms, as the index on disk has them. There must be no
        host."""
        for run in [run for run, key in self._runs.items() if covers(*key)]:
            # How it would end says nothing of the object that is there now.
            run.cancel()
        for key in [key for key, *_ in self.book.pending() if covers(*key)]:
            self.book.forget(key)
        self._changes = {key: change for key, change in self._changes.items() if not covers(*key)}
        for key, (time_ms, name) in alarms.items():
            self.book.set(key, time_ms, name)

    async def written(self) -> bool:
        """Write what is unwritten now; whether the index has every change."""
        if self._writer is not None:
            self._wanted.set()
            await asyncio.wait({self._writer}, timeout=ANSWER_WITHIN_S)
        return not self._changes

    async def restart(self) -> None:
        """As at the start of a server without objects; the index on disk goes with them. There must be no host."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._armed_ms = None
        for run in list(self._runs):
            run.cancel()
        self._changes.clear()
        self._waiting.clear()
        if self._writer is not None:
            # It would try until somebody else lets go of the file.
            self._writer.cancel()
            await asyncio.wait({self._writer})
            self._changes.clear()
        await self._index.close()
        self.book = AlarmBook()

    async def close(self) -> None:
        """Write what is unwritten, at once or never, and close the index; `unwritten` tells of the rest."""
        if self._timer is not None:
            self._timer.cancel()
        for run in self._runs:
            run.cancel()
        self._closing.set()
        self._wanted.set()
        try:
            if self._writer is not None:
                await self._writer
        finally:
            await self._index.close()

    @property
    def unwritten(self) -> int:
        """How many changes are not in the index."""
        return len(self._changes)

    def _ring(self) -> None:
        self._timer = self._armed_ms = None
        self.settle()

    def _start(self, due: DueAlarm) -> None:
        task = asyncio.get_running_loop().create_task(self._run(due))
        self._runs[task] = due.key
        task.add_done_callback(self._runs.pop)

    async def _run(self, due: DueAlarm) -> None:
        began = self._clock.now_ms()
        rearmed: bool | None = None
        try:
            fields = {"class": due.key.class_name, "id": due.key.id, "name": due.name}
            answer = await self._dispatcher.call("alarm", **fields, scheduled_ms=due.scheduled_ms, retry=due.retry)
            outcome, rearmed = _outcome(answer)
        except (LinkLost, NoHost, Overloaded):
            outcome = Outcome.LOST
        except RemoteError as error:
            outcome = Outcome.FAILED
            self._journal.add("exception", where="alarm", error=error.fields, object=_subject(due.key, due.name))
        except EmuError as error:
            outcome = Outcome.FAILED
            self._journal.add("internal", text=f"an alarm was not run: {error.what}")
        now = self._clock.now_ms()
        next_ms = self.book.finished(due.key, outcome, now, self._jitter(), rearmed=rearmed)
        if next_ms is None:
            self._change(due.key, None, due.name)
        self.ran += 1
        self._journal.add(
            "alarm.run",
            object=_subject(due.key, due.name),
            outcome=outcome.value,
            retry=due.retry,
            late_ms=max(began - due.scheduled_ms, 0),
            ms=now - began,
            next_ms=next_ms,
            retry_ms=self.book.retry_of(due.key),
        )
        self.settle()

    # -- the index

    def _change(self, key: AlarmKey, time_ms: int | None, name: str | None) -> None:
        self._changes[key] = (time_ms, name)
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        """Write batch after batch: what comes during one write goes with the next. What cannot be written is kept and tried again."""
        loop = asyncio.get_running_loop()
        failing_since: float | None = None
        pause_s = FIRST_PAUSE_S
        try:
            while self._changes:
                if not (self._awaited or self._closing.is_set()):
                    await self._pause(GATHER_S)
                problems = await self._write_batch()
                if not problems:
                    failing_since, pause_s = None, FIRST_PAUSE_S
                    continue
                if failing_since is None:
                    failing_since = loop.time()
                    for error in problems.values():
                        self._journal.add("internal", text=f"the alarm index cannot be written: {error}")
                if self._closing.is_set() or loop.time() - failing_since >= ANSWER_WITHIN_S:
                    self._refuse(problems)
                if self._closing.is_set():
                    return
                await self._pause(pause_s)
                pause_s = min(pause_s * 2, MAX_PAUSE_S)
        finally:
            self._writer = None

    async def _pause(self, seconds: float) -> None:
        """Wait, but not when somebody wants everything written."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wanted.wait()
        self._wanted.clear()

    async def _write_batch(self) -> dict[str, Exception]:
        """Write each class's changes and answer who waits for them; what failed is put back. Gives the errors by class."""
        changes, self._changes = self._changes, {}
        waiting, self._waiting = self._waiting, []
        problems: dict[str, Exception] = {}
        for class_name in dict.fromkeys(key.class_name for key in changes):
            try:
                await self._index.write({key: change for key, change in changes.items() if key.class_name == class_name})
            except (sqlite3.Error, OSError, EmuError) as error:
                problems[class_name] = error
        # What came during the write is newer.
        self._changes = {key: change for key, change in changes.items() if key.class_name in problems} | self._changes
        self._waiting = [entry for entry in waiting if entry[0] in problems] + self._waiting
        for class_name, incoming in waiting:
            if class_name not in problems:
                incoming.result(None)
        return problems

    def _refuse(self, problems: dict[str, Exception]) -> None:
        waiting, self._waiting = self._waiting, []
        for class_name, incoming in waiting:
            if class_name in problems:
                incoming.fail({"name": "Error", "message": f"the alarm cannot be stored: {problems[class_name]}", "props": {}})
            else:
                self._waiting.append((class_name, incoming))


def _outcome(answer: Any) -> tuple[Outcome, bool | None]:
    """What a host says of a run. Raises WireError when it is none of the protocol's words."""
    try:
        return Outcome(answer["outcome"]), answer.get("rearmed")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WireError("E913", f"a host says of an alarm's run {answer!r:.200}") from error


def _subject(key: AlarmKey, name: str | None) -> dict[str, Any]:
    return {"class": key.class_name, "id": key.id, "name": name}
