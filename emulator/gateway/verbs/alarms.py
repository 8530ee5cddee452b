"""Verbs on pending alarms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emulator.core.alarms import AlarmKey
from emulator.errors import UsageError
from emulator.gateway.alarms import Alarms
from emulator.gateway.verbs.asking import ObjectNames
from emulator.gateway.verbs.route import Route


class AlarmVerbs:
    """List and fire."""

    def __init__(self, alarms: Alarms, names: ObjectNames) -> None:
        self._alarms = alarms
        self._names = names

    def routes(self) -> Sequence[Route]:
        """Where they are."""
        return [
            Route("GET", "alarms", lambda call: self.alarms()),
            Route("POST", "alarms/{class}/{name}/fire", lambda call: self.fire(*call.object)),
        ]

    async def alarms(self) -> Any:
        """Every pending alarm."""
        rows = [
            {"class": key.class_name, "id": key.id, "name": name, "time_ms": time_ms, "retry": retry, "running": running}
            for key, name, time_ms, retry, running in self._alarms.book.pending()
        ]
        return {"alarms": sorted(rows, key=lambda row: (row["time_ms"], row["class"], row["id"]))}

    async def fire(self, class_name: str, name: str) -> Any:
        """Run an alarm now."""
        if not self._alarms.fire(AlarmKey(class_name, self._names.id(class_name, name))):
            raise UsageError("E228", f"{class_name}/{name} has no alarm waiting", hint="GET alarms lists them")
        return {"fired": f"{class_name}/{name}"}
