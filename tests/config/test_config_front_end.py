"""Which Vite configuration is a project's front end, and what its absence of a build means."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.config import Front, Project, load_options
from emulator.errors import ConfigError, UsageError

Load = Callable[..., Project]
USES_PLUGIN = 'import { cloudflare } from "@cloudflare/vite-plugin";'
VITE = {"node_modules/vite/package.json": "{}"}


@pytest.mark.parametrize(
    ("files", "config"),
    [
        ({}, None),
        ({"vite.config.ts": USES_PLUGIN}, "vite.config.ts"),
        ({"vite.config.mts": "", "index.html": ""}, "vite.config.mts"),
        ({"vite.config.ts": "// for tests"}, None),
        ({"vite.config.ts": USES_PLUGIN, "vite.config.js": USES_PLUGIN}, "vite.config.js"),
        ({"src/vite.config.js": USES_PLUGIN}, "src/vite.config.js"),
        ({"src/vite.config.js": "", "index.html": ""}, None),
    ],
)
def test_where_it_is(project: Load, tmp_path: Path, files: dict[str, str], config: str | None) -> None:
    found = project({**files, "package.json": "{}"}).front_end
    assert (found.config if found else None) == (tmp_path / config if config else None)
    if found is not None:
        assert found.folder == found.config.parent


def test_it_may_be_above_the_wrangler_file_in_the_same_package(project: Load, tmp_path: Path) -> None:
    wrangler = json.dumps({"name": "shop", "main": "entry.py", "compatibility_date": "2026-06-11"})
    files = {"package.json": "{}", "worker/wrangler.jsonc": wrangler, "worker/entry.py": "", "vite.config.ts": USES_PLUGIN}
    found = project({**files, "wrangler.unused": ""}, config=tmp_path / "worker/wrangler.jsonc").front_end
    assert found is not None and found.config == tmp_path / "vite.config.ts"
    # Another package is another project.
    (tmp_path / "worker/package.json").write_text("{}")
    assert project(files, config=tmp_path / "worker/wrangler.jsonc").front_end is None


@pytest.mark.parametrize("quote", ['"', "'", "`"])
def test_the_wrangler_file_that_the_plugin_is_given(project: Load, tmp_path: Path, quote: str) -> None:
    wrangler = json.dumps({"name": "elsewhere", "main": "entry.py", "compatibility_date": "2026-06-11"})
    vite = f"{USES_PLUGIN} cloudflare({{ configPath: {quote}./worker/wrangler.jsonc{quote} }})"
    files = {"worker/wrangler.jsonc": wrangler, "worker/entry.py": "", "vite.config.ts": vite, "package.json": "{}", "wrangler.unused": ""}
    loaded = project(files)
    assert loaded.name == "elsewhere"
    assert loaded.front_end is not None and loaded.front_end.config == tmp_path / "vite.config.ts"
    # The folder's own wrangler file is nearer.
    assert project({**files, "wrangler.jsonc": json.dumps({"name": "here", "main": "src/entry.py"})}).name == "here"


def test_assets_that_a_build_would_make_are_not_missed(project: Load) -> None:
    front = {"vite.config.ts": USES_PLUGIN, **VITE}
    for assets in ({}, {"directory": "dist/client"}):
        loaded = project(front, assets=assets)
        assert loaded.notices == ()
        assert loaded.assets is not None and loaded.assets.directory is None


def test_without_a_front_end_they_are(project: Load) -> None:
    assert "no files are served" in project(assets={}).notices[0].what
    with pytest.raises(ConfigError, match="no such folder"):
        project(assets={"directory": "dist/client"})


def test_a_project_without_its_packages(project: Load, tmp_path: Path) -> None:
    loaded = project({"vite.config.ts": USES_PLUGIN})
    assert loaded.front_end is not None and not loaded.front_end.installed
    (notice,) = loaded.notices
    assert "not installed" in notice.what and "npm install" in str(notice.hint)
    assert project(VITE).front_end == loaded.front_end.__class__(tmp_path / "vite.config.ts", True)


def test_the_option(tmp_path: Path) -> None:
    def front(flags: dict[str, Any]) -> Front:
        return load_options(tmp_path, flags, environ={}, cwd=tmp_path)[0].front

    assert front({}) is Front.AUTO
    assert front({"front": "off"}) is Front.OFF
    (tmp_path / "agents-emu.toml").write_text('front = "off"')
    assert front({}) is Front.OFF
    with pytest.raises(UsageError, match="auto, off"):
        front({"front": "maybe"})
