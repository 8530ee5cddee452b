"""The way out for backends: real servers, asked through aiohttp, which is imported with the first request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from emulator.gateway.exchange import Headers, Response
from emulator.gateway.late import late_import
from emulator.gateway.redirects import Hop

if TYPE_CHECKING:
    from emulator.gateway.remote_servers import RemoteServers


class RemoteFetch:
    """A Fetch. Redirects are not followed: a model's API has none. Close it to close its connections."""

    def __init__(self) -> None:
        self._servers: RemoteServers | None = None

    async def __call__(self, method: str, url: str, headers: Headers, body: bytes) -> Response:
        """See Fetch. `content-length` is among the headers that Server gives, so the body is not sent in chunks."""
        if self._servers is None:
            await late_import("emulator.gateway.remote_servers")
            from emulator.gateway.remote_servers import RemoteServers

            self._servers = self._servers or RemoteServers()
        return await self._servers.send(Hop(method, url, headers, _once(body) if body else None), arrived=False)

    async def close(self) -> None:
        """Close all connections; a later request opens new ones."""
        if self._servers is not None:
            servers, self._servers = self._servers, None
            await servers.close()


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
