"""How time passes for a scenario: on the server's virtual clock, or really.

On a virtual clock nothing passes by itself. `settle` ends when the server has done all that is due and we have heard of it; `wait` goes
on to the next deadline. On the real clock `settle` only fetches what is here, and `wait` waits until something comes.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Protocol

from emulator.clock.idle_loop import IdleLoop
from emulator.scenarios.control import Control

LOOK_EVERY_S = 0.05
"""On the real clock: how long nothing needs to come before conditions are looked at again."""
_PASSES = 8
"""Turns of an event loop that cannot tell when it is idle: reading, parsing, waking who waits, twice."""
_MOST_ROUNDS = 1000


class Clients(Protocol):
    """What a clock must know of the clients."""

    async def barrier(self) -> None:
        """Wait until all that was sent has arrived."""

    def flush(self) -> bool:
        """Begin what clients want to do by themselves; whether there was anything."""


class Time(Protocol):
    """Times are milliseconds since 1970."""

    @property
    def is_virtual(self) -> bool:
        """Whether times repeat."""

    @property
    def start_ms(self) -> int:
        """When the run began."""

    @property
    def now_ms(self) -> int:
        """Now."""

    async def settle(self) -> None:
        """Until what is due has happened."""

    async def wait(self, until_ms: int) -> None:
        """Let time pass until something may have happened, at most to `until_ms`."""

    @property
    def next_ms(self) -> int | None:
        """The server's next deadline, as far as it is known."""


class VirtualTime:
    """The clock of the server, moved by its control API."""

    is_virtual = True

    def __init__(self, control: Control, clients: Clients, shown: dict[str, Any]) -> None:
        """`shown` is what `GET clock` said."""
        self._control = control
        self._clients = clients
        self.start_ms: int = shown["now_ms"]
        self.now_ms: int = shown["now_ms"]
        self.next_ms: int | None = shown["next_ms"]

    async def settle(self) -> None:
        for _ in range(_MOST_ROUNDS):
            # First what is still to be written: only what the server has can it do.
            await quiet()
            await self._clients.barrier()
            await self._ask("clock/settle", {})
            await self._clients.barrier()
            await quiet()
            # Clients answer when the server has come to rest: what they heard does then not depend on how fast anybody is.
            if not self._clients.flush():
                return

    async def wait(self, until_ms: int) -> None:
        await self._ask("clock/step", {"until_ms": until_ms})
        # The server has come to rest already; only what clients answer to what they heard gives it more to do.
        await self._clients.barrier()
        await quiet()
        if self._clients.flush():
            await self.settle()

    async def _ask(self, verb: str, body: dict[str, Any]) -> None:
        answer = await self._control("POST", verb, body)
        self.now_ms, self.next_ms = answer["now_ms"], answer["next_ms"]


class RealTime:
    """The machine's clock. `arrived` is set when anything has come to a client."""

    is_virtual = False
    next_ms = None

    def __init__(self, clients: Clients, arrived: asyncio.Event) -> None:
        self._clients = clients
        self._arrived = arrived
        self.start_ms = self.now_ms

    @property
    def now_ms(self) -> int:
        """Now."""
        return time.time_ns() // 1_000_000

    async def settle(self) -> None:
        await self._clients.barrier()

    async def wait(self, until_ms: int) -> None:
        left_s = (until_ms - self.now_ms) / 1000
        self._arrived.clear()
        try:
            async with asyncio.timeout(max(0.0, min(left_s, LOOK_EVERY_S))):
                await self._arrived.wait()
        except TimeoutError:
            return


async def quiet() -> None:
    """Let our own event loop do all that it can."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, IdleLoop):
        await loop.idle()
        return
    for _ in range(_PASSES):
        await asyncio.sleep(0)
