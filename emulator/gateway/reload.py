"""Hot reload: watch the project, and swap in the new code when it loads (design 2; flow "save" in emulator/README.md).

A burst of writes is one change. Files of configuration are read again too; when that fails the old configuration stays, and is said so.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from emulator.config import LogLevel, Project, Reload
from emulator.errors import EmuError
from emulator.gateway import hosts
from emulator.gateway.console import Console, Note, Reloaded, Trouble
from emulator.gateway.hosts import Hosts
from emulator.gateway.journal import Journal
from emulator.gateway.watching import Scope, Watch, is_config


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
        assets = project.assets.directory if project.assets else None
        self._scope = Scope(project.root, project.config_path, [*ignored, *([assets] if assets else [])])
        self._watch = Watch(self._scope)
        self._changed: set[Path] = set()
        self._wake = asyncio.Event()
        self._loading_since_s = time.time()
        self._mode = mode
        self._hosts = hosts
        self._console = console
        self._journal = journal
        self._reread = reread
        self._adopt = adopt
        self._count = 0
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Watch until `stop`. What is saved while the code loads is the next change."""
        tasks = [asyncio.create_task(self._gather()), asyncio.create_task(self._work())]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _gather(self) -> None:
        async for files in self._watch.batches():
            self._changed |= files
            self._wake.set()

    async def _work(self) -> None:
        while not self._stop.is_set():
            await self._wake.wait()
            self._wake.clear()
            paths, self._changed = self._changed, set()
            try:
                if paths:
                    await self.changed(paths)
            except EmuError as error:
                self._journal.add("reload.failed", code=error.code, text=error.what)
                self._console.show(Trouble(error, "the next save tries again"))

    def stop(self) -> None:
        """End `run`."""
        self._stop.set()
        self._wake.set()
        self._watch.stop()

    def loaded(self, inputs: Iterable[str] | None, where: str | None) -> None:
        """What the serving code was built from; None when that is not known, or the code as it is now does not load because of `where`."""
        self._scope.learn(inputs, where)
        self._watch.grow(self._loading_since_s)

    async def changed(self, paths: set[Path]) -> None:
        """These files changed: read the configuration again if it is among them, then the code. Options are read at the start alone."""
        if self._scope.options in paths:
            self._console.show(Note("options.changed", f"{self._scope.options.name} is read at the start: restart", level=LogLevel.WARN))
            paths = paths - {self._scope.options}
            if not paths:
                return
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
        self._loading_since_s = time.time()
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

    async def deploy(self) -> hosts.Reloaded:
        """Read the configuration and load the code as they are now, and swap as production does. Raises ConfigError, and nothing has
        changed."""
        self._adopt(self._reread())
        self._loading_since_s = time.time()
        outcome = await self._hosts.deploy()
        if self._stop.is_set():
            return outcome
        if outcome.error is not None:
            self._journal.add("load.failed", error=outcome.error, kept=outcome.kept, paths=[])
            return outcome
        self._count += 1
        self._journal.add("deploy", ms=outcome.ms, reset=outcome.reset)
        self._console.show(Reloaded(self._count, (), outcome.ms, outcome.sockets, False))
        return outcome

    def _shown(self, paths: set[Path]) -> tuple[str, ...]:
        return tuple(sorted(str(path.relative_to(self._root)) for path in paths if path.is_relative_to(self._root)))
