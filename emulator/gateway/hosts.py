"""The supervisor: which host process serves, and how the next one takes over.

A loop over commands, one at a time, so that no two of them ever meet: start, reload, recover from a crash, restart. A spare process
that has the SDKs imported already stands by, so that a reload only has to load the user's modules. The host before has always ended
before the next is started: an object never has two live instances.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from emulator.errors import EmuError, StartError
from emulator.gateway import crash
from emulator.gateway.dispatcher import CODE_UPDATED, PROCESS_ENDED, Dispatcher
from emulator.gateway.host_process import HostCommand, HostListener, HostProcess, LoadFailed, Ready, RuntimeDir
from emulator.gateway.journal import Journal
from emulator.gateway.sockets import SocketBook

SPARE_DELAY_S = 0.4
"""A spare is spawned when the first requests after a start have had the processor to themselves."""
PING_EVERY_S = 5.0
PING_WITHIN_S = 60.0
"""Longer than the platform's 30 s of CPU time for one event: a host that is silent for so long is stuck."""
STABLE_S = 10.0
MAX_BACKOFF_S = 5.0
LAST_WORDS = 20
"""Lines of its output that a crash is told with."""
BURY_WITHIN_S = 5.0
"""For the kernel to end a killed process: one that waits for a dead disk may take for ever."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """How a reload or restart went. `error` is the error object when the code did not load and the old host goes on (`kept`)."""

    ms: int
    sockets: int
    reset: int | None
    error: dict[str, Any] | None = None
    kept: bool = False


class Hosts:
    """Owns the host processes of one kind. `project` gives the LOAD message's project as it is now."""

    def __init__(
        self,
        command: HostCommand,
        runtime: RuntimeDir,
        project: Callable[[], dict[str, Any]],
        *,
        dispatcher: Dispatcher,
        book: SocketBook,
        listener: HostListener,
        journal: Journal,
        stamp: Callable[[], int],
        on_host_ended: Callable[[], None],
        on_warning: Callable[[str], None],
        on_loaded: Callable[[list[str] | None, str | None], None],
        reach: Callable[[], str],
        on_serving: Callable[[HostProcess], None],
        crash_keeps_sockets: bool,
        after_crash: Callable[[float], Awaitable[None]],
        first: HostProcess | None = None,
    ) -> None:
        """`stamp` gives the time in the head of each frame to a host. `first` is a process that was spawned before there was an event loop.
        `on_host_ended`: no instance of any object is left.
        `on_warning`: a host has loaded the code and has something to say about its environment; each says it again. `on_loaded`: the files
        that the serving code was built from; None when they are not known, or the code as it is now does not load because of a place.
        `reach`: how far sockets of user code may go (reach.py). `on_serving`: a host is about to open objects.
        `crash_keeps_sockets`: clients do not notice one; without it they connect again, as in production. `after_crash`: what a host that
        crashed, or was ended by force, has said is not all that it has done since that moment (on time.time()); over before another may
        open objects."""
        self.command = command
        self._runtime = runtime
        self._project = project
        self._dispatcher = dispatcher
        self._book = book
        self._listener = listener
        self._journal = journal
        self._stamp = stamp
        self._on_host_ended = on_host_ended
        self._on_warning = on_warning
        self._on_loaded = on_loaded
        self._reach = reach
        self._on_serving = on_serving
        self._crash_keeps_sockets = crash_keeps_sockets
        self._after_crash = after_crash
        self._crashing: dict[HostProcess, bool] = {}
        self._first = first
        self.active: HostProcess | None = None
        self._spare: HostProcess | None = None
        self._spare_task: asyncio.Task[None] | None = None
        self._replacing: HostProcess | None = None
        self._dying: set[HostProcess] = set()
        self._known: set[HostProcess] = {first} if first else set()
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._watchdog: asyncio.Task[None] | None = None
        self._modules: list[str] = []
        self._quick_deaths = 0
        self._served_since = 0.0
        self._began_s = 0.0
        self._crashed_since_s: float | None = None
        self._stopping = False

    # -- commands

    async def begin(self, before_start: Awaitable[None] | None = None) -> Reloaded:
        """Bring the first host up. `before_start` must be over before it may open objects."""
        async with self._lock:
            return await self._replace(keep_sockets=True, before_start=before_start)

    async def reload(self, *, keep_sockets: bool = True) -> Reloaded:
        """Load the code as it is now beside the serving host, then swap. When it does not load, the old host goes on serving."""
        async with self._lock:
            return await self._replace(keep_sockets=keep_sockets)

    async def restart(self) -> Reloaded:
        """A new process with the same code."""
        return await self.reload()

    async def deploy(self) -> Reloaded:
        """The code as it is now, as a deploy brings it (durable-objects.md 1.5, S-92): clients are cut off without a Close frame, and turns
        end at once with the platform's words. When it does not load, nothing happens."""
        async with self._lock:
            return await self._replace(keep_sockets=False, breaking=True)

    async def begin_anew(self, message: str, between: Callable[[], Awaitable[None]] | None = None) -> Reloaded:
        """End the serving host where it stands, stopped or not, cut its clients off, and tell who waits for it `message`. `between` runs
        while there is no host; then the code as it is now is loaded."""
        async with self._lock:
            began = _machine_ms()
            host, self.active = self.active, None
            self._dispatcher.pause()
            self._ended(False)
            if host is not None:
                self._dying.add(host)
                if host.link is not None:
                    host.link.farewell = message
                    host.link.cut()
            for dead in list(self._dying):
                await self._bury(dead)
            if between is not None:
                try:
                    await between()
                except Exception as error:
                    self._nobody_comes(error)
                    raise
            # Whoever begins anew will do so again.
            outcome = await self._replace(keep_sockets=False, spare_delay_s=0)
        return replace(outcome, ms=_machine_ms() - began)

    async def exchange(self, between: Callable[[], Awaitable[None]], *, breaking: bool) -> Reloaded:
        """As a reload, or, with `breaking`, as a deploy; and `between`, which must not raise, runs while no host has a file of an object
        open. It does not run when the code does not load while an older host goes on serving (`kept`)."""
        async with self._lock:
            return await self._replace(keep_sockets=not breaking, breaking=breaking, between=between)

    @asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        """Meanwhile no user code runs, and no host comes or goes. What objects have committed is on disk; nobody but they themselves could
        notice."""
        async with self._lock:
            host = self.active
            try:
                if host is not None:
                    await host.halt()
                yield
            finally:
                if host is not None:
                    host.go_on()

    def crash(self, *, keep_sockets: bool | None = None) -> int | None:
        """Kill the serving host as a crash would; gives its pid. `keep_sockets`: of this crash alone, not as all others."""
        host = self.active
        if host is None:
            return None
        self.kill(host, keep_sockets=keep_sockets)
        return host.pid

    def kill(self, host: HostProcess, *, keep_sockets: bool | None = None) -> None:
        """End this one as a crash would."""
        if keep_sockets is not None:
            self._crashing[host] = keep_sockets
        host.kill()
        if host.link is not None:
            # A process takes its time to end: what clients send from now on must not go to it.
            host.link.cut()

    async def stop(self, message: str, grace_s: float) -> None:
        """End all hosts: the serving one may finish its turns within the grace."""
        self._stopping = True
        for task in (self._watchdog, self._spare_task, *self._tasks):
            if task is not None:
                task.cancel()
        self._dispatcher.pause()
        active, self.active = self.active, None
        if active is not None:
            if active.link is not None:
                active.link.farewell = message
            await active.drain(message, grace_s)
            self._known.discard(active)
        await asyncio.gather(*(host.end() for host in list(self._known)))
        self._known.clear()

    def network_changed(self) -> None:
        """Another mode: tell every host how far its sockets may go now."""
        for host in self._known:
            host.network(self._reach())

    def kill_all(self) -> None:
        """No waiting any more."""
        for host in list(self._known):
            host.kill()

    # -- the swap

    async def _replace(
        self,
        *,
        keep_sockets: bool,
        breaking: bool = False,
        before_start: Awaitable[None] | None = None,
        between: Callable[[], Awaitable[None]] | None = None,
        spare_delay_s: float = SPARE_DELAY_S,
    ) -> Reloaded:
        """`breaking`: the turns of the old host get no time to end, and its clients hear nothing of how they do. `between`: `exchange`."""
        began = _machine_ms()
        preparing = asyncio.ensure_future(before_start) if before_start is not None else None
        try:
            loaded = await self._load_fresh()
            if preparing is not None:
                await preparing
            if isinstance(loaded, dict):
                if between is not None and self.active is None:
                    await self._retire(CODE_UPDATED, breaking=breaking)
                    await between()
                return self._load_failed(began, loaded)
            reset = await self._retire(CODE_UPDATED, breaking=breaking)
            if self._stopping:
                self._discard(loaded[0])
                return self._load_failed(began, _error_object(_stopped()))
            if between is not None:
                await between()
            sockets = self._ended(keep_sockets)
            self._serve(*loaded, spare_delay_s)
        except Exception as error:
            if self.active is None:
                self._nobody_comes(error)
            raise
        return Reloaded(_machine_ms() - began, sockets, reset)

    def _nobody_comes(self, error: Exception) -> None:
        """Nobody may wait for a host that will not come."""
        self._dispatcher.fail({"name": type(error).__name__, "message": str(error), "code": "E900"})

    async def _load_fresh(self) -> tuple[HostProcess, Ready] | dict[str, Any]:
        """A process that has loaded the code as it is now, or the error object that says why there is none."""
        try:
            fresh = await self._fresh()
        except EmuError as error:
            return _error_object(error)
        try:
            # First of all: user code may open sockets while it is imported.
            fresh.network(self._reach())
            return fresh, await fresh.load(self._project())
        except LoadFailed as error:
            if error.again:
                self._spare = fresh
            else:
                self._discard(fresh)
            return error.error
        except EmuError as error:
            self._discard(fresh)
            return _error_object(error)

    async def _retire(self, message: str, *, breaking: bool) -> int | None:
        old = self._replacing = self.active
        self._dispatcher.pause()
        if breaking:
            self._book.host_ended(keep=False)
        if old is None:
            for dead in list(self._dying):
                await self._bury(dead)
            since_s, self._crashed_since_s = self._crashed_since_s, None
            if since_s is not None:
                await self._after_crash(since_s)
            return None
        if old.link is not None:
            old.link.farewell = message
        self._journal.add("host.draining", host=old.kind, pid=old.pid)
        reset = await (old.drain(message, 0) if breaking else old.drain(message))
        if reset is None:
            # It was ended by force, and may have committed what it could not tell us of.
            await self._after_crash(self._began_s)
        self.active = None
        self._known.discard(old)
        self._replacing = None
        return reset

    def _ended(self, keep_sockets: bool) -> int:
        self._on_host_ended()
        return self._book.host_ended(keep=keep_sockets)

    def _serve(self, host: HostProcess, ready: Ready, spare_delay_s: float) -> None:
        assert host.link is not None
        self.active = host
        if host.link.lost:
            # It died while the one before it drained, and nobody was told, for it did not serve yet.
            self._served_since = asyncio.get_running_loop().time()
            self._lost(host)
            return
        self._modules = ready.modules
        self._began_s = time.time()
        self._served_since = asyncio.get_running_loop().time()
        self._on_serving(host)
        host.start(self._book.handover())
        self._dispatcher.resume(host.link)
        self._journal.add("host.serving", host=host.kind, pid=host.pid, runtime=host.runtime)
        if self._watchdog is None or self._watchdog.done():
            self._watchdog = self._spawn(self._watch())
        for warning in ready.warnings:
            self._on_warning(warning)
        self._on_loaded(ready.inputs, None)
        self._want_spare(spare_delay_s)

    def _load_failed(self, began: int, error: dict[str, Any]) -> Reloaded:
        kept = self.active is not None
        self._on_loaded(None, error.get("where"))
        if not kept:
            self._dispatcher.fail(error)
        self._want_spare()
        return Reloaded(_machine_ms() - began, 0, None, error, kept)

    # -- processes

    async def _fresh(self) -> HostProcess:
        """A connected process that has loaded nothing of the user's: the first, the spare, or a new one."""
        if self._spare_task is not None:
            # How it ended is journaled (_finished); without a spare, a new process is the way.
            await asyncio.wait({self._spare_task})
            self._spare_task = None
        host, self._spare = self._spare, None
        if host is not None and host.link is not None and not host.link.lost:
            return host
        host, self._first = self._first or self._new(), None
        await self._connect(host)
        return host

    def _new(self) -> HostProcess:
        if self._stopping:
            raise _stopped()
        host = HostProcess(self.command, self._runtime)
        self._known.add(host)
        return host

    async def _connect(self, host: HostProcess) -> None:
        try:
            await host.connect(self._listener, self._lost, clock=self._stamp, taken=self._book.sockets)
        except BaseException:
            self._discard(host)
            raise
        if host.link is not None:
            host.link.farewell = PROCESS_ENDED

    def _want_spare(self, delay_s: float = SPARE_DELAY_S) -> None:
        if self._spare is None and self._spare_task is None and not self._stopping:
            self._spare_task = self._spawn(self._make_spare(delay_s))

    async def _make_spare(self, delay_s: float) -> None:
        try:
            await asyncio.sleep(delay_s)
            host = self._new()
            await self._connect(host)
            host.preload(self._modules)
            self._spare = host
        finally:
            self._spare_task = None

    def _discard(self, host: HostProcess) -> None:
        host.kill()
        self._known.discard(host)

    def _spawn(self, work: Any) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._journal.add("internal", text=f"supervisor: {error}")

    # -- death

    def _lost(self, host: HostProcess) -> None:
        if host is self._spare:
            self._spare = None
            self._discard(host)
        if host is not self.active or host is self._replacing or self._stopping:
            return
        self.active = None
        self._dying.add(host)
        self._dispatcher.pause()
        self._crashed_since_s = self._began_s if self._crashed_since_s is None else self._crashed_since_s
        kept = self._ended(self._crashing.pop(host, self._crash_keeps_sockets))
        self._spawn(self._recover(host, kept, killed=host.killed))

    async def _bury(self, dead: HostProcess) -> int:
        """Make sure that a host that is lost has ended before another starts; gives its exit status."""
        dead.kill()
        assert dead.ended is not None
        done, _ = await asyncio.wait({dead.ended}, timeout=BURY_WITHIN_S)
        if dead in self._dying:
            self._dying.discard(dead)
            self._known.discard(dead)
            if not done:
                self._journal.add("internal", text=f"the host process {dead.pid} does not end, though it was killed")
        return dead.ended.result() if done else -signal.SIGKILL

    async def _recover(self, dead: HostProcess, kept: int, *, killed: bool) -> None:
        status = await self._bury(dead)
        if not killed:
            lived_s = asyncio.get_running_loop().time() - self._served_since
            self._quick_deaths = self._quick_deaths + 1 if lived_s < STABLE_S else 0
        cause = crash.cause_of(status, dead.last_lines, killed=killed)
        lines = crash.last_words(dead.last_lines, LAST_WORDS)
        self._journal.add("host.crashed", host=dead.kind, pid=dead.pid, status=status, cause=cause, sockets=kept, lines=lines)
        # Code that ends its process again and again is not to keep the machine busy; a crash on purpose says nothing of the code.
        if not killed and self._quick_deaths > 1:
            await asyncio.sleep(min(0.1 * 2**self._quick_deaths, MAX_BACKOFF_S))
        async with self._lock:
            if self.active is not None:
                return  # a reload has brought a new one meanwhile
            outcome = await self._replace(keep_sockets=True)
        if outcome.error is None:
            self._journal.add("host.recovered", ms=outcome.ms, sockets=kept)
        else:
            self._journal.add("load.failed", error=outcome.error, kept=False)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(PING_EVERY_S)
            host = self.active
            if host is None or host.link is None or host is self._replacing or host.debugged:
                continue
            answers = await host.link.ping(PING_WITHIN_S)
            if not answers and host is self.active and host is not self._replacing and not host.debugged:
                self._journal.add("host.stuck", host=host.kind, pid=host.pid, bound_s=PING_WITHIN_S, where=host.blocked_at)
                host.kill()


def _machine_ms() -> int:
    """How long a swap takes is the machine's time, whatever the platform's clock is."""
    return time.monotonic_ns() // 1_000_000


def _stopped() -> StartError:
    return StartError("E343", "the server is shutting down")


def _error_object(error: EmuError) -> dict[str, Any]:
    return {"name": type(error).__name__, "message": error.what, "code": error.code, "hint": error.hint}
