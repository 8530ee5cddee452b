"""Following a redirect as fetch does: which method, which headers, and whether the body can be sent again. Pure, but for the
body that is kept while it is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from urllib.parse import urljoin, urlsplit

from emulator.gateway.exchange import Headers
from emulator.gateway.failures import NetworkFailure

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BODY_HEADERS = frozenset({"content-encoding", "content-language", "content-length", "content-location", "content-type"})
_PRIVATE_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})
_KEPT_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Hop:
    """One request on the way to the answer."""

    method: str
    url: str
    headers: Headers
    body: AsyncIterator[bytes] | None

    def with_body(self, body: AsyncIterator[bytes] | None) -> Hop:
        """The same request with another body."""
        return replace(self, body=body)


class KeptBody:
    """A body that can be sent a second time as long as it is at most 1 MiB: what passes is kept, what is too long is let go."""

    def __init__(self, source: AsyncIterator[bytes]) -> None:
        self._source = source
        self._kept: list[bytes] | None = []
        self._size = 0
        self._complete = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._source:
            self._size += len(chunk)
            if self._size > _KEPT_BYTES:
                self._kept = None
            elif self._kept is not None:
                self._kept.append(chunk)
            yield chunk
        self._complete = True

    def again(self) -> AsyncIterator[bytes] | None:
        """The body once more; None when it was too long, or was not sent to its end."""
        return _chunks(self._kept) if self._complete and self._kept is not None else None


def next_hop(hop: Hop, status: int, location: str | None, kept: KeptBody | None) -> Hop | None:
    """The request that a redirect leads to, None when the answer is no redirect. Raises NetworkFailure when it cannot be made."""
    if status not in _REDIRECTS or location is None:
        return None
    url = urljoin(hop.url, location)
    if urlsplit(url).scheme not in ("http", "https"):
        raise NetworkFailure.refused(f"{hop.url} redirects to {url}", f"Fetch API cannot load: {url}")
    headers, method, body = hop.headers, hop.method, None
    if (status in (301, 302) and method == "POST") or (status == 303 and method not in ("GET", "HEAD")):
        method = "GET"
        headers = _without(headers, _BODY_HEADERS)
    elif kept is not None:
        body = kept.again()
        if body is None:
            raise NetworkFailure.refused(
                f"{hop.url} answers {status}, and the body of the {method} cannot be sent again",
                "A request with a one-time-use body encountered a redirect requiring the body to be retransmitted.",
            )
    if _origin(url) != _origin(hop.url):
        headers = _without(headers, _PRIVATE_HEADERS)
    return Hop(method, url, headers, body)


async def _chunks(chunks: list[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def _without(headers: Headers, names: frozenset[str]) -> Headers:
    return [(name, value) for name, value in headers if name.lower() not in names]


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port
