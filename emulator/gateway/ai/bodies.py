"""Bodies that pass untouched while others look on, that say once how they ended, or whose first chunk was taken already."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from enum import Enum

from emulator.gateway.exchange import Response, close_body


class End(Enum):
    """How a body ended."""

    COMPLETE = "complete"
    BROKEN = "broken"
    LEFT = "left"
    """The reader went away before the end."""


Seen = Callable[[bytes], None]
Ended = Callable[[End, Exception | None], None]
Measured = Callable[[int, int, Exception | None], None]
"""Chunks, bytes, and what broke the stream (None when it ended or was left)."""
Counted = Callable[[int, int], None]
"""A chunk's number, from 1, and its bytes."""
OnChunk = Callable[[str, int, int], None]
"""A call's id, a chunk's number in its answer, from 1, and its bytes."""


def to_nobody(call: str, number: int, size: int) -> None:
    """Nobody wants to know of chunks."""


class WatchedBody:
    """`seen` hears of each chunk before the reader has it, `ended` of the end exactly once; `aclose` before the first chunk counts as
    left."""

    def __init__(self, source: AsyncIterator[bytes], seen: Seen, ended: Ended) -> None:
        self._source = source
        self._seen = seen
        self._ended: Ended | None = ended

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await anext(self._source)
        except StopAsyncIteration:
            self._end(End.COMPLETE, None)
            raise
        except asyncio.CancelledError:
            self._end(End.LEFT, None)
            raise
        except Exception as error:
            self._end(End.BROKEN, error)
            raise
        self._seen(chunk)
        return chunk

    async def aclose(self) -> None:
        """Nobody listens any more."""
        try:
            await close_body(self._source)
        finally:
            self._end(End.LEFT, None)

    def _end(self, how: End, failure: Exception | None) -> None:
        if self._ended is not None:
            ended, self._ended = self._ended, None
            ended(how, failure)


def measured(response: Response, ended: Measured, each: Seen | None = None, counted: Counted | None = None) -> Response:
    """`response`, of which `ended` hears: now when its body is known, else when the body has been read or left. `each` sees every chunk,
    `counted` is told of it."""
    body = response.body
    if isinstance(body, bytes):
        if each is not None:
            each(body)
        if counted is not None and body:
            counted(1, len(body))
        ended(1 if body else 0, len(body), None)
        return response
    chunks = size = 0

    def seen(chunk: bytes) -> None:
        nonlocal chunks, size
        chunks += 1
        size += len(chunk)
        if each is not None:
            each(chunk)
        if counted is not None:
            counted(chunks, len(chunk))

    response.body = WatchedBody(body, seen, lambda how, failure: ended(chunks, size, failure))
    return response


async def read_at_most(body: bytes | AsyncIterator[bytes], most: int) -> tuple[bytes, bool]:
    """The first `most` bytes of a body, and whether that was all; a longer one is closed."""
    if isinstance(body, bytes):
        return body[:most], len(body) <= most
    found, size = [], 0
    async for chunk in body:
        found.append(chunk)
        size += len(chunk)
        if size > most:
            await close_body(body)
            return b"".join(found)[:most], False
    return b"".join(found), True


class PrefixedBody:
    """A body whose first chunk was already taken."""

    def __init__(self, first: bytes, rest: AsyncIterator[bytes]) -> None:
        self._first: bytes | None = first
        self._rest = rest

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return await anext(self._rest)

    async def aclose(self) -> None:
        """Nobody listens any more."""
        await close_body(self._rest)
