"""One HTTP exchange as the gateway's inner services see it: AI, egress, assets.

A service is `async (Request) -> Response`. Bodies are pulled chunk by chunk, so that back-pressure reaches the other end;
closing a response's body early (`aclose`) is how a service learns that nobody listens any more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

Headers = list[tuple[str, str]]
"""Name and value pairs in order; names as sent, compared without regard to case."""

HOP_BY_HOP = frozenset({"connection", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"})
"""Headers of one connection only, in lower case."""
URL_HEADER = "x-emu-url"
"""Tells a host where an answer came from that took a redirect."""
OBJECT_HEADER = "x-emu-object"
"""Tells us whose code in a host asks: `<Class>/<id>`. It goes no further than services.py."""


@dataclass(slots=True)
class Request:
    """`url` is absolute. `body` is None when there is none; it may be iterated once."""

    method: str
    url: str
    headers: Headers = field(default_factory=list)
    body: AsyncIterator[bytes] | None = None

    def header(self, name: str) -> str | None:
        """First value of a header, or None."""
        return header(self.headers, name)

    async def read(self) -> bytes:
        """The whole body, empty when there is none."""
        if self.body is None:
            return b""
        return b"".join([chunk async for chunk in self.body])


@dataclass(slots=True)
class Response:
    """`body` is bytes when known at once, else chunks as they come; a chunk is passed on as it is, never merged or split. `noted`: the
    journal has it already."""

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes | AsyncIterator[bytes] = b""
    noted: bool = False

    def header(self, name: str) -> str | None:
        """First value of a header, or None."""
        return header(self.headers, name)

    async def aclose(self) -> None:
        """Nobody will read the body."""
        await close_body(self.body)


Service = Callable[[Request], Awaitable[Response]]


async def close_body(body: object) -> None:
    """Nobody will read the rest; what can be told, is told."""
    close = getattr(body, "aclose", None)
    if close is not None:
        await close()


def header(headers: Headers, name: str) -> str | None:
    """First value of `name` in `headers`, compared without regard to case, or None."""
    name = name.lower()
    return next((value for key, value in headers if key.lower() == name), None)
