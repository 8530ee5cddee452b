"""The way out to real servers, opened when something first goes there: importing aiohttp takes as long as starting everything else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from emulator.gateway.ai.classify import shown_url
from emulator.gateway.clocks import Work, unmarked
from emulator.gateway.exchange import Headers, Response, close_body
from emulator.gateway.late import late_import
from emulator.gateway.redirects import Hop

if TYPE_CHECKING:
    from emulator.gateway.remote_servers import RemoteServers


class Network:
    """Close it to close its connections; a later request opens new ones. `work` marks each wait for a server."""

    def __init__(self, work: Work = unmarked) -> None:
        self._servers: RemoteServers | None = None
        self._work = work

    async def send(self, hop: Hop, *, arrived: bool = False) -> Response:
        """The answer to one request (remote_servers.py). Raises NetworkFailure."""
        if self._servers is None:
            await late_import("emulator.gateway.remote_servers")
            from emulator.gateway.remote_servers import RemoteServers

            self._servers = self._servers or RemoteServers()
        if self._work is unmarked:
            return await self._servers.send(hop, arrived=arrived)
        what = f"{hop.method} {shown_url(hop.url)}"
        with self._work(what):
            response = await self._servers.send(hop, arrived=arrived)
        if not isinstance(response.body, bytes):
            response.body = _MarkedBody(response.body, self._work, what)
        return response

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


class _MarkedBody:
    """A body from outside, of which each wait for the next chunk is marked."""

    def __init__(self, body: AsyncIterator[bytes], work: Work, what: str) -> None:
        self._body = body
        self._work = work
        self._what = what

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        with self._work(self._what):
            return await anext(self._body)

    async def aclose(self) -> None:
        """End the connection."""
        await close_body(self._body)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
