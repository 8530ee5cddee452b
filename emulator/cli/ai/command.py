"""A program that the user named, run to its end: in a process group of its own, with the terminal in its hands, and never left behind.

The group is what makes the end certain: whatever the program started and did not wait for ends with it. A group of its own is not the
terminal's foreground group, so it is made that: Ctrl-C reaches the program as if it had been started by the shell, and Ctrl-Z stops it
and us together.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from emulator.errors import UsageError

ENDS_WITHIN_S = 5.0
"""After a signal the program may clean up for this long."""
LEFTOVERS_WITHIN_S = 1.0
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WANTS_TERMINAL = (signal.SIGTTIN, signal.SIGTTOU)


@dataclass(frozen=True, slots=True)
class Ended:
    """`code` is the program's exit code, negative for the signal that killed it; `interrupted` the signal that ended us both, if any."""

    code: int
    interrupted: int | None = None

    @property
    def words(self) -> str:
        """How it ended, for people."""
        if self.code < 0:
            return f"was killed by {signal.Signals(-self.code).name}"
        return f"ended with exit code {self.code}"


class Interrupted(Exception):
    """A signal ended us while no command was running."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Signals:
    """Takes SIGINT, SIGTERM and SIGHUP while it is entered: they go to `receiver` when there is one, else they cancel the current task,
    which then ends in Interrupted when it has cleaned up."""

    def __init__(self) -> None:
        self.receiver: Callable[[signal.Signals], None] | None = None
        self._received: int | None = None

    def __enter__(self) -> Signals:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        for number in _FORWARDED:
            self._loop.add_signal_handler(number, self._receive, number)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for number in _FORWARDED:
            self._loop.remove_signal_handler(number)
        if kind is asyncio.CancelledError and self._received is not None:
            raise Interrupted(self._received)

    def _receive(self, number: signal.Signals) -> None:
        if self.receiver is not None:
            self.receiver(number)
        elif self._received is None and self._task is not None:
            self._received = number
            self._task.cancel()


async def run_command(command: Sequence[str], environ: Mapping[str, str], signals: Signals, *, output: IO[bytes] | None = None) -> Ended:
    """Run it to its end; `output` takes its standard output in place of ours. Raises UsageError E210 when it cannot be started."""
    watch = _Watch(_start(command, environ, output))
    signals.receiver = watch.forward
    try:
        return await watch.ended()
    finally:
        signals.receiver = None


def _start(command: Sequence[str], environ: Mapping[str, str], output: IO[bytes] | None) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, env=dict(environ), process_group=0, stdout=output)
    except OSError as error:
        hint = "is it installed, and spelled as in the shell?" if isinstance(error, FileNotFoundError) else None
        raise UsageError("E210", f"the command cannot be started: {error.strerror}", where=command[0], hint=hint) from None


class _Watch:
    """One running program."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._group = process.pid
        self._loop = asyncio.get_running_loop()
        self._exit: asyncio.Future[int] = self._loop.create_future()
        self._interrupted: signal.Signals | None = None
        self._terminal = _foreground()

    async def ended(self) -> Ended:
        """Wait for the end of it, and of all it started."""
        self._give_terminal(self._group)
        # A thread, because only waitpid tells that a program was stopped, and it tells nobody but who waits.
        threading.Thread(target=self._wait, daemon=True).start()
        try:
            code = await self._exit
        finally:
            await self._end_group()
            self._give_terminal(os.getpgrp())
        return Ended(code, self._interrupted or (signal.SIGINT if code in (-signal.SIGINT, 128 + signal.SIGINT) else None))

    def _wait(self) -> None:
        while True:
            _, status = os.waitpid(self._process.pid, os.WUNTRACED)
            if not os.WIFSTOPPED(status):
                break
            self._loop.call_soon_threadsafe(self._stopped, os.WSTOPSIG(status))
        code = self._process.returncode = os.waitstatus_to_exitcode(status)
        self._loop.call_soon_threadsafe(self._exit.set_result, code)

    def _stopped(self, number: int) -> None:
        """It was stopped: we stop too, so that the shell sees the job stopped, and go on together."""
        if number not in _WANTS_TERMINAL:  # it asked for the terminal before it had it
            self._give_terminal(os.getpgrp())
            os.kill(os.getpid(), signal.SIGSTOP)
        self._give_terminal(self._group)
        self._send(signal.SIGCONT)

    def forward(self, number: signal.Signals) -> None:
        """It gets the signal that we got; when it does not end soon, it is killed."""
        if self._interrupted is not None:
            self._send(signal.SIGKILL)  # asked twice: no more patience
            return
        self._interrupted = number
        self._send(number)
        self._loop.call_later(ENDS_WITHIN_S, self._too_late)

    def _too_late(self) -> None:
        if not self._exit.done():
            self._send(signal.SIGKILL)

    async def _end_group(self) -> None:
        """What the program left running ends too."""
        if not self._exit.done():
            self._send(signal.SIGKILL)
            await self._exit
            return
        self._send(signal.SIGTERM)
        deadline = self._loop.time() + LEFTOVERS_WITHIN_S
        while self._send(0) and self._loop.time() < deadline:
            await asyncio.sleep(0.02)
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> bool:
        """Whether there was anybody to send it to."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._group, number)
            return True
        return False

    def _give_terminal(self, group: int) -> None:
        if self._terminal is None:
            return
        # Whoever is in the background is stopped for this, unless it ignores the signal.
        before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        try:
            with contextlib.suppress(OSError):  # the terminal was closed, or the group has ended
                os.tcsetpgrp(self._terminal, group)
        finally:
            signal.signal(signal.SIGTTOU, before)


def _foreground() -> int | None:
    """The terminal, when it is ours to give away."""
    try:
        descriptor = sys.stdin.fileno()
        return descriptor if os.isatty(descriptor) and os.tcgetpgrp(descriptor) == os.getpgrp() else None
    except (OSError, ValueError, AttributeError):
        return None  # standard input is closed, or no file


@contextlib.contextmanager
def output_of(as_json: bool) -> Iterator[IO[bytes] | None]:
    """Where the command's output goes: with `--json` to standard error, so that ours is one JSON object."""
    if not as_json:
        yield None
        return
    sys.stderr.flush()
    with open(sys.stderr.fileno(), "wb", closefd=False) as stream:
        yield stream
