"""One process that runs the project's Vite: start it, hear what it says, end it. When to do what, is front.py's business."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from emulator.config import FrontEnd, LogLevel
from emulator.config.document import shown
from emulator.errors import EmuError, StartError, UserCodeError
from emulator.gateway import child_process

PROGRAM = Path(__file__).resolve().parents[2] / "front" / "main.mjs"
READY_WITHIN_S = 60.0
"""Vite reads the configuration and every plugin in it; large ones take seconds."""
END_WITHIN_S = 0.3
LAST_WORDS_S = 1.0
_KEPT_LINES = 20


class ViteLost(Exception):
    """The process went away over a request."""


@dataclass(frozen=True, slots=True)
class FrontCommand:
    """How the front end is run: `node` is the program, `port` the gateway's, `denied` are files that Vite must not serve."""

    node: Path
    front_end: FrontEnd
    port: int
    denied: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What a ready Vite says of itself. `public` is the folder of files that are served as they are, None without one; `left_out` are the
    names of plugins that do not run."""

    version: str
    root: Path
    public: Path | None
    left_out: tuple[str, ...]


class FrontListener(Protocol):
    """Who hears of a process."""

    def on_line(self, level: LogLevel, text: str) -> None:
        """Something for the terminal."""

    def on_stale(self, process: FrontProcess) -> None:
        """Its configuration has changed; it goes on with the old one."""

    def on_end(self, process: FrontProcess) -> None:
        """It has ended by itself."""


class FrontProcess:
    """A spawned process; it serves on the Unix socket `socket` once `ready` has returned."""

    def __init__(self, command: FrontCommand, socket: Path) -> None:
        """Spawn it, from the main thread; needs no event loop. Raises StartError E345."""
        self.socket = socket
        self._config = command.front_end.config
        mine, theirs = os.pipe()
        settings = {
            "config": str(command.front_end.config),
            "folder": str(command.front_end.folder),
            "socket": str(socket),
            "port": command.port,
            "denied": [path.name for path in command.denied],
            "control": theirs,
        }
        try:
            self._process = child_process.spawn(
                [str(command.node), str(PROGRAM), json.dumps(settings)],
                command.front_end.folder,
                os.environ,
                stdin=subprocess.PIPE,
                pass_fds=(theirs,),
            )
        except OSError as error:
            os.close(mine)
            what = f"the front end's process cannot be started: {error.strerror or error}"
            raise StartError("E345", what, where=str(command.node)) from error
        finally:
            os.close(theirs)
        self._control = os.fdopen(mine, "rb", buffering=0)
        self.ended: asyncio.Future[int] | None = None
        self._listener: FrontListener | None = None
        self._facts: asyncio.Future[Facts] | None = None
        self._lines: list[str] = []
        self._killed = False
        self._watching: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        """Whether it has not ended, as far as is known."""
        return self.ended is None or not self.ended.done()

    async def ready(self, listener: FrontListener) -> Facts:
        """Wait until it serves. Raises UserCodeError E431 when the project's configuration does not let it, StartError E345 when it says
        nothing in time; then it has been killed."""
        loop = asyncio.get_running_loop()
        self._listener = listener
        self._facts = loop.create_future()
        self.ended = child_process.watch(self._process)
        outputs = [
            await child_process.read_lines(self._process.stdout, self._printed),
            await child_process.read_lines(self._process.stderr, self._printed),
            await child_process.read_lines(self._control, self._said),
        ]
        self._watching = loop.create_task(self._see_it_end(self.ended, outputs))
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                return await self._facts
        except TimeoutError as error:
            what = f"the project's Vite did not start within {READY_WITHIN_S:.0f} s" + self._last_words()
            raise StartError("E345", what, where=shown(self._config)) from error
        finally:
            if not self._facts.done() or self._facts.cancelled() or self._facts.exception():
                self.kill()

    async def end(self) -> None:
        """Let it go: it ends when its standard input does. On return it is gone."""
        self._listener = None
        self._close_input()
        if self.ended is None:
            self.kill()
            return
        try:
            async with asyncio.timeout(END_WITHIN_S):
                await asyncio.shield(self.ended)
        except TimeoutError:
            self.kill()
            await asyncio.shield(self.ended)
        self.kill()

    def kill(self) -> None:
        """End it now, with all that it has started."""
        self._listener = None
        self._close_input()
        if not self._killed:
            self._killed = True
            child_process.kill_group(self._process)
            self.socket.unlink(missing_ok=True)
        if self.ended is None:
            self._control.close()
            self._process.wait()

    def _close_input(self) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    # -- what it says

    def _said(self, line: str) -> None:
        fields: dict[str, Any] = json.loads(line)
        match fields["say"]:
            case "ready":
                public = fields["publicDir"]
                self._settle(Facts(fields["vite"], Path(fields["root"]), Path(public) if public else None, tuple(fields["leftOut"])))
            case "failed":
                self._settle(self._refusal(fields))
            case "stale" if self._listener is not None:
                self._listener.on_stale(self)
            case "log":
                self._tell(LogLevel(fields["level"]), fields["text"])

    def _refusal(self, fields: dict[str, Any]) -> EmuError:
        where = shown(self._config)
        if fields.get("code") == "ERR_MODULE_NOT_FOUND" and "'vite'" in fields["message"]:
            return UserCodeError("E431", "the front end needs Vite, and the project has none installed", where=where, hint="npm install")
        return UserCodeError("E431", f"the project's Vite does not start: {fields['name']}: {fields['message']}", where=where)

    def _printed(self, line: str) -> None:
        self._tell(LogLevel.INFO, line)

    def _tell(self, level: LogLevel, text: str) -> None:
        self._lines = [*self._lines[1 - _KEPT_LINES :], text]
        if self._listener is not None and text:
            self._listener.on_line(level, text)

    async def _see_it_end(self, ended: asyncio.Future[int], outputs: list[asyncio.Future[None]]) -> None:
        status = await ended
        # What it said last may still be on its way; what it has started may hold the pipes open.
        await asyncio.wait(outputs, timeout=LAST_WORDS_S)
        if self._facts is not None and not self._facts.done():
            what = f"the project's Vite ended with {status_words(status)}" + self._last_words()
            self._settle(UserCodeError("E431", what, where=shown(self._config)))
        elif self._listener is not None:
            self._listener.on_end(self)

    def _last_words(self) -> str:
        return ":\n" + "\n".join(self._lines) if self._lines else ""

    def _settle(self, outcome: Facts | EmuError) -> None:
        if self._facts is None or self._facts.done():
            return
        if isinstance(outcome, EmuError):
            self._facts.set_exception(outcome)
        else:
            self._facts.set_result(outcome)


def status_words(status: int) -> str:
    """An exit status for people."""
    return f"signal {-status}" if status < 0 else f"exit status {status}"


SpawnFront = Callable[[], FrontProcess]
"""Starts a process with the project's configuration as it is now."""
