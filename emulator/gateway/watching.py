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

from emulator.config.option_sources import FILE_NAME as OPTIONS_FILE

QUIET_MS = 10
"""A save is over when nothing has happened for so long; editors write, rename and touch within it."""
BURST_MS = 100
STOP_WITHIN_MS = 200
MAX_WATCHERS = 12
"""Each of them holds a thread; then one takes the place of all."""

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
        self.options = root / OPTIONS_FILE
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
        if is_config(name) or path in (self._config, self.options):
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

    def changed_in(self, folders: Iterable[Path], since_s: float) -> set[Path]:
        """Files of these folders that matter and have changed since a moment on time.time()."""
        found = {path for folder in folders if folder.is_dir() for path in folder.iterdir() if self.matters(path, added=True)}
        return {path for path in found if path.exists() and path.stat().st_ctime > since_s}

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
    """Batches of changed files. Folders that come later get a watcher of their own, so that nothing goes unseen meanwhile."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._found: asyncio.Queue[set[Path] | Exception | None] = asyncio.Queue()
        self._watched: set[Path] = set()
        self._watchers = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()

    async def batches(self) -> AsyncIterator[set[Path]]:
        """Until `stop`."""
        self.grow(time.time())
        try:
            while (found := await self._found.get()) is not None:
                if isinstance(found, Exception):
                    raise found
                yield found
        finally:
            self._over.set()

    def grow(self, since_s: float) -> None:
        """Watch folders that are new in the scope, and give those of their files that have changed since a moment on time.time()."""
        if self._over.is_set():
            return
        if self._watchers >= MAX_WATCHERS:
            self._over.set()
            self._over, self._watched, self._watchers = asyncio.Event(), set(), 0
            since_s = min(since_s, time.time() - BURST_MS / 1000)
        folders = self._scope.folders() - self._watched
        if folders:
            self._watched |= folders
            self._watchers += 1
            task = asyncio.create_task(self._follow(folders, self._over, since_s))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """End `batches`."""
        self._over.set()
        self._found.put_nowait(None)

    async def _follow(self, folders: set[Path], over: asyncio.Event, since_s: float) -> None:
        try:
            changes = self._awatch(folders, over)
            coming = asyncio.ensure_future(anext(changes, None))
            await asyncio.sleep(0)  # now it watches
            self._give(self._scope.changed_in(folders, since_s))
            while (batch := await coming) is not None:
                self._take(batch)
                coming = asyncio.ensure_future(anext(changes, None))
        except FileNotFoundError:
            # One of them went before it could be watched.
            self._watched -= folders
            self.grow(since_s)
        except Exception as error:
            self._found.put_nowait(error)

    def _take(self, batch: set[tuple[Change, str]]) -> None:
        gone = {Path(path) for change, path in batch if change is Change.deleted} & self._watched
        self._watched -= {folder for folder in self._watched if any(folder.is_relative_to(one) for one in gone)}
        self._give({Path(path) for change, path in batch if self._scope.matters(Path(path), added=change is Change.added)})
        if any(change is Change.added and self._scope.is_watched(Path(path)) for change, path in batch):
            self.grow(since_s=0)

    def _give(self, files: set[Path]) -> None:
        if files:
            self._found.put_nowait(files)

    def _awatch(self, folders: set[Path], over: asyncio.Event) -> AsyncGenerator[set[tuple[Change, str]]]:
        return awatch(
            *folders,
            watch_filter=None,
            debounce=BURST_MS,
            step=QUIET_MS,
            stop_event=over,
            rust_timeout=STOP_WITHIN_MS,
            yield_on_timeout=False,
            recursive=False,
            ignore_permission_denied=True,
        )
