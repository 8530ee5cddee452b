"""The project's front end, when it has one that a bundler serves: its own Vite."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NAMES = tuple(f"vite.config.{ending}" for ending in ("js", "mjs", "ts", "cjs", "mts", "cts"))
"""In Vite's order."""
PLUGIN = "@cloudflare/vite-plugin"


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """`config` is the file of the Vite configuration, absolute. `installed`: whether the project has Vite there."""

    config: Path
    installed: bool

    @property
    def folder(self) -> Path:
        """Where Vite runs."""
        return self.config.parent


def find_front_end(root: Path, main: Path) -> FrontEnd | None:
    """The front end of the Worker whose wrangler file is in `root`: a Vite configuration there, above `main`, or above both up to the
    package's folder. One that neither uses the Cloudflare plugin nor has an `index.html` beside it is for something else, such as tests."""
    for folder in _folders(root, main):
        config = vite_config(folder)
        if config is not None:
            if (folder / "index.html").is_file() or PLUGIN in config.read_text("utf-8", "replace"):
                return FrontEnd(config, _has_vite(folder))
            return None
    return None


def vite_config(folder: Path) -> Path | None:
    """The Vite configuration in a folder."""
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def wrangler_file_of(config: Path) -> Path | None:
    """The wrangler file that a Vite configuration hands to the Cloudflare plugin (`configPath: "..."`), when it is written there as a
    plain string and exists."""
    found = re.search(r"""\bconfigPath\s*:\s*(["'`])([^"'`$\n]+)\1""", config.read_text("utf-8", "replace"))
    path = config.parent / found[2] if found else None
    return path.resolve() if path and path.is_file() else None


def _folders(root: Path, main: Path) -> Iterator[Path]:
    yield root
    if main.is_relative_to(root):
        yield from (folder for folder in main.parents if folder.is_relative_to(root) and folder != root)
    folder = root
    while not (folder / "package.json").is_file() and folder != folder.parent:
        folder = folder.parent
        yield folder


def _has_vite(folder: Path) -> bool:
    return any((above / "node_modules/vite/package.json").is_file() for above in (folder, *folder.parents))
