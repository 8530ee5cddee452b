"""Keeps the project's Vite running: waits for the first one, puts a new one in its place when its configuration has changed, starts
another when it ends.

A new process is started beside the old one, which answers until the new one does. One that does not start is told, and the old one
stays; without an old one the next request tries again, at most once in RETRY_S.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.config import LogLevel
from emulator.errors import EmuError, UserCodeError
from emulator.gateway.console import Console, Note, Trouble
from emulator.gateway.front.process import Facts, FrontProcess, SpawnFront, status_words
from emulator.gateway.journal import Journal

if TYPE_CHECKING:
    from emulator.gateway.front.vite import Vite

RETRY_S = 1.0
STEADY_S = 3.0
"""A process that served for so long is started again at once when it ends."""
NEXT = "save a fix; the next request tries again"
KEPT = "the front end goes on with the configuration of before"


@dataclass(frozen=True, slots=True)
class Serving:
    """A Vite that answers."""

    process: FrontProcess
    facts: Facts
    vite: Vite
    since_s: float


class Front:
    """`serving` gives the Vite to ask. `on_swap` is called when another one serves than before, or none."""

    def __init__(self, first: FrontProcess, spawn: SpawnFront, console: Console, journal: Journal, *, on_swap: Callable[[], None]) -> None:
        self._spawn = spawn
        self._console = console
        self._journal = journal
        self._on_swap = on_swap
        self._serving: Serving | None = None
        self._coming: asyncio.Task[None] | None = None
        self._next: FrontProcess | None = first
        self._stale = False
        self._failure: EmuError | None = None
        self._failed_s = 0.0
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Take the first process over. Needs a running event loop."""
        self._come(self._next)

    async def serving(self) -> Serving:
        """The Vite that answers now, waiting for one that is starting. Raises EmuError when there is none."""
        if self._serving is None:
            if self._coming is None and (self._failure is None or time.monotonic() - self._failed_s > RETRY_S):
                self._come(None)
            if self._coming is not None:
                await asyncio.shield(self._coming)
        if self._serving is None:
            raise self._failure or _not_running()
        return self._serving

    async def socket(self) -> Path:
        """Where the Vite is that answers now, or is starting. Raises EmuError when there is none: a page that asks for its Vite every
        second must not start one every second."""
        if self._serving is None and self._coming is None:
            raise self._failure or _not_running()
        return (await self.serving()).process.socket

    async def stop(self) -> None:
        """End every process."""
        self._stopping = True
        if self._coming is not None:
            self._coming.cancel()
        serving, self._serving = self._serving, None
        if serving is not None:
            await self._retire(serving)
        self.kill()

    def kill(self) -> None:
        """End every process now."""
        self._stopping = True
        for process in (self._serving.process if self._serving else None, self._next):
            if process is not None:
                process.kill()

    # -- one after the other

    def _come(self, process: FrontProcess | None) -> None:
        if not self._stopping:
            self._coming = asyncio.get_running_loop().create_task(self._bring_up(process))

    async def _bring_up(self, process: FrontProcess | None) -> None:
        """Start one and put it in the place of the one that serves. Never raises: what went wrong is told, and kept for requests."""
        self._stale = False
        began = time.monotonic()
        try:
            self._next = process = process or self._spawn()
            facts = await process.ready(self)
        except EmuError as error:
            self._fail(error)
        else:
            self._take(process, facts, round((time.monotonic() - began) * 1000))
        finally:
            self._next = None
            self._coming = None
        if self._stale:
            self._come(None)

    def _take(self, process: FrontProcess, facts: Facts, ms: int) -> None:
        old = self._serving
        # Late: importing aiohttp takes as long as starting everything else.
        from emulator.gateway.front.vite import Vite

        self._serving = Serving(process, facts, Vite(process.socket), time.monotonic())
        self._failure = None
        self._journal.add("front.ready", vite=facts.version, ms=ms)
        without = ", without the Cloudflare plugin" if facts.left_out else ""
        self._console.show(Note("front", f"vite {facts.version} serves the front end{without}"))
        self._on_swap()
        if old is not None:
            self._later(self._retire(old))

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _retire(self, old: Serving) -> None:
        await old.vite.close()
        await old.process.end()

    def _fail(self, error: EmuError) -> None:
        # Requests that try again must not fill the terminal.
        again = self._serving is None and self._failure is not None and self._failure.what == error.what
        self._failure, self._failed_s = error, time.monotonic()
        self._journal.add("front.failed", code=error.code, text=error.what)
        if not again:
            self._console.show(Trouble(error, KEPT if self._serving is not None else NEXT))

    # -- what a process says (process.FrontListener)

    def on_line(self, level: LogLevel, text: str) -> None:
        self._journal.add("front.log", level=level.value, text=text)
        self._console.show(Note("front", "\n".join(f"vite  {line}" for line in text.splitlines()), level=level))

    def on_stale(self, process: FrontProcess) -> None:
        if self._coming is not None:
            self._stale = True
        else:
            self._come(None)

    def on_end(self, process: FrontProcess) -> None:
        serving = self._serving
        if serving is None or process is not serving.process:
            return
        self._serving = None
        self._on_swap()
        process.kill()  # what it has left running
        status = process.ended.result() if process.ended is not None else 0
        self._failure = UserCodeError("E432", f"the project's Vite ended with {status_words(status)}", hint=NEXT)
        self._failed_s = time.monotonic()
        steady = time.monotonic() - serving.since_s > STEADY_S
        self._journal.add("front.ended", status=status)
        self._console.show(Trouble(self._failure, "it is started again" if steady else None))
        self._later(serving.vite.close())
        if steady and self._coming is None:
            self._come(None)


def _not_running() -> UserCodeError:
    return UserCodeError("E432", "the project's Vite is not running", hint=NEXT)
