"""Alarms of all objects: when each is due, how failures are retried (durable-objects.md 4). Pure; `now` is always an argument.

One alarm per object. While its handler runs, or waits for a retry, a newly set time is kept aside: the run in hand goes first.

==========================  ==========================================================================
run ends with               then
==========================  ==========================================================================
DONE                        the alarm is gone; a time set during the run becomes the new alarm
FAILED, ABORTED             a time set during the run wins, the old run is not repeated; deleted during the run: no
                            retry; else again after 2, 4, 8, 16, 32, 64 s (+ 0 to 25 %), given up after 6 retries
LOST (the host is gone)     again, not counted: at once the first time, then 2, 4, 8 ... 1,024 s
DROPPED                     gone: the object gave it up (`ctx.abort(reason, {retryAlarm: false})`, no `alarm()` method)
==========================  ==========================================================================
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

MAX_RETRIES = 6
FIRST_DELAY_MS = 2_000
MAX_JITTER = 0.25
LOST_DOUBLINGS = 9
"""An uncounted retry waits at most 2 s << 9."""


class AlarmKey(NamedTuple):
    """Which object: class name and 64 hex digits."""

    class_name: str
    id: str


class Outcome(Enum):
    """How a run ended. The values are what the host answers, except LOST, which is its silence."""

    DONE = "done"
    FAILED = "failed"
    ABORTED = "aborted"
    DROPPED = "dropped"
    LOST = "lost"


@dataclass(slots=True, frozen=True)
class DueAlarm:
    """One run to be delivered. `scheduled_ms` is the time that was asked for, `retry` the count of counted failures so far."""

    key: AlarmKey
    name: str | None
    scheduled_ms: int
    retry: int


@dataclass(slots=True)
class _Alarm:
    name: str | None
    scheduled_ms: int
    due_ms: int
    order: int
    retry: int = 0
    lost: int = 0
    running: bool = False
    next_ms: int | None = None
    deleted: bool = False


class AlarmBook:
    """The pending alarms. `set` and `delete` follow user code; `due` hands out runs; `finished` says how a run ended."""

    def __init__(self) -> None:
        self._alarms: dict[AlarmKey, _Alarm] = {}
        self._heap: list[tuple[int, int, AlarmKey]] = []
        self._order = 0

    def __len__(self) -> int:
        return len(self._alarms)

    def set(self, key: AlarmKey, time_ms: int, name: str | None = None) -> None:
        """The object's alarm is now at `time_ms`."""
        alarm = self._alarms.get(key)
        if alarm is not None:
            alarm.name = name or alarm.name
            if not self.at_rest(key):
                alarm.next_ms, alarm.deleted = time_ms, False
                return
            alarm.scheduled_ms = time_ms
            self._plan(key, alarm, time_ms)
            return
        alarm = self._alarms[key] = _Alarm(name, time_ms, time_ms, 0)
        self._plan(key, alarm, time_ms)

    def delete(self, key: AlarmKey) -> None:
        """The object has no alarm any more; a pending retry is cancelled, a run in progress is not repeated."""
        alarm = self._alarms.get(key)
        if alarm is None:
            return
        if alarm.running:
            alarm.next_ms, alarm.deleted = None, True
        else:
            del self._alarms[key]

    def forget(self, key: AlarmKey) -> None:
        """Whatever this alarm was about is not there any more; a run in progress ends without a word."""
        self._alarms.pop(key, None)

    def next_deadline(self) -> int | None:
        """When the next run is due, in ms since 1970, or None."""
        while self._heap:
            due_ms, order, key = self._heap[0]
            if self._is_planned(key, order):
                return due_ms
            heapq.heappop(self._heap)
        return None

    def due(self, now: int) -> list[DueAlarm]:
        """The runs that are due, earliest first. Each counts as running until `finished`."""
        found = []
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            key = heapq.heappop(self._heap)[2]
            found.append(self._run(key, self._alarms[key]))
        return found

    def fire(self, key: AlarmKey) -> DueAlarm | None:
        """Run this alarm now, whatever its time; None when there is none or it runs already."""
        alarm = self._alarms.get(key)
        return None if alarm is None or alarm.running else self._run(key, alarm)

    def finished(self, key: AlarmKey, outcome: Outcome, now: int, jitter: float = 0.0, *, rearmed: bool | None = None) -> int | None:
        """How a run ended. `jitter` is a fraction from 0 to MAX_JITTER that a delay is lengthened by. `rearmed` is whether the object
        says it has an alarm again: its word decides whether a time set before a retry was absorbed by that retry (4.3). Gives the
        time of the object's alarm from now on, None when it has none."""
        alarm = self._alarms.get(key)
        if alarm is None or not alarm.running:
            return None
        alarm.running = False
        if outcome is Outcome.LOST and not alarm.deleted:
            delay = 0 if alarm.lost == 0 else FIRST_DELAY_MS << min(alarm.lost - 1, LOST_DOUBLINGS)
            alarm.lost += 1
            self._plan(key, alarm, now + _lengthened(delay, jitter))
            return alarm.scheduled_ms if alarm.next_ms is None else alarm.next_ms
        absorbed = outcome is Outcome.DONE and rearmed is False
        if alarm.next_ms is not None and not absorbed:
            fresh = _Alarm(alarm.name, alarm.next_ms, alarm.next_ms, 0)
            self._alarms[key] = fresh
            self._plan(key, fresh, fresh.due_ms)
            return fresh.scheduled_ms
        counted = outcome in (Outcome.FAILED, Outcome.ABORTED)
        if counted and not alarm.deleted and alarm.retry < MAX_RETRIES:
            delay = FIRST_DELAY_MS << alarm.retry
            alarm.retry += 1
            self._plan(key, alarm, now + _lengthened(delay, jitter))
            return alarm.scheduled_ms
        del self._alarms[key]
        return None

    def pending(self) -> Iterator[tuple[AlarmKey, str | None, int, int, bool]]:
        """Each alarm as (key, name, scheduled_ms, retry, running)."""
        for key, alarm in self._alarms.items():
            time_ms = alarm.scheduled_ms if alarm.next_ms is None else alarm.next_ms
            yield key, alarm.name, time_ms, alarm.retry, alarm.running

    def retry_of(self, key: AlarmKey) -> int | None:
        """When a run that did not end well is repeated, in ms since 1970; None when none is."""
        alarm = self._alarms.get(key)
        return alarm.due_ms if alarm is not None and not alarm.running and (alarm.retry or alarm.lost) else None

    def at_rest(self, key: AlarmKey) -> bool:
        """Whether no run of it goes on or is to be repeated."""
        alarm = self._alarms.get(key)
        return alarm is None or not (alarm.running or alarm.retry or alarm.lost)

    def time_of(self, key: AlarmKey) -> int | None:
        """When the object's alarm is set for, in ms since 1970."""
        alarm = self._alarms.get(key)
        if alarm is None:
            return None
        return alarm.scheduled_ms if alarm.next_ms is None else alarm.next_ms

    def _run(self, key: AlarmKey, alarm: _Alarm) -> DueAlarm:
        alarm.running = True
        alarm.deleted = False
        return DueAlarm(key, alarm.name, alarm.scheduled_ms, alarm.retry)

    def _plan(self, key: AlarmKey, alarm: _Alarm, due_ms: int) -> None:
        self._order += 1
        alarm.order, alarm.due_ms = self._order, due_ms
        heapq.heappush(self._heap, (due_ms, self._order, key))

    def _is_planned(self, key: AlarmKey, order: int) -> bool:
        alarm = self._alarms.get(key)
        return alarm is not None and not alarm.running and alarm.order == order


def _lengthened(delay_ms: int, jitter: float) -> int:
    return round(delay_ms * (1 + min(max(jitter, 0.0), MAX_JITTER)))
