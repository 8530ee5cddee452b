"""`triggers.crons` of the wrangler file on a virtual clock. On the real one nothing fires them, as with wrangler: one asks by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from emulator.clock.virtual import VirtualClock, VirtualTimer
from emulator.core.cron import BadCron, Cron
from emulator.errors import EmuError
from emulator.gateway.dispatcher import Dispatcher, NoHost, Overloaded
from emulator.gateway.journal import Journal
from emulator.wire.exchange import LinkLost, RemoteError


def read_crons(texts: Sequence[str]) -> tuple[list[Cron], list[str]]:
    """The expressions, and what is wrong with those that are none."""
    crons, problems = [], []
    for text in dict.fromkeys(texts):
        try:
            crons.append(Cron.parse(text))
        except BadCron as error:
            problems.append(str(error))
    return crons, problems


class Crons:
    """Each fires the Worker's `scheduled` handler at its times; one that fails is told of and fires again."""

    def __init__(self, clock: VirtualClock, dispatcher: Dispatcher, journal: Journal) -> None:
        self._clock = clock
        self._dispatcher = dispatcher
        self._journal = journal
        self._timers: dict[str, VirtualTimer] = {}
        self._runs: set[asyncio.Task[None]] = set()
        self.ran = 0
        """How many runs have ended."""

    def set(self, crons: Sequence[Cron]) -> None:
        """From now on these. One that was there already goes on as it was."""
        texts = {cron.text for cron in crons}
        for text in self._timers.keys() - texts:
            self._timers.pop(text).cancel()
        for cron in crons:
            if cron.text not in self._timers:
                self._arm(cron)

    def restart(self) -> None:
        """Forget what was armed: the clock has been set back."""
        self.set(())

    def pending(self) -> Iterator[tuple[str, int]]:
        """Each expression with the time of its next run."""
        return ((text, timer.when_ms) for text, timer in self._timers.items())

    def close(self) -> None:
        """End what runs."""
        self.set(())
        for run in self._runs:
            run.cancel()

    def _arm(self, cron: Cron) -> None:
        next_ms = cron.next_after(self._clock.now_ms())
        if next_ms is None:
            self._timers.pop(cron.text, None)
            return
        self._timers[cron.text] = self._clock.call_at(next_ms, lambda: self._fire(cron, next_ms))

    def _fire(self, cron: Cron, scheduled_ms: int) -> None:
        self._arm(cron)
        run = asyncio.get_running_loop().create_task(self._run(cron, scheduled_ms))
        self._runs.add(run)
        run.add_done_callback(self._runs.discard)

    async def _run(self, cron: Cron, scheduled_ms: int) -> None:
        outcome = "done"
        error: dict[str, Any] | None = None
        try:
            await self._dispatcher.call("scheduled", cron=cron.text, scheduled_ms=scheduled_ms)
        except RemoteError as failure:
            outcome, error = "failed", failure.fields
        except (LinkLost, NoHost, Overloaded) as failure:
            outcome, error = "lost", {"name": type(failure).__name__, "message": str(failure)}
        except EmuError as failure:
            outcome, error = "failed", {"name": type(failure).__name__, "message": failure.what}
        if error is not None:
            self._journal.add("exception", where="scheduled", error=error)
        self.ran += 1
        self._journal.add("cron.run", cron=cron.text, scheduled_ms=scheduled_ms, outcome=outcome)
