"""The server that a verb works with: the project's running one, or one that is started for it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from emulator.cli.ai.own_server import own_server
from emulator.cli.server import server_of
from emulator.gateway.ready import RunningServer


@asynccontextmanager
async def a_server(root: Path, environ: Mapping[str, str] = os.environ) -> AsyncIterator[RunningServer]:
    """The server of the project whose wrangler file is in `root`. Raises StartError E346."""
    running = server_of(root)
    if running is not None:
        yield running
        return
    async with own_server(root, environ) as server:
        yield server
