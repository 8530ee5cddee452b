"""The server set back to its start: no objects, no alarms, every count at its beginning, the clock where it stood (design 4.7). What is
asked of it afterwards gets the same answers, byte for byte, as it would from a server that was started anew, in a fraction of the time.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.errors import EmuError, StartError, UsageError
from emulator.gateway.alarms import Alarms
from emulator.gateway.hosts import Hosts, Reloaded
from emulator.gateway.object_files import ObjectFiles

if TYPE_CHECKING:
    from emulator.clock.virtual import VirtualClock
    from emulator.gateway.timekeeper import Timekeeper

REWOUND = "The server was rewound."
"""What those are told who wait for an answer."""
_TRASH = ".agents-emu-rewound"


class Rewind:
    """`restarts` set back, in this order, all that remembers something, and arm anew what a start arms."""

    def __init__(
        self,
        state: Path,
        hosts: Hosts,
        files: ObjectFiles,
        alarms: Alarms,
        *,
        clock: VirtualClock,
        keeper: Timekeeper,
        restarts: Sequence[Callable[[], None]],
    ) -> None:
        """`state` is the persist folder, which is looked at now: what is there already was not made by this server."""
        self._trash = state / _TRASH
        self._hosts = hosts
        self._files = files
        self._alarms = alarms
        self._clock = clock
        self._keeper = keeper
        self._restarts = restarts
        self._foreign = files.any()

    async def __call__(self, *, discard: bool) -> Reloaded:
        """Rewind. Raises UsageError E270 when that would remove objects that were there before the server, unless they are to be discarded,
        and while time is being moved; StartError E326 when files cannot be removed, or what the end of a
        session of the model layer raises: then the server is at its start but for that."""
        if self._foreign and not discard:
            what = "the state folder held objects before this server started, and a rewind removes them"
            raise UsageError("E270", what, hint='start with another --persist-to, or say {"discard": true}')
        if self._keeper.moving:
            raise UsageError("E270", "time is being moved", hint="wait until it has been, or end that command")
        async with self._keeper.standing():
            failures: list[EmuError | OSError] = []

            async def between() -> None:
                await self._alarms.restart()
                # A host must serve again, whatever it finds.
                try:
                    await asyncio.to_thread(self._empty)
                except OSError as error:
                    failures.append(error)
                self._clock.restart()
                self._keeper.restart()
                for restart in self._restarts:
                    try:
                        restart()
                    except (EmuError, OSError) as error:
                        failures.append(error)

            outcome = await self._hosts.begin_anew(REWOUND, between)
        self._foreign = False
        for failure in failures:
            if isinstance(failure, EmuError):
                raise failure
            what = f"not everything could be removed: {failure.strerror or failure}"
            raise StartError("E326", what, where=failure.filename, hint="look at the permissions of the state folder, and rewind again")
        return outcome

    def _empty(self) -> None:
        """Remove every object of this Worker, and the alarm indexes beside them. A class at a time goes out of sight at once."""
        shutil.rmtree(self._trash, ignore_errors=True)
        for number, folder in enumerate(self._files.folders()):
            self._trash.mkdir(exist_ok=True)
            folder.rename(self._trash / str(number))
        self._files.forget()
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._trash)
