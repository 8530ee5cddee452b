"""A process of ours next to the gateway: in a group of its own, killed with us, its output cut into lines."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from emulator.orphans import end_with_parent

LONGEST_LINE = 65536


def spawn(
    arguments: Sequence[str],
    cwd: Path,
    environ: Mapping[str, str],
    *,
    stdin: int = subprocess.DEVNULL,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start it, with pipes for its output. Call this from the main thread: the kernel ties the child's life to the thread that forks.
    Raises OSError."""
    return subprocess.Popen(
        arguments,
        cwd=cwd,
        env=environ,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=pass_fds,
        process_group=0,  # Ctrl-C in the terminal is the gateway's to handle
        preexec_fn=end_with_parent(signal.SIGKILL),  # noqa: PLW1509 - one prctl call, which takes no lock
    )


def watch(process: subprocess.Popen[bytes]) -> asyncio.Future[int]:
    """A future of the exit status. Needs a running event loop."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def note(status: int) -> None:
        if not ended.done():
            ended.set_result(status)

    def wait() -> None:
        status = process.wait()
        # A loop that is closed already has nobody left to tell.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(note, status)

    threading.Thread(target=wait, name=f"child-{process.pid}", daemon=True).start()
    return ended


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill it and whatever it left running in its process group. Only while it has not been waited for: later its number may be
    somebody else's."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        process.kill()


def is_stopped(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has been stopped by a signal. Raises ChildProcessError when it has ended and been waited for."""
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        shown = subprocess.run(["ps", "-o", "state=", "-p", str(process.pid)], capture_output=True, check=False).stdout.strip()
        if not shown:
            raise ChildProcessError(f"there is no process {process.pid}")
        return shown.startswith(b"T")
    return os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None


def stop(process: subprocess.Popen[bytes]) -> bool:
    """Stop it, whatever it does, until it is to `go_on`; False when it has ended."""
    if process.returncode is not None:
        return False
    try:
        os.kill(process.pid, signal.SIGSTOP)
    except ProcessLookupError:
        return False
    return True


def go_on(process: subprocess.Popen[bytes]) -> None:
    """Let a stopped one run on. Its parent's death needs no such thing: the kernel then kills it (PDEATHSIG), and where it does not,
    hangs up on the stopped processes of a group that nobody is the parent of any more."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGCONT)


async def read_lines(pipe: Any, heard: Callable[[str], None]) -> asyncio.Future[None]:
    """From now on every line of a pipe goes to `heard`. Gives a future that is done when the last one has gone there."""
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    await asyncio.get_running_loop().connect_read_pipe(lambda: Lines(heard, over), pipe)
    return over


class Lines(asyncio.Protocol):
    """A pipe cut into lines; a line over 64 KiB is passed on in pieces."""

    def __init__(self, heard: Callable[[str], None], over: asyncio.Future[None]) -> None:
        self._heard = heard
        self._over = over
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._heard(line.decode("utf-8", "replace").rstrip("\r"))
        if len(self._rest) > LONGEST_LINE:
            self.eof_received()

    def eof_received(self) -> bool | None:
        if self._rest:
            self._heard(self._rest.decode("utf-8", "replace"))
            self._rest = b""
        return None

    def connection_lost(self, error: Exception | None) -> None:
        if not self._over.done():
            self._over.set_result(None)
