"""A project for the loader, and the process that loads it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BOUND_S = 60


@dataclass
class NodeProject:
    """A project's folder, and what LOAD says of it. `load` brings it up in a new process."""

    root: Path
    node: Path
    keys: dict[str, Any] = field(default_factory=dict)

    def write(self, files: Mapping[str, str | bytes]) -> NodeProject:
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                path.write_text(content)
            else:
                path.write_bytes(content)
        return self

    def package(self, name: str, files: Mapping[str, str], **manifest: Any) -> NodeProject:
        """A package in node_modules; an ES module unless the manifest says otherwise."""
        own = {"package.json": json.dumps({"name": name, "version": "1.0.0", "type": "module", "main": "index.js", **manifest}), **files}
        return self.write({f"node_modules/{name}/{file}": text for file, text in own.items()})

    def load(self, *, preload: list[str] | None = None, then: Mapping[str, str] | None = None, **keys: Any) -> dict[str, Any]:
        """What the probe tells: exports, handlers, ..., and what fetch answered; or `{error}`."""
        project = {
            "root": str(self.root),
            "main": "src/index.ts",
            "name": "project",
            "flags": {"nodejs_compat": True},
            "vars": {},
            "secrets": {},
            "bindings": [],
            "classes": {},
            **self.keys,
            **keys,
        }
        run = subprocess.run(
            [self.node, "--disable-warning=ExperimentalWarning", HERE / "loader_probe.mjs"],
            input=json.dumps({"project": project, "preload": preload, "then": then or {}}),
            capture_output=True,
            text=True,
            timeout=BOUND_S,
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr
        told: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
        return told

    def answer(self, **keys: Any) -> Any:
        """What fetch answered, as JSON."""
        told = self.load(**keys)
        assert "answer" in told, told
        return json.loads(told["answer"])

    def error(self, **keys: Any) -> dict[str, Any]:
        told = self.load(**keys)
        assert "error" in told, told
        error: dict[str, Any] = told["error"]
        return error

    @property
    def prebuilt(self) -> list[str]:
        """Names of the folders with prebuilt packages."""
        folder = self.root / ".agents-emu" / "node"
        return sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name != "compiled")

    @property
    def index(self) -> dict[str, Any]:
        """What the newest index of prebuilt packages says."""
        paths = (self.root / ".agents-emu" / "node").glob("*.json")
        index: dict[str, Any] = json.loads(max(paths, key=lambda path: path.stat().st_mtime).read_text())
        return index
