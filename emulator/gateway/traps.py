"""Exact interruptions (wire/README.md, *Turns and points*): the host tells of each boundary that it passes, and at the one with the trap's
number it has stopped itself before anything else could run. Then the fault is done to it, and it goes on, unless the fault was its end.

Points are counted here, from 1, since somebody asked for them, across all hosts there are meanwhile: the count of each host begins anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from emulator.errors import EmuError, UserCodeError
from emulator.gateway.clocks import Work
from emulator.gateway.dispatcher import NoHost, Overloaded
from emulator.gateway.drops import Drop, Mode
from emulator.gateway.host_process import HostProcess
from emulator.gateway.journal import Journal
from emulator.gateway.sockets import SocketBook
from emulator.wire.exchange import LinkLost, RemoteError

STOPS_WITHIN_S = 5.0
"""A host that has told of its trap stops at once; it has other bytes to hand over first, if somebody is slow to read them."""
QUIET_WITHIN_S = 5.0
"""For a host to answer a ping before its points are counted anew."""
GONE_WITHIN_S = 1.0
"""For the connections of clients to be over."""


class Fault(StrEnum):
    """What is done at a trap."""

    CRASH = "crash"
    """The host process is killed."""
    DROP = "drop"
    """The clients of the point's object are cut off by TCP resets."""
    DEPLOY = "deploy"
    """New code, as production brings it: all clients cut off, the turn ends here with the platform's words."""
    EVICT = "evict"
    """The point's object is evicted as soon as it is quiet; its sockets hibernate."""


@dataclass(frozen=True, slots=True)
class Point:
    """A boundary; the fields of the frame POINT. A point of the Worker's has no object."""

    n: int
    what: str
    class_name: str
    id: str
    name: str
    label: str

    @classmethod
    def read(cls, n: int, rest: bytes) -> Point:
        """`rest` are the lines behind the number."""
        what, class_name, ident, name, _generation, label = (rest.decode("utf-8", "replace").split("\n", 5) + [""] * 6)[:6]
        return cls(n, what, class_name, ident, name, label)

    def fields(self) -> dict[str, Any]:
        """For people and the journal."""
        about = {"object": {"class": self.class_name, "id": self.id, "name": self.name or None}} if self.class_name else {}
        return {"n": self.n, "what": self.what, "label": self.label, **about}


@dataclass(frozen=True, slots=True)
class Faults:
    """Who does what a trap is for: ends this process as a crash would; brings new code in place of what is stopped, and gives
    the error object when it does not load; evicts the object of a
    class with an id as soon as it is quiet."""

    kill: Callable[[HostProcess], None]
    deploy: Callable[[], Awaitable[dict[str, Any] | None]]
    evict: Callable[[str, str], Awaitable[dict[str, Any]]]


@dataclass(slots=True)
class _Trap:
    at: int
    fault: Fault
    fired: Point | None = None
    effect: dict[str, Any] | None = None
    problem: str | None = None


