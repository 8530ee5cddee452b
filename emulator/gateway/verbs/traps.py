"""Verbs on points and traps: interrupt exactly there (traps.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emulator.errors import UsageError
from emulator.gateway.traps import Fault, Traps
from emulator.gateway.verbs.route import Call, Route


class TrapVerbs:
    """`points` and `traps`."""

    def __init__(self, traps: Traps) -> None:
        self._traps = traps

    def routes(self) -> Sequence[Route]:
        """Where they are."""
        return [
            Route("POST", "points", self.points),
            Route("GET", "traps", self.trap),
            Route("POST", "traps", self.arm),
            Route("DELETE", "traps", self.disarm),
        ]

    async def points(self, call: Call) -> Any:
        """Have hosts tell of each point in the journal, or no longer."""
        on = call.body.get("on")
        if not isinstance(on, bool) or len(call.body) != 1:
            raise UsageError("E227", 'points are switched by {"on": true} or {"on": false}')
        return await self._traps.points(on)

    async def trap(self, call: Call) -> Any:
        """The trap, and whether it has fired."""
        return self._traps.status()

    async def arm(self, call: Call) -> Any:
        """Do a fault at the point with a number, counted from now."""
        at, fault = call.body.get("at"), call.body.get("fault")
        if not isinstance(at, int) or isinstance(at, bool) or at < 1 or fault not in list(Fault) or len(call.body) != 2:
            raise UsageError("E227", f'a trap is {{"at": number from 1, "fault": {", ".join(f'"{one}"' for one in Fault)}}}')
        return await self._traps.arm(at, Fault(fault))

    async def disarm(self, call: Call) -> Any:
        """Take the trap away: how it was."""
        return await self._traps.disarm()
