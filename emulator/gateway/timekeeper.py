"""Moves virtual time: from deadline to deadline, in order, and never past anything that is still to be done (design 4.7).

The server is *settled* when nothing is left to do at this instant: the host has answered `clock` (nothing in it is runnable), the
gateway's loop has gone idle after that, and no frame went to the host meanwhile. Only then may the clock move on, to the earliest
deadline of either process. At one instant the gateway's timers go first: their frames are ahead of the `clock` call on the link.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from emulator.clock.idle_loop import IdleLoop
from emulator.clock.virtual import VirtualClock
from emulator.errors import UserCodeError
from emulator.gateway.dispatcher import Dispatcher
from emulator.gateway.journal import Journal
from emulator.wire.exchange import LinkLost

LOOK_EVERY_S = 0.25
LOOK_WITHIN_S = 1.0
MOST_ROUNDS = 5_000
"""How often the two processes may give each other something to do at one instant."""

Move = Callable[[], Awaitable[int]]
"""Moves the clock, and gives the count of deadlines on the way."""
Pending = Callable[[], Awaitable[list[str]]]
"""What the server waits for or is busy with, in words."""


class Timekeeper:
    """One for a server with a virtual clock, on its running IdleLoop. `held`: a debugger holds the host, which is no reason to give up."""

    def __init__(
        self, clock: VirtualClock, dispatcher: Dispatcher, journal: Journal, *, held: Callable[[], bool], pending: Pending
    ) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, IdleLoop)
        self.clock = clock
        self._loop = loop
        self._dispatcher = dispatcher
        self._journal = journal
        self._held = held
        self._pending = pending
        self._moving = asyncio.Lock()
        self._frames = 0
        self._rounds = 0
        self.host_ms: int | None = None
        """The host's earliest deadline, as it last said."""

    def stamp(self) -> int:
        """The time in the head of a frame to a host. Every frame asks for it, so this also counts them."""
        self._frames += 1
        return self.clock.now_ms()

    def next_ms(self) -> int | None:
        """The earliest deadline of the gateway, or of the host as it last said."""
        own = self.clock.next_deadline()
        if own is None or (self.host_ms is not None and self.host_ms < own):
            return self.host_ms
        return own

    async def look(self) -> None:
        """Hear the host's earliest deadline, while nothing moves."""
        link = self._dispatcher.link
        if link is not None and not self._moving.locked():
            with contextlib.suppress(TimeoutError, LinkLost):
                async with asyncio.timeout(LOOK_WITHIN_S):
                    self.host_ms = (await link.call("clock", to_ms=self.clock.now_ms()))["next_ms"]

    # -- the moves. `within_s` is how long (really) the server may be busy at one instant without any sign of getting on. Each raises
    # UserCodeError E252 or E253 when the server does not come to rest, NoHost when the code does not load.

    async def settle(self, *, within_s: float) -> int:
        """Wait until nothing is left to do now."""
        return await self._alone(self._settle, within_s)

    async def advance(self, to_ms: int, *, within_s: float) -> int:
        """Move to `to_ms`, through every deadline on the way; gives how many there were."""
        return await self._alone(lambda: self._advance(to_ms), within_s)

    async def step(self, until_ms: int | None, *, within_s: float) -> int:
        """Move to the next deadline, at most to `until_ms`; gives 1, or 0 when there was none."""
        return await self._alone(lambda: self._step(until_ms), within_s)

    async def run_until_idle(self, limit_ms: int, *, within_s: float) -> int:
        """Move from deadline to deadline until there is none before `limit_ms`; gives how many there were."""
        return await self._alone(lambda: self._run_until_idle(limit_ms), within_s)

    @property
    def moving(self) -> bool:
        """Whether somebody moves time."""
        return self._moving.locked()

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[None]:
        """Meanwhile nobody moves time."""
        async with self._moving:
            yield

    def restart(self) -> None:
        """The clock has been set back, and there is no host."""
        self.host_ms = None

    async def _settle(self) -> int:
        await self._do_all()
        return 0

    async def _advance(self, to_ms: int) -> int:
        steps = await self._run_until_idle(to_ms)
        await self._move(to_ms)
        return steps

    async def _step(self, until_ms: int | None) -> int:
        await self._do_all()
        next_ms = self.next_ms()
        if next_ms is not None and (until_ms is None or next_ms <= until_ms):
            await self._move(next_ms)
            return 1
        if until_ms is not None:
            await self._move(until_ms)
        return 0

    async def _run_until_idle(self, limit_ms: int) -> int:
        await self._do_all()
        steps = 0
        while (next_ms := self.next_ms()) is not None and next_ms <= limit_ms:
            await self._move(next_ms)
            steps += 1
        return steps

    async def _move(self, to_ms: int) -> None:
        """To a time that no deadline comes before, and everything that is due then."""
        from_ms = self.clock.now_ms()
        if to_ms > from_ms:
            self.clock.set(to_ms)
            self._journal.add("clock", from_ms=from_ms, to_ms=to_ms)
            await self._do_all()

    async def _do_all(self) -> None:
        """Everything that is due now, until the server is settled."""
        for _ in range(MOST_ROUNDS):
            if await self._round():
                return
        words = await self._words()
        raise UserCodeError("E253", f"time stands still: there is always something more to do at this instant: {words}", hint=_HINT)

    async def _round(self) -> bool:
        """Fire what is due here, then there; whether all was quiet after it."""
        self._rounds += 1
        now_ms = self.clock.now_ms()
        if self.clock.fire_due():
            # What the timers have started sends its frames first.
            await asyncio.sleep(0)
        link = self._dispatcher.link
        try:
            if link is None:
                answer = await self._dispatcher.call("clock", to_ms=now_ms)
                sent = -1
            else:
                asking = link.call("clock", to_ms=now_ms)
                sent = self._frames
                link.flush()
                answer = await asking
        except LinkLost:
            # Another host will come, which has timers of its own.
            self.host_ms = None
            return False
        self.host_ms = answer["next_ms"]
        await self._loop.idle()
        due_ms = self.next_ms()
        return self._frames == sent and (due_ms is None or due_ms > now_ms)

    async def _alone(self, move: Move, within_s: float) -> int:
        """Run one move after the other, each watched: it may take long, but not without getting on."""
        moving = asyncio.ensure_future(self._locked(move))
        seen, quiet_s = -1, 0.0
        try:
            while not (await asyncio.wait({moving}, timeout=LOOK_EVERY_S))[0]:
                quiet_s = 0.0 if self._rounds != seen or self._held() else quiet_s + LOOK_EVERY_S
                seen = self._rounds
                if quiet_s >= within_s:
                    what = f"the server did not come to rest within {within_s:g} s: {await self._words()}"
                    raise UserCodeError("E252", what, hint=_HINT)
            return moving.result()
        finally:
            if not moving.done():
                moving.cancel()
                await asyncio.wait({moving})

    async def _locked(self, move: Move) -> int:
        async with self._moving:
            return await move()

    async def _words(self) -> str:
        found = [*self._loop.external_work(), *await self._pending()]
        return "; ".join(found) or "nothing is known to be pending"


_HINT = "agents-emu clock shows the time and what is pending"
