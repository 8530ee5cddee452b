"""The emulator's own paths on the public port: aiohttp answers them. It is imported with the first such request, because importing it
takes as long as starting everything else."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from emulator.gateway.journal import Journal
from emulator.gateway.late import late_import
from emulator.gateway.verbs.late import LateVerbs

if TYPE_CHECKING:
    from aiohttp.web_protocol import RequestHandler
    from aiohttp.web_server import Server

    from emulator.gateway.verbs.all import Verbs


class OwnPaths:
    """Makes the control API (control.py) when it is needed. `token` is None when none is needed."""

    def __init__(self, verbs: LateVerbs, journal: Journal, *, ip: str, token: str | None, enabled: bool) -> None:
        """As Control's."""
        self._verbs = verbs
        self._journal = journal
        self._ip = ip
        self._token = token
        self._enabled = enabled
        self._server: Server | None = None

    async def protocol(self) -> RequestHandler:
        """Of a connection that one of these paths was asked for on."""
        if self._server is None:
            await late_import("emulator.gateway.control")
            return self._made(await self._verbs())()
        return self._server()

    async def close(self, within_s: float) -> None:
        """Requests that are being answered get a moment."""
        if self._server is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._server.shutdown(within_s / 2)

    def _made(self, verbs: Verbs) -> Server:
        if self._server is None:
            from aiohttp import web

            from emulator.gateway.control import Control

            control = Control(verbs, self._journal, ip=self._ip, token=self._token, enabled=self._enabled)
            self._server = web.Server(control.handle, access_log=None, handler_cancellation=True, lingering_time=0)
        return self._server
