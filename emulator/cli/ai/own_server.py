"""A server for one run of a command: started on a free port, with a state folder of its own, and ended when the run is over.

A state folder of its own, because a run that depends on what the last one left behind cannot be replayed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from emulator.config.document import shown
from emulator.errors import StartError
from emulator.gateway import ready
from emulator.gateway.ready import RunningServer
from emulator.orphans import end_with_parent

READY_WITHIN_S = 120.0
"""The first start of a project in TypeScript builds its packages."""
STOPS_WITHIN_S = 10.0
_SHOWN_LINES = 12


@asynccontextmanager
async def own_server(root: Path, environ: Mapping[str, str]) -> AsyncIterator[RunningServer]:
    """`agents-emu dev` of the project in `root`; what it prints is in `.agents-emu/ai-server.log`. Raises StartError E346."""
    log = root / ".agents-emu" / "ai-server.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="agents-emu-") as folder, log.open("wb") as output:
        ready_file = Path(folder) / "ready.json"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "emulator", "dev", str(root), "--port", "0", "--reload", "off"),
            *("--ready-file", str(ready_file), "--persist-to", str(Path(folder) / "state")),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(environ),
            # Ctrl-C is for the command; the server ends after it.
            process_group=0,
            preexec_fn=end_with_parent(signal.SIGTERM),
        )
        try:
            yield await _ready(process, ready_file, log)
        finally:
            await _stop(process)


async def _ready(process: asyncio.subprocess.Process, ready_file: Path, log: Path) -> RunningServer:
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            while (server := ready.read(ready_file)) is None:
                if process.returncode is not None:
                    raise _no_start(f"ended with exit code {process.returncode}", log)
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise _no_start(f"was not ready after {READY_WITHIN_S:.0f} s", log) from None
    return server


def _no_start(how: str, log: Path) -> StartError:
    lines = log.read_text("utf-8", "replace").splitlines()
    return StartError("E346", f"the server for this run {how}", where=shown(log), hint="\n".join(lines[-_SHOWN_LINES:]) or None)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOPS_WITHIN_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
