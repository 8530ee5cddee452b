"""A server for scenarios: `agents-emu dev` on a free port, with state of its own, a virtual clock and a seed; ended when they are over."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.config.document import shown
from emulator.errors import StartError
from emulator.orphans import end_with_parent
from emulator.scenarios.document import Settings
from emulator.scenarios.world import Place

READY_WITHIN_S = 120.0
"""The first start of a project in TypeScript builds its packages."""
STOPS_WITHIN_S = 10.0
READY_FILE = "ready.json"
_SHOWN_LINES = 12
_LOOK_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class Served:
    """A running server. `log` is what it prints."""

    place: Place
    log: Path


def place_of(ready: Mapping[str, Any]) -> Place:
    """The server of a ready file (design 4.4)."""
    bindings = {}
    for row in ready["bindings"]:
        if row["kind"] == "durable_object":
            bindings[row["name"]] = row["name"]
            bindings.setdefault(row.get("class") or row["name"], row["name"])
    return Place(ready["url"], ready["hosts"][0], bindings)


@asynccontextmanager
async def own_server(
    root: Path, settings: Settings, environ: Mapping[str, str], *, keep: bool = False, number: int = 0
) -> AsyncIterator[Served]:
    """A server of the project in `root`. It ends with this process, however that ends; with `keep` it is left running. `number` tells
    those apart that run side by side. Raises StartError E346."""
    log = root / ".agents-emu" / f"scenario-server{number or ''}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="agents-emu-"))
    ready_file = folder / READY_FILE
    process = _started(root, settings, environ, folder, log, None if keep else end_with_parent(signal.SIGTERM))
    try:
        yield Served(place_of(await _ready(process, ready_file, log)), log)
    finally:
        if not keep or process.poll() is not None:
            await _stop(process)
            shutil.rmtree(folder, ignore_errors=True)


def _started(
    root: Path, settings: Settings, environ: Mapping[str, str], folder: Path, log: Path, tie: Callable[[], None] | None
) -> subprocess.Popen[bytes]:
    """The process. Not asyncio's: that would kill a server which is to stay when our loop is closed."""
    with log.open("wb") as output:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "emulator", "dev", str(root), *_arguments(settings)),
                *("--ready-file", str(folder / READY_FILE), "--persist-to", str(folder / "state")),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**environ, "CI": "1"},
            # Ctrl-C is for us; the server ends after it.
            process_group=0,
            preexec_fn=tie,  # noqa: PLW1509 - one prctl call, which takes no lock
        )


def _arguments(settings: Settings) -> list[str]:
    speed = settings.speed or ("instant" if settings.clock == "real" else "1x")
    words = ["--port", "0", "--reload", "off", "--clock", settings.clock, "--seed", str(settings.seed), "--ai", settings.ai]
    words += ["--ai-speed", speed]
    return [*words, "--cassette", settings.cassette] if settings.cassette else words


async def _ready(process: subprocess.Popen[bytes], ready_file: Path, log: Path) -> dict[str, Any]:
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            while (text := _text(ready_file)) is None:
                if process.poll() is not None:
                    raise _no_start(f"ended with exit code {process.returncode}", log)
                await asyncio.sleep(_LOOK_EVERY_S)
    except TimeoutError:
        raise _no_start(f"was not ready after {READY_WITHIN_S:.0f} s", log) from None
    found: dict[str, Any] = json.loads(text)
    return found


def _text(path: Path) -> str | None:
    """A file that appears complete or not at all."""
    return path.read_text("utf-8") if path.exists() else None


def _no_start(how: str, log: Path) -> StartError:
    lines = log.read_text("utf-8", "replace").splitlines()
    return StartError("E346", f"the server for this run {how}", where=shown(log), hint="\n".join(lines[-_SHOWN_LINES:]) or None)


async def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOPS_WITHIN_S):
            while process.poll() is None:
                await asyncio.sleep(_LOOK_EVERY_S)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
