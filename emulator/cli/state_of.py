"""The state of a project, on its running server or, when none runs, on the files: both answer the same."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from emulator.cli.server import ask, server_of
from emulator.config import load_options, load_project
from emulator.config.wrangler import find_config
from emulator.gateway.ready import RunningServer


class State(Protocol):
    """The state verbs; each gives what the control API answers, or raises EmuError."""

    def list(self) -> dict[str, Any]:
        """Every snapshot."""

    def show(self, name: str) -> dict[str, Any]:
        """One, with its objects."""

    def save(self, name: str, class_name: str | None, target: str | None, *, replace: bool) -> dict[str, Any]:
        """Save one."""

    def load(self, name: str, class_name: str | None, target: str | None) -> dict[str, Any]:
        """Exchange objects for those of one."""

    def reset(self, class_name: str | None, target: str | None) -> dict[str, Any]:
        """Remove objects."""


class _ServerState:
    def __init__(self, server: RunningServer) -> None:
        self._server = server

    def list(self) -> dict[str, Any]:
        return self._ask("GET", "state")

    def show(self, name: str) -> dict[str, Any]:
        return self._ask("GET", f"state/{quote(name, safe='')}")

    def save(self, name: str, class_name: str | None, target: str | None, *, replace: bool) -> dict[str, Any]:
        return self._ask("POST", "state/save", name=name, replace=replace, **_scope(class_name, target))

    def load(self, name: str, class_name: str | None, target: str | None) -> dict[str, Any]:
        return self._ask("POST", "state/load", name=name, **_scope(class_name, target))

    def reset(self, class_name: str | None, target: str | None) -> dict[str, Any]:
        return self._ask("POST", "state/reset", **_scope(class_name, target))

    def _ask(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        answer: dict[str, Any] = ask(self._server, method, path, body if method == "POST" else None)
        return answer


def state_of(directory: Path, environment: str | None, persist_to: Path | None) -> State:
    """Who answers for the project in `directory`. A state folder that is named is worked on as files, whoever runs. Raises ConfigError."""
    server = server_of(find_config(directory).parent) if persist_to is None else None
    if server is not None:
        return _ServerState(server)
    from emulator.gateway.snapshots.offline import OfflineState  # late: a server that runs needs none of it

    project = load_project(directory, config=None, environment=environment, env_files=(), variables={}, environ=os.environ)
    flags = {"persist_to": None if persist_to is None else str(persist_to)}
    options, _ = load_options(project.root, flags, environ=os.environ, cwd=Path.cwd())
    return OfflineState(project, options)


def _scope(class_name: str | None, target: str | None) -> dict[str, str]:
    return {key: value for key, value in (("class", class_name), ("object", target)) if value is not None}
