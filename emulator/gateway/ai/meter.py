"""A body that counts what passes and says once how it ended: read to the end, broken, or left by the reader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

Ended = Callable[[int, int, Exception | None], None]
"""Chunks, bytes, and what broke the stream (None when it ended or was left)."""


class MeteredBody:
    """Passes chunks on untouched; `each` sees every one of them. `aclose` before the first chunk counts as left, which a plain generator
    would not notice."""

    def __init__(self, source: AsyncIterator[bytes], ended: Ended, each: Callable[[bytes], object] | None = None) -> None:
        self._source = source
        self._ended: Ended | None = ended
        self._each = each
        self._chunks = 0
        self._bytes = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await anext(self._source)
        except StopAsyncIteration:
            self._end(None)
            raise
        except asyncio.CancelledError:
            self._end(None)
            raise
        except Exception as error:
            self._end(error)
            raise
        self._chunks += 1
        self._bytes += len(chunk)
        if self._each is not None:
            self._each(chunk)
        return chunk

    async def aclose(self) -> None:
        """Nobody listens any more: end the source and report."""
        close = getattr(self._source, "aclose", None)
        if close is not None:
            await close()
        self._end(None)

    def _end(self, failure: Exception | None) -> None:
        if self._ended is not None:
            ended, self._ended = self._ended, None
            ended(self._chunks, self._bytes, failure)
