"""A body that counts what passes and says once how it ended: read to the end, broken, or left by the reader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

Ended = Callable[[int, int, bytes, Exception | None], None]
"""Chunks, bytes, the first 512 bytes, and what broke the stream (None when it ended or was left)."""

_HEAD = 512


class MeteredBody:
    """Passes chunks on untouched. `aclose` before the first chunk counts as left, which a plain generator would not notice."""

    def __init__(self, source: AsyncIterator[bytes], ended: Ended) -> None:
        self._source = source
        self._ended: Ended | None = ended
        self._chunks = 0
        self._bytes = 0
        self._head = b""

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
        if len(self._head) < _HEAD:
            self._head += chunk[: _HEAD - len(self._head)]
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
            ended(self._chunks, self._bytes, self._head, failure)
