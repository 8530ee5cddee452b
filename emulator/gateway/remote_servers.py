"""Real servers on the network, asked by aiohttp: one request, one answer; what may be asked is egress.py's business."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
from yarl import URL

from emulator.gateway import content_coding
from emulator.gateway.ai.classify import shown_url
from emulator.gateway.content_coding import Broken, Decoder
from emulator.gateway.exchange import HOP_BY_HOP, URL_HEADER, Response, header
from emulator.gateway.failures import NetworkFailure
from emulator.gateway.redirects import Hop

_CONNECT_TIMEOUT_S = 30


class RemoteServers:
    """Needs a running event loop. Close it to close its connections."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def send(self, hop: Hop, *, arrived: bool) -> Response:
        """The answer to one request, its body as it arrives. `arrived`: by a redirect, so that its address is worth telling. Raises
        NetworkFailure."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                auto_decompress=False,
                connector=aiohttp.TCPConnector(limit=0, enable_cleanup_closed=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT_S),
            )
        try:
            answer = await self._session.request(
                hop.method, URL(hop.url, encoded=True), headers=hop.headers, data=hop.body, allow_redirects=False
            )
        except (aiohttp.InvalidURL, ValueError) as error:
            raise NetworkFailure.refused(f"cannot fetch {shown_url(hop.url)}: {error}", f"Invalid URL: {shown_url(hop.url)}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise NetworkFailure.lost(f"{hop.method} {shown_url(hop.url)}: {_reason(error)}") from error
        return _response(answer, arrived=hop.url if arrived else None)

    async def close(self) -> None:
        """Close all connections; a later request opens new ones."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()


def _response(answer: aiohttp.ClientResponse, *, arrived: str | None) -> Response:
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.raw_headers]
    headers = [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP and name.lower() != URL_HEADER]
    if arrived is not None:
        headers.append((URL_HEADER, arrived))
    encoding = (header(headers, "content-encoding") or "").strip().lower()
    decoder = None if answer.method == "HEAD" else content_coding.decoder(encoding)
    if decoder is not None:
        # The header stays, as on the platform: a Worker that passes this response on has it packed again at the edge.
        headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
    return Response(answer.status, headers, _LiveBody(answer, decoder))


class _LiveBody:
    """A remote body as it arrives, decoded when a `decoder` is given. `aclose` ends the connection, also before the first chunk."""

    def __init__(self, answer: aiohttp.ClientResponse, decoder: Decoder | None) -> None:
        self._answer = answer
        self._decoder = decoder

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await (self._answer.content.readany() if self._decoder is None else self._decode(self._decoder))
        except (aiohttp.ClientError, OSError) as error:
            raise self._broken(f"broke off: {_reason(error)}") from error
        except Broken as error:
            raise self._broken(f"is not what its content-encoding says: {error}") from error
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """End the connection."""
        self._answer.close()

    async def _decode(self, decoder: Decoder) -> bytes:
        """The next decoded bytes, in bounded pieces however well they were packed; empty at the end."""
        while not decoder.finished:
            more = b""
            if decoder.hungry and not (more := await self._answer.content.readany()):
                raise Broken("it ends too early")
            if data := decoder.feed(more):
                return data
        return b""

    def _broken(self, what: str) -> NetworkFailure:
        self._answer.close()
        return NetworkFailure.lost(f"the answer to {self._answer.method} {shown_url(str(self._answer.url))} {what}")


def _reason(error: Exception) -> str:
    text = str(error).replace(" ssl:default", "") or type(error).__name__  # aiohttp's word for "as usual"
    return text if len(text) <= 200 else text[:200] + "..."
