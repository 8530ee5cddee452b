"""The way out to real servers, opened when something first goes there: importing aiohttp takes as long as starting everything else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from emulator.gateway.exchange import Headers, Response
from emulator.gateway.late import late_import
from emulator.gateway.redirects import Hop

if TYPE_CHECKING:
    from emulator.gateway.remote_servers import RemoteServers


class Network:
    """Close it to close its connections; a later request opens new ones."""

    def __init__(self) -> None:
        self._servers: RemoteServers | None = None

    async def send(self, hop: Hop, *, arrived: bool = False) -> Response:
        """The answer to one request (remote_servers.py). Raises NetworkFailure."""
        if self._servers is None:
            await late_import("emulator.gateway.remote_servers")
            from emulator.gateway.remote_servers import RemoteServers

            self._servers = self._servers or RemoteServers()
        return await self._servers.send(hop, arrived=arrived)

    async def fetch(self, method: str, url: str, headers: Headers, body: bytes) -> Response:
        """A request of our own, which follows no redirect. Raises NetworkFailure."""
        if body and not any(name.lower() == "content-length" for name, _ in headers):
            headers = [*headers, ("content-length", str(len(body)))]
        return await self.send(Hop(method, url, headers, _once(body) if body else None))

    async def close(self) -> None:
        """Close all connections."""
        if self._servers is not None:
            servers, self._servers = self._servers, None
            await servers.close()


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
