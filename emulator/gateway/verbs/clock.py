"""Verbs on time: what it is, what comes next, and on a virtual clock how it moves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from emulator.config.instants import LAST_MS, instant_ms, iso
from emulator.errors import UsageError
from emulator.gateway.alarms import Alarms
from emulator.gateway.clocks import Clock
from emulator.gateway.console import Note
from emulator.gateway.verbs.route import Call, Route

if TYPE_CHECKING:
    from emulator.gateway.crons import Crons
    from emulator.gateway.timekeeper import Timekeeper

DAY_MS = 86_400_000
MOST_PENDING = 100
"""How many deadlines are listed."""
WITHIN_MS = 30_000
"""How long (really) the server may be busy at one instant without any sign of getting on."""
MOST_WITHIN_MS = 600_000


class ClockVerbs:
    """`keeper` and `crons` are None on the real clock; `tell` hears how far time was moved. Every verb answers `{mode, now_ms, iso,
    next_ms, pending}`; those that move time also `steps`, the count of deadlines on the way, and how many `alarms` and `crons` ran."""

    def __init__(self, clock: Clock, alarms: Alarms, keeper: Timekeeper | None, crons: Crons | None, tell: Callable[[Note], None]) -> None:
        self._clock = clock
        self._alarms = alarms
        self._keeper = keeper
        self._crons = crons
        self._tell = tell

    def routes(self) -> Sequence[Route]:
        """Where they are."""
        return [
            Route("GET", "clock", lambda call: self.show()),
            Route("POST", "clock", self.move_to),
            Route("POST", "clock/advance", self.advance),
            Route("POST", "clock/step", self.step),
            Route("POST", "clock/settle", self.settle),
            Route("POST", "clock/run-until-idle", self.run_until_idle),
        ]

    async def show(self) -> dict[str, Any]:
        """The time, and the next deadlines, soonest first."""
        if self._keeper is not None:
            await self._keeper.look()
        return self._now()

    def _now(self) -> dict[str, Any]:
        rows = sorted(self._pending(), key=lambda row: row["at_ms"])
        next_ms = rows[0]["at_ms"] if self._keeper is None and rows else self._keeper.next_ms() if self._keeper is not None else None
        now_ms = self._clock.now_ms()
        return {
            "mode": "real" if self._keeper is None else "virtual",
            "now_ms": now_ms,
            "iso": iso(now_ms),
            "next_ms": next_ms,
            "pending": rows[:MOST_PENDING],
        }

    async def move_to(self, call: Call) -> dict[str, Any]:
        """`{"to": ISO or ms}`: move there, through every deadline on the way."""
        return await self._move(call, lambda keeper, within_s: keeper.advance(self._instant(call.body.get("to")), within_s=within_s))

    async def advance(self, call: Call) -> dict[str, Any]:
        """`{"ms"}`: move so far."""
        return await self._move(call, lambda keeper, within_s: keeper.advance(self._later(call.body.get("ms"), "ms"), within_s=within_s))

    async def step(self, call: Call) -> dict[str, Any]:
        """Move to the next deadline, at most to `{"until_ms"}`."""
        until = call.body.get("until_ms")
        return await self._move(
            call, lambda keeper, within_s: keeper.step(None if until is None else self._instant(until), within_s=within_s)
        )

    async def settle(self, call: Call) -> dict[str, Any]:
        """Do what is due now, and wait for its end."""
        return await self._move(call, lambda keeper, within_s: keeper.settle(within_s=within_s))

    async def run_until_idle(self, call: Call) -> dict[str, Any]:
        """Move from deadline to deadline until there is none within `{"limit_ms"}` (a day); `next_ms` is null when there is none at all."""
        limit = call.body.get("limit_ms", DAY_MS)
        return await self._move(call, lambda keeper, within_s: keeper.run_until_idle(self._later(limit, "limit_ms"), within_s=within_s))

    async def _move(self, call: Call, move: Callable[[Timekeeper, float], Any]) -> dict[str, Any]:
        if self._keeper is None:
            raise UsageError(
                "E250", "the clock is the machine's: nobody moves it", hint="start with a virtual one: agents-emu dev --clock virtual"
            )
        within = call.body.get("within_ms", WITHIN_MS)
        if not _is_number(within) or not 0 < within <= MOST_WITHIN_MS:
            raise UsageError("E251", f'"within_ms" must be a number of milliseconds up to {MOST_WITHIN_MS}')
        from_ms = self._clock.now_ms()
        alarms, crons = self._ran()
        steps = await move(self._keeper, within / 1000)
        alarms_after, crons_after = self._ran()
        answer = {**self._now(), "steps": steps, "alarms": alarms_after - alarms, "crons": crons_after - crons}
        if answer["now_ms"] > from_ms:
            deadlines = f"{steps} deadline{'' if steps == 1 else 's'} on the way"
            self._tell(Note("clock", f"it is {answer['iso']}, {deadlines}"))
        return answer

    def _ran(self) -> tuple[int, int]:
        return self._alarms.ran, self._crons.ran if self._crons is not None else 0

    def _instant(self, value: Any) -> int:
        if isinstance(value, str):
            try:
                value = instant_ms(value)
            except ValueError as error:
                raise UsageError("E251", f"{value!r:.60} is no time: {error} is expected") from None
        if not _is_number(value):
            raise UsageError("E251", "a time is an ISO text, or milliseconds since 1970")
        now_ms = self._clock.now_ms()
        if not now_ms <= value <= LAST_MS:
            when = "before now" if value < now_ms else "too far ahead"
            at = f" ({iso(math.floor(value))})" if 0 <= value < now_ms else ""
            raise UsageError("E251", f"{value:.0f}{at} is {when}: a clock goes forward, at most to 2200", hint=f"it is {iso(now_ms)}")
        return math.ceil(value)

    def _later(self, value: Any, name: str) -> int:
        if not _is_number(value) or value < 0:
            raise UsageError("E251", f'"{name}" must be a number of milliseconds, 0 or more')
        return self._instant(self._clock.now_ms() + value)

    def _pending(self) -> Iterator[dict[str, Any]]:
        for key, name, time_ms, retry, running in self._alarms.book.pending():
            if not running:
                at_ms = self._alarms.book.retry_of(key) or time_ms
                yield {"at_ms": at_ms, "what": f"alarm of {key.class_name}/{name or key.id}{f', retry {retry}' if retry else ''}"}
        if self._keeper is None:
            return
        for cron, at_ms in self._crons.pending() if self._crons is not None else ():
            yield {"at_ms": at_ms, "what": f"cron {cron}"}
        for timer in self._keeper.clock.pending():
            if timer.why is not None:
                yield {"at_ms": timer.when_ms, "what": timer.why}
        if self._keeper.host_ms is not None:
            yield {"at_ms": self._keeper.host_ms, "what": "a timer in the host"}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
