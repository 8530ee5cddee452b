"""Verbs on pending alarms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emulator.core.alarms import AlarmKey
from emulator.errors import UsageError
from emulator.gateway.alarms import Alarms
from emulator.gateway.clocks import Clock
from emulator.gateway.verbs.asking import HostAsker, ObjectNames
from emulator.gateway.verbs.route import Route


class AlarmVerbs:
    """List, fire, skip."""

    def __init__(self, alarms: Alarms, names: ObjectNames, ask: HostAsker, clock: Clock) -> None:
        self._alarms = alarms
        self._names = names
        self._ask = ask
        self._clock = clock

    def routes(self) -> Sequence[Route]:
        """Where they are."""
        return [
            Route("GET", "alarms", lambda call: self.alarms()),
            Route("POST", "alarms/{class}/{name}/fire", lambda call: self.fire(*call.object)),
            Route("POST", "alarms/{class}/{name}/skip", lambda call: self.skip(*call.object)),
        ]

    async def alarms(self) -> Any:
        """Every pending alarm, the next one first, and the time that it is. `retry_ms` is when a run that failed is repeated."""
        rows = [
            {
                "class": key.class_name,
                "id": key.id,
                "name": name,
                "time_ms": time_ms,
                "retry": retry,
                "retry_ms": self._alarms.book.retry_of(key),
                "running": running,
            }
            for key, name, time_ms, retry, running in self._alarms.book.pending()
        ]
        rows.sort(key=lambda row: (row["retry_ms"] or row["time_ms"], row["class"], row["id"]))
        return {"now_ms": self._clock.now_ms(), "alarms": rows}

    async def fire(self, class_name: str, name: str) -> Any:
        """Run an alarm now."""
        if not self._alarms.fire(self._pending(class_name, name)):
            raise UsageError(
                "E228", f"there is no host to run the alarm of {class_name}/{name}", hint="agents-emu objects shows who is there"
            )
        return {"fired": f"{class_name}/{name}"}

    async def fire_next(self) -> str | None:
        """Run the alarm that is due next now; gives its object, None when there is none that waits."""
        waiting = [row for row in (await self.alarms())["alarms"] if not row["running"]]
        if not waiting:
            return None
        row = waiting[0]
        fired: str = (await self.fire(row["class"], row["name"] or row["id"]))["fired"]
        return fired

    async def skip(self, class_name: str, name: str) -> Any:
        """Remove an alarm without running it, as `deleteAlarm` would: from the object's database, the index, and the clock."""
        key = self._pending(class_name, name)
        time_ms = self._alarms.book.time_of(key)
        assert time_ms is not None  # it is pending
        known = next((known for other, known, *_ in self._alarms.book.pending() if other == key), None)
        await self._ask("skip_alarm", **{"class": class_name, "id": key.id, "name": known})
        self._alarms.skip(key, time_ms)
        return {"skipped": f"{class_name}/{name}", "time_ms": time_ms}

    def _pending(self, class_name: str, name: str) -> AlarmKey:
        """An alarm that waits. Raises UsageError E228 when there is none, or when it runs."""
        key = AlarmKey(class_name, self._names.id(class_name, name))
        for other, _, _, _, running in self._alarms.book.pending():
            if other == key and not running:
                return key
            if other == key:
                raise UsageError(
                    "E228", f"the alarm of {class_name}/{name} runs right now", hint="agents-emu alarms shows when it has ended"
                )
        raise UsageError("E228", f"{class_name}/{name} has no alarm waiting", hint="agents-emu alarms lists those that wait")