@dataclass(slots=True)
class Traps:
    """One trap at a time. `serving` gives the host that serves."""

    serving: Callable[[], HostProcess | None]
    book: SocketBook
    faults: Faults
    journal: Journal
    work: Work
    on: bool = False
    count: int = 0
    _trap: _Trap | None = None
    _base: int = 0
    """Points of the hosts before the one that counts now."""
    _told: dict[HostProcess, int] = field(default_factory=dict)
    """The number, in its own count, at which a host stops itself."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    # -- what is asked

    async def points(self, on: bool) -> dict[str, Any]:
        """Count points from now on, from 1, or no longer. A trap that has not fired is taken away. Raises UserCodeError E271 when the host
        does not answer."""
        return await self._begin(on, None)

    async def arm(self, at: int, fault: Fault) -> dict[str, Any]:
        """Count points from now on, from 1, and do `fault` at the one with the number `at`. Raises UserCodeError E271."""
        return await self._begin(True, _Trap(at, fault))

    async def disarm(self) -> dict[str, Any]:
        """Take the trap away; points are counted no longer. Raises UserCodeError E271."""
        before = self.status()
        await self._begin(False, None)
        return before

    def status(self) -> dict[str, Any]:
        """`{on, count, at, fault, fired, effect, problem}`: how many points there were, the trap, the point it fired at and what came of
        it, and what went wrong. A trap that has not fired has `fired` null."""
        trap = self._trap
        if trap is None:
            return {"on": self.on, "count": self.count, "at": None, "fault": None, "fired": None, "effect": None, "problem": None}
        fired = trap.fired.fields() if trap.fired is not None else None
        return {
            "on": self.on,
            "count": self.count,
            "at": trap.at,
            "fault": trap.fault.value,
            "fired": fired,
            "effect": trap.effect,
            "problem": trap.problem,
        }

    def restart(self) -> None:
        """As at the server's start; there is no host now."""
        self.on, self.count, self._base, self._trap = False, 0, 0, None
        self._told.clear()

    async def close(self) -> None:
        """Nothing is done any more; a host that is stopped goes on to its end."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    # -- hosts

    def greet(self, host: HostProcess) -> None:
        """A host is about to serve: it goes on with the count."""
        self._told = {known: told for known, told in self._told.items() if not known.killed}
        if self.on:
            self._base = self.count
            self._tell(host)

    def on_point(self, host: HostProcess, payload: bytes) -> None:
        """A host has passed a point."""
        number, _, rest = payload.partition(b"\n")
        own = int(number)
        stopped = self._told.get(host) == own
        if self.on:
            self.count = self._base + own
            self.journal.point(b"%d\n%b" % (self.count, rest))
        if not stopped:
            return
        del self._told[host]
        trap = self._trap
        if trap is None or not self.on or trap.at != self.count:
            trap = None  # taken away while the host ran into it
        else:
            trap.fired = Point.read(self.count, rest)
            if trap.fault is Fault.CRASH:
                trap.effect = {"killed": host.pid}
                self._tell_of(trap)
                self.faults.kill(host)
                return
        # From here on: nobody else who has it stopped, and lets it go, ends the trap.
        host.hold()
        task = asyncio.get_running_loop().create_task(self._spring(host, trap))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _begin(self, on: bool, trap: _Trap | None) -> dict[str, Any]:
        async with self._asking:
            host = self.serving()
            if self.on and host is not None and host.link is not None:
                # What is on its way belongs to the count before.
                host.points(False, None)
                if not await host.link.ping(QUIET_WITHIN_S) and host is self.serving():
                    hint = f"POST hosts/{host.kind}/restart starts it anew"
                    raise UserCodeError(
                        "E271", "the host does not answer, so its points cannot be counted", where=host.blocked_at, hint=hint
                    )
                host = self.serving()
            missed, self._trap = self._trap, trap
            if missed is not None and missed.fired is None:
                self.journal.add("trap.missed", at=missed.at, fault=missed.fault.value, count=self.count)
            self.on, self.count, self._base = on, 0, 0
            if host is not None:
                self._tell(host)
            return self.status()

    def _tell(self, host: HostProcess) -> None:
        """Start a host's count, with the trap when it is still ahead."""
        trap = self._trap
        number = trap.at - self._base if trap is not None and trap.fired is None and trap.at > self._base else None
        if number is not None:
            self._told[host] = number
        host.points(self.on, number)

    # -- at the trap

    async def _spring(self, host: HostProcess, trap: _Trap | None) -> None:
        """The host has stopped, or is about to; a trap of None was taken away meanwhile."""
        try:
            with self.work("a trap"):
                stopped = await host.stopped(STOPS_WITHIN_S)
                try:
                    if stopped and trap is not None:
                        await self._do(host, trap)
                finally:
                    host.go_on()
            if trap is not None and not stopped:
                trap.problem = "the host did not stop at its trap, or has ended"
            elif trap is not None and trap.fault is Fault.EVICT and trap.fired is not None and trap.fired.class_name:
                # Only now, and as nobody's work: the object may be busy until time has moved.
                trap.effect = await self.faults.evict(trap.fired.class_name, trap.fired.id)
        except (EmuError, LinkLost, NoHost, Overloaded, RemoteError) as error:
            if trap is not None:
                trap.problem = str(error)
        if trap is not None:
            self._tell_of(trap)

    async def _do(self, host: HostProcess, trap: _Trap) -> None:
        """What has to be done while the host stands still."""
        point = trap.fired
        assert point is not None
        if trap.fault is Fault.DEPLOY:
            error = await self.faults.deploy()
            trap.effect = {"deployed": error is None}
            if error is not None:
                trap.problem = f"the code does not load: {error.get('name', 'Error')}: {error.get('message', '')}"
        elif not point.class_name:
            trap.effect = {"nothing": "this is no point of an object"}
        elif trap.fault is Fault.DROP:
            trap.effect = {"dropped": await self._drop(host, point)}

    async def _drop(self, host: HostProcess, point: Point) -> list[int]:
        """Cut the object's clients off. The host hears of it when it goes on, not before."""
        key = point.class_name, point.id
        sockets = [socket for socket in self.book.of(*key) if socket.transport is not None]
        for socket in sockets:
            self.book.drops.arm(socket, key, Drop(Mode.RESET))
        with suppress(TimeoutError):
            async with asyncio.timeout(GONE_WITHIN_S):
                while not all(socket.ended for socket in sockets):
                    await asyncio.sleep(0)
        if host.link is not None:
            host.link.flush()
        return [socket.id for socket in sockets]

    def _tell_of(self, trap: _Trap) -> None:
        point = trap.fired
        fields = point.fields() if point is not None else {}
        self.journal.add("trap", at=trap.at, fault=trap.fault.value, point=fields, effect=trap.effect, problem=trap.problem)
