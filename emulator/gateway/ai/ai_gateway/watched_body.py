"""A body that passes untouched while others look on, and that says once how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from enum import Enum


class End(Enum):
    """How a body ended."""

    COMPLETE = "complete"
    BROKEN = "broken"
    LEFT = "left"
    """The reader went away before the end."""


Seen = Callable[[bytes], None]
Ended = Callable[[End, Exception | None], None]


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


async def close_body(source: AsyncIterator[bytes]) -> None:
    """End a body early, if it can be told."""
    close = getattr(source, "aclose", None)
    if close is not None:
        await close()


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
