"""Servers for the scenarios of one command: one that fits is rewound and used again, else another is started."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType

from emulator.config.document import shown
from emulator.config.wrangler import find_config
from emulator.errors import ConfigError, UsageError
from emulator.scenarios import runner
from emulator.scenarios.document import Document, Settings
from emulator.scenarios.server import own_server
from emulator.scenarios.world import Place


def project_of(document: Document) -> Path:
    """The folder of the project that a scenario is about: the one it names, else the nearest above the file, else where we are.
    Raises ConfigError E101."""
    if document.project is not None:
        if not document.project.is_dir():
            raise UsageError("E281", f"there is no folder {shown(document.project)}", where=shown(document.path), hint='correct "project"')
        return find_config(document.project).parent
    try:
        return find_config(document.path.resolve().parent).parent
    except ConfigError:
        return find_config(Path.cwd()).parent


class ServerPool:
    """One server at a time. `keep` leaves the last one running."""

    def __init__(self, environ: Mapping[str, str], *, keep: bool = False) -> None:
        self._environ = environ
        self._keep = keep
        self._stack = AsyncExitStack()
        self._key: tuple[Path, Settings] | None = None
        self._place: Place | None = None

    async def __aenter__(self) -> ServerPool:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._stack.aclose()

    async def server_for(self, root: Path, settings: Settings) -> Place:
        """A server that is as at its start. Raises StartError E346."""
        key = (root, dataclasses.replace(settings, state=None))
        if self._place is not None and key == self._key and settings.clock != "real":
            await runner.rewind(self._place)
            return self._place
        await self._stack.aclose()
        served = await self._stack.enter_async_context(own_server(root, settings, self._environ, keep=self._keep))
        self._key, self._place = key, served.place
        return served.place
