"""Hot reload: watch the project, and swap in the new code when it loads (design 2; flow "save" in emulator/README.md).

A burst of writes is one change. Files of configuration are read again too; when that fails the old configuration stays, and is said so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from watchfiles import Change, awatch

from emulator.config import Project, Reload
from emulator.errors import EmuError
from emulator.gateway import hosts
from emulator.gateway.console import Console, Reloaded, Trouble
from emulator.gateway.hosts import Hosts
from emulator.gateway.journal import Journal

QUIET_MS = 10
"""A save is over when nothing has happened for so long; editors write, rename and touch within it."""
BURST_MS = 100
STOP_WITHIN_MS = 200

IGNORED_FOLDERS = frozenset(
    (".wrangler", ".agents-emu", "node_modules", ".git", "__pycache__", "fixtures", ".mypy_cache", ".ruff_cache", ".pytest_cache")
)
IGNORED_SUFFIXES = (".log", ".pyc", ".pyo", ".swp", ".swx", "~", ".tmp", ".sqlite", ".sqlite-wal", ".sqlite-shm")
_CONFIG_NAMES = frozenset(("wrangler.jsonc", "wrangler.json", "wrangler.toml"))


def is_config(name: str) -> bool:
    """Whether a file (by its name) is configuration: wrangler file or env file."""
    return name in _CONFIG_NAMES or name.startswith((".dev.vars", ".env"))


class Reloader:
    """`adopt` takes a project that was read anew. `reread` reads it, and raises ConfigError."""

    def __init__(
        self,
        project: Project,
        mode: Reload,
        hosts: Hosts,
        console: Console,
        journal: Journal,
        *,
        reread: Callable[[], Project],
        adopt: Callable[[Project], None],
        ignored: Iterable[Path] = (),
    ) -> None:
        """`ignored` are further folders, absolute, that are no code: state, fixtures."""
        self._root = project.root
        self._config_path = project.config_path
        self._mode = mode
        self._hosts = hosts
        self._console = console
        self._journal = journal
        self._reread = reread
        self._adopt = adopt
        self._ignored = tuple(ignored)
        self._assets = project.assets.directory if project.assets else None
        self._count = 0
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Watch until `stop`."""
        changes = awatch(
            self._root,
            watch_filter=self._matters,
            debounce=BURST_MS,
            step=QUIET_MS,
            stop_event=self._stop,
            rust_timeout=STOP_WITHIN_MS,
            yield_on_timeout=False,
        )
        async for batch in changes:
            try:
                await self.changed({Path(path) for _, path in batch})
            except EmuError as error:
                self._journal.add("reload.failed", code=error.code, text=error.what)
                self._console.show(Trouble(error, "the next save tries again"))

    def stop(self) -> None:
        """End `run`."""
        self._stop.set()

    async def changed(self, paths: set[Path]) -> None:
        """These files changed: read the configuration again if it is among them, then the code."""
        if any(is_config(path.name) or path == self._config_path for path in paths):
            try:
                self._adopt(self._reread())
            except EmuError as error:
                self._journal.add("config.failed", code=error.code, text=error.what)
                self._console.show(Trouble(error, "the configuration that was read before stays in force"))
                return
        await self.reload(self._shown(paths))

    async def reload(self, paths: tuple[str, ...] = ()) -> hosts.Reloaded:
        """Load the code as it is now and swap."""
        keep = self._mode is not Reload.CLOSE
        outcome = await self._hosts.reload(keep_sockets=keep)
        if self._stop.is_set():
            return outcome  # how it ended is no news to anybody
        if outcome.error is not None:
            self._journal.add("load.failed", error=outcome.error, kept=outcome.kept, paths=list(paths))
            return outcome
        self._count += 1
        self._journal.add("reload", paths=list(paths), ms=outcome.ms, sockets=outcome.sockets, reset=outcome.reset)
        self._console.show(Reloaded(self._count, paths, outcome.ms, outcome.sockets, keep))
        return outcome

    def _matters(self, change: Change, path: str) -> bool:
        file = Path(path)
        if file.name.endswith(IGNORED_SUFFIXES) or file.name.startswith((".#", "#", "4913")):
            return False
        if (self._assets is not None and file.is_relative_to(self._assets)) or any(file.is_relative_to(one) for one in self._ignored):
            return False
        try:
            folders = file.relative_to(self._root).parts[:-1]
        except ValueError:
            return False
        return not any(folder in IGNORED_FOLDERS or folder.startswith(".venv") for folder in folders)

    def _shown(self, paths: set[Path]) -> tuple[str, ...]:
        return tuple(sorted(str(path.relative_to(self._root)) for path in paths if path.is_relative_to(self._root)))
