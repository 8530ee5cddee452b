"""Asking a running Vite: HTTP/1.1 over its Unix socket, bodies streamed (what the two sides add to HTTP: emulator/front/server.mjs)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import aiohttp
from yarl import URL

from emulator.gateway.exchange import Headers, Request, Response
from emulator.gateway.front.process import ViteLost

HEADER = "x-emu-front"
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect", HEADER})
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


class Vite:
    """Close it to close its connections."""

    def __init__(self, socket: Path) -> None:
        """Needs a running event loop."""
        self._session = aiohttp.ClientSession(
            auto_decompress=False,
            connector=aiohttp.UnixConnector(str(socket), limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            timeout=aiohttp.ClientTimeout(total=None),
        )

    async def ask(self, request: Request, *, page: str | None = None) -> Response | None:
        """Vite's answer to a GET or HEAD, or None when it has none. With `page`, an HTML file's path below Vite's root, that file,
        transformed, answers where Vite does not. Raises ViteLost."""
        headers = [(name, value) for name, value in request.headers if name.lower() not in _HOP_BY_HOP]
        if page is not None:
            headers.append((HEADER, quote(page)))
        # The request line stays as the client wrote it; the host in the URL is nobody's.
        target = URL("http://vite" + quote(_target(request.url), safe=_PRINTABLE, encoding="latin-1"), encoded=True)
        try:
            answer = await self._session.request(request.method, target, headers=headers, allow_redirects=False)
        except (aiohttp.ClientError, OSError) as error:
            raise ViteLost(str(error)) from error
        if answer.headers.get(HEADER) == "miss":
            answer.release()
            return None
        raw = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.raw_headers)
        found: Headers = [(name, value) for name, value in raw if name.lower() not in _HOP_BY_HOP]
        return Response(answer.status, found, _Body(answer))

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()


def _target(url: str) -> str:
    """Path and query of an absolute URL, as written."""
    slash = url.find("/", url.find("://") + 3)
    return url[slash:] if slash >= 0 else "/"


class _Body:
    """A body as it comes, as fast as it is asked for."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._answer.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionError(f"the front end broke off: {error}") from error
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        self._answer.close()
