"""A project on disk, made of the files a test names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.config import Project, load_project

BASE: dict[str, Any] = {"name": "shop", "main": "src/entry.py", "compatibility_date": "2026-06-11"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Project]:
    """`project(files={...}, environment=..., **keys)`: writes a wrangler.jsonc of BASE and `keys` unless `files` has one, and loads it."""
    monkeypatch.chdir(tmp_path)

    def load(files: dict[str, str] | None = None, **arguments: Any) -> Project:
        ours = {name: arguments.pop(name) for name in ("environment", "env_files", "variables", "config") if name in arguments}
        environ = arguments.pop("environ", {})
        keys = {key: value for key, value in {**BASE, **arguments}.items() if value is not None}
        written = {"src/entry.py": "", **(files or {})}
        if not any(name.startswith("wrangler.") for name in written):
            written["wrangler.jsonc"] = json.dumps(keys, indent=2)
        for name, text in written.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        return load_project(tmp_path, environ=environ, **ours)

    return load
