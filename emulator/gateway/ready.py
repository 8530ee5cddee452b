"""The ready file: how other processes find a running server (design 4.4).

`.agents-emu/dev.json` in the project, and wherever `--ready-file` says:
`{"v": 1, "url", "inspector", "pid", "hosts": ["python"], "bindings": [{"name", "kind", "class"?}]}`.
It appears complete or not at all, and is removed when the server stops; one that a killed server left behind is told by its pid.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.gateway.console import Binding

VERSION = 1


@dataclass(frozen=True, slots=True)
class RunningServer:
    """`url` and `inspector` end with a slash; `inspector` is None with `--no-inspector`."""

    url: str
    inspector: str | None
    pid: int
    hosts: tuple[str, ...]
    bindings: tuple[Binding, ...]


def default_path(root: Path) -> Path:
    """Where the server of the project in `root` leaves its ready file."""
    return root / ".agents-emu" / "dev.json"


def write(path: Path, server: RunningServer) -> None:
    """Write the file atomically, making its folder. Raises OSError."""
    data = {
        "v": VERSION,
        "url": server.url,
        "inspector": server.inspector,
        "pid": server.pid,
        "hosts": list(server.hosts),
        "bindings": [_binding(binding) for binding in server.bindings],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(data, file)
            file.write("\n")
        os.chmod(draft, 0o644)
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise


def remove(path: Path, pid: int) -> None:
    """Remove the file if it is still ours: a newer server may have written its own since."""
    server = _parse(path)
    if server is not None and server.pid == pid:
        path.unlink(missing_ok=True)


def read(path: Path) -> RunningServer | None:
    """The server that wrote this file, or None when there is no file or its process is gone."""
    server = _parse(path)
    return server if server is not None and _alive(server.pid) else None


def _parse(path: Path) -> RunningServer | None:
    try:
        data: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if data["v"] != VERSION:
            return None
        bindings = tuple(Binding(row["name"], row["kind"], row.get("class")) for row in data["bindings"])
        return RunningServer(data["url"], data["inspector"], int(data["pid"]), tuple(data["hosts"]), bindings)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # absent, or not written by us: both mean that no server can be found through it


def _binding(binding: Binding) -> dict[str, str]:
    row = {"name": binding.name, "kind": binding.kind}
    return {**row, "class": binding.class_name} if binding.class_name else row


def _alive(pid: int) -> bool:
    if pid <= 0:
        return False  # kill would mean a group of processes
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's process has this number: the server runs under another user
    return True
