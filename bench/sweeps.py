"""How long a crash sweep of a chat turn takes: `agents-emu scenario sweep` on the chat samples, as a person would type it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import typescript
from bench.client import Broken
from bench.servers import CHECKOUT

SAMPLES = CHECKOUT / "sample_agents"
POINTS = 60
BOUND_S = 600.0


@dataclass(frozen=True, slots=True)
class Swept:
    """A chat turn of a sample. `at` are the points that are taken; `modules` the packages of one in TypeScript."""

    sample: str
    scenario: str
    at: str
    modules: Path | None = None


PYTHON = Swept("chat_py", "catches-up", "frame")
"""A turn of 2.5 virtual seconds with two clients; its every event would be ninety points."""
TYPESCRIPT = Swept("checkout_ts", "careful", "every-event", typescript.PACKAGES / "node_modules")
"""It needs no package that the benchmark's own project has not."""


async def crashes(swept: Swept, environment: Mapping[str, str], scratch: Path) -> float:
    """Seconds for 60 crashes, with the start of the servers and the first run in the measured share. Raises Broken when a point could not
    be reached."""
    folder = scratch / f"sweep-{swept.sample}"
    shutil.copytree(
        SAMPLES / swept.sample, folder, ignore=shutil.ignore_patterns(".wrangler", ".agents-emu", "node_modules", "__pycache__")
    )
    if swept.modules is not None:
        (folder / "node_modules").symlink_to(swept.modules, target_is_directory=True)
    file = f"scenarios/{swept.scenario}.yaml"
    try:
        # What is made of the packages once is no part of it.
        await _types(folder, environment, "run", file, "--quiet")
        found = json.loads(await _types(folder, environment, "sweep", file, "--at", swept.at, "--fault", "crash", "--json"))
    finally:
        shutil.rmtree(folder)
    if found["unreached"]:
        raise Broken(f"{swept.sample}: not reached: {found['unreached']}")
    return float(found["seconds"]) / int(found["points"]) * POINTS


async def _types(folder: Path, environment: Mapping[str, str], *words: str) -> str:
    """The output of `agents-emu scenario ...`, whatever its verdict. Raises Broken without any."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "emulator", "scenario", *words),
        cwd=folder,
        env={**os.environ, **environment, "PYTHONPATH": str(CHECKOUT)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(BOUND_S):
            out, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if not out:
        raise Broken(f"scenario {words[0]}: exit code {process.returncode}\n{errors.decode('utf-8', 'replace')[-2000:]}")
    return out.decode()
