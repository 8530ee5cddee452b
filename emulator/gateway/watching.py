"""Which folders of a project are watched, and which changes in them may change its code.

Each folder is watched by itself: a recursive watch would reach into `node_modules` and `.venv`, with their thousands of folders. A host
that says what its code was built from (READY's `inputs`) narrows the matter down: saving a page's script does not restart the agents.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from pathlib import Path

from watchfiles import Change, awatch

QUIET_MS = 10
"""A save is over when nothing has happened for so long; editors write, rename and touch within it."""
BURST_MS = 100
STOP_WITHIN_MS = 200
CLOCK_STEP_S = 0.02
"""Files bear the time of the system's last tick."""

IGNORED_FOLDERS = frozenset(
    (".wrangler", ".agents-emu", "node_modules", ".git", "__pycache__", "fixtures", ".mypy_cache", ".ruff_cache", ".pytest_cache")
)
IGNORED_SUFFIXES = (".log", ".pyc", ".pyo", ".swp", ".swx", "~", ".tmp", ".sqlite", ".sqlite-wal", ".sqlite-shm")
_CONFIG_NAMES = frozenset(("wrangler.jsonc", "wrangler.json", "wrangler.toml"))
_STEERING = frozenset(("package.json", "package-lock.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock", "bun.lockb"))
"""Files beside the code that decide what its imports mean, and may come to be."""


def is_config(name: str) -> bool:
    """Whether a file (by its name) is configuration: wrangler file or env file."""
    return name in _CONFIG_NAMES or name.startswith((".dev.vars", ".env"))


class Scope:
    """What matters, by path. `inputs` are the files the serving code was built from; None: any file may matter."""

    def __init__(self, root: Path, config: Path, ignored: Iterable[Path]) -> None:
        """`ignored` are folders that hold no code: state, fixtures, assets."""
        self._root = root
        self._config = config
        self._ignored = tuple(ignored)
        self.inputs: frozenset[Path] | None = None
        self._elsewhere: set[Path] = set()

    def learn(self, inputs: Iterable[str] | None, where: str | None = None) -> None:
        """What the code was built from, or None and the place (`file:line`) that keeps it from being built."""
        self.inputs = None if inputs is None else frozenset(map(Path, inputs))
        if self.inputs is not None:
            self._elsewhere = {path.parent for path in self.inputs if not path.is_relative_to(self._root)}
        elif where is not None:
            folder = Path(os.path.normpath(self._root / where.partition(":")[0])).parent
            self._elsewhere |= set() if folder.is_relative_to(self._root) else {folder}

    def folders(self) -> set[Path]:
        """The folders to watch: the project's own, and those elsewhere that its code comes from."""
        found = set(self._elsewhere)
        for folder, names, _ in os.walk(self._root):
            names[:] = [name for name in names if self._holds_code(Path(folder, name))]
            found.add(Path(folder))
        return {folder for folder in found if folder.is_dir()}

    def matters(self, path: Path, *, added: bool) -> bool:
        """Whether the code or the configuration may be another one after this file's change."""
        name = path.name
        if name.endswith(IGNORED_SUFFIXES) or name.startswith((".#", "#", "4913")) or not self._holds_code(path):
            return False
        if is_config(name) or path == self._config:
            return self._is_own(path)
        if self.inputs is None:
            return self._is_own(path)
        if path in self.inputs:
            return True
        steers = name in _STEERING or (name.startswith("tsconfig") and name.endswith(".json"))
        return self._is_own(path) and (steers or (added and self._may_shadow(path)))

    def is_watched(self, path: Path) -> bool:
        """Whether this is a folder that should be watched."""
        return path.is_dir() and self._holds_code(path) and self._is_own(path)

    def changed_since(self, moment_s: float) -> set[Path]:
        """Inputs that have changed, or gone, since a moment on time.time()."""
        return {path for path in self.inputs or () if not path.exists() or path.stat().st_ctime > moment_s - CLOCK_STEP_S}

    def _is_own(self, path: Path) -> bool:
        if not path.is_relative_to(self._root):
            return self.inputs is None and path.parent in self._elsewhere
        return all(self._holds_code(folder) for folder in path.parents if folder != self._root and folder.is_relative_to(self._root))

    def _holds_code(self, folder: Path) -> bool:
        return folder.name not in IGNORED_FOLDERS and not folder.name.startswith(".venv") and folder not in self._ignored

    def _may_shadow(self, path: Path) -> bool:
        """`a.ts` beside `a.js` may be what `./a` means from now on."""
        assert self.inputs is not None
        return any(one.parent == path.parent and one.stem == path.stem for one in self.inputs)


class Watch:
    """Batches of changed files, from folders that come and go."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._stopped = False
        self._watched: set[Path] = set()
        self._again = asyncio.Event()
        self._since: float | None = None
        self._has_new_folder = False

    async def batches(self) -> AsyncIterator[set[Path]]:
        """Until `stop`. Who takes them is quick: meanwhile nobody looks into new folders."""
        while not self._stopped:
            self._again, self._watched, self._has_new_folder = asyncio.Event(), self._scope.folders(), False
            changes = self._awatch()
            coming = asyncio.ensure_future(anext(changes, None))
            await asyncio.sleep(0)  # now it watches
            if self._since is not None and (missed := self._scope.changed_since(self._since)):
                yield missed
            while (batch := await coming) is not None:
                files = {Path(path) for change, path in batch if self._matters(change, Path(path))}
                if files:
                    yield files
                if self._has_new_folder:
                    self._since = time.time()
                    break
                coming = asyncio.ensure_future(anext(changes, None))
            await changes.aclose()

    def refresh(self) -> None:
        """The scope has other inputs than before: watch where they are as well."""
        if not self._scope.folders() <= self._watched:
            self._since = time.time()
            self._again.set()

    def stop(self) -> None:
        """End `batches`."""
        self._stopped = True
        self._again.set()

    def _awatch(self) -> AsyncGenerator[set[tuple[Change, str]]]:
        return awatch(
            *self._watched,
            watch_filter=self._concerns,
            debounce=BURST_MS,
            step=QUIET_MS,
            stop_event=self._again,
            rust_timeout=STOP_WITHIN_MS,
            yield_on_timeout=False,
            recursive=False,
            ignore_permission_denied=True,
        )

    def _concerns(self, change: Change, path: str) -> bool:
        if change is Change.added and self._scope.is_watched(Path(path)):
            self._has_new_folder = True
            return True
        return self._matters(change, Path(path))

    def _matters(self, change: Change, path: Path) -> bool:
        return self._scope.matters(path, added=change is Change.added)
