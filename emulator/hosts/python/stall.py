"""Names the user's line that blocks the event loop (python-workers-surface.md 10.2).

A thread compares a heartbeat of the loop with the clock. While the loop stands still it looks at the loop's stack and reports the innermost
frame of user code, once per stall; when the loop moves again it reports how long it took. Not while a debugger holds the process.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

from emulator.hosts.python.surface.frames import OURS

if TYPE_CHECKING:
    from emulator.hosts.python.host import Host

BEAT_S = 0.05
STALL_S = 0.5


class StallWatch:
    """One per host. `start` and `stop` on the loop's thread."""

    def __init__(self, host: Host, loop: asyncio.AbstractEventLoop) -> None:
        self._host = host
        self._loop = loop
        self._loop_thread = threading.get_ident()
        self._last_beat = monotonic()
        self._stopped = threading.Event()
        self._beat_timer: asyncio.TimerHandle | None = None
        self._debugged = False
        self._thread = threading.Thread(target=self._watch, name="stall watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._beat()
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._stopped.set()
        if self._beat_timer is not None:
            self._beat_timer.cancel()

    def resumed(self) -> None:
        """The process was stopped and goes on: nobody's code held it up."""
        self._last_beat = monotonic()

    def _beat(self) -> None:
        self._last_beat = monotonic()
        if (debugged := _debugged()) is not self._debugged:
            self._debugged = debugged
            self._host.link.note("debugger", attached=debugged)
        self._beat_timer = self._loop.call_later(BEAT_S, self._beat, context=contextvars.Context())

    def _watch(self) -> None:
        while not self._stopped.wait(STALL_S / 2):
            beat = self._last_beat
            if monotonic() - beat < STALL_S or _debugged():
                continue
            where = self._user_frame()
            if where is None:
                continue
            # The link belongs to the loop, which stands still; standard error reaches the gateway at once.
            os.write(2, f"agents-emu: user code blocks the event loop: {where}\n".encode())
            while self._last_beat == beat and not self._stopped.wait(BEAT_S):
                pass
            self._report(where, beat)

    def _user_frame(self) -> str | None:
        frame: Any = sys._current_frames().get(self._loop_thread)
        while frame is not None:
            name = frame.f_code.co_filename
            if not name.startswith((OURS, sys.base_prefix, sys.prefix, "<frozen")):
                return f"{name}:{frame.f_lineno}"
            frame = frame.f_back
        return None

    def _report(self, where: str, since: float) -> None:
        ms = round((monotonic() - since) * 1000)
        self._loop.call_soon_threadsafe(lambda: self._host.link.note("stall", where=where, ms=ms))


def _debugged() -> bool:
    """A debugger stops the loop on purpose."""
    return sys.gettrace() is not None or sys.monitoring.get_tool(sys.monitoring.DEBUGGER_ID) is not None
