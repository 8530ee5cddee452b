"""A provider's stream on its way out, translated event by event."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Protocol

from emulator.gateway.ai.translation.deltas import Delta, Done, Failed
from emulator.gateway.ai.translation.emission import Emitter
from emulator.gateway.exchange import Response


class Reader(Protocol):
    """Reads one provider's stream. Holds only what an incomplete event needs."""

    def feed(self, chunk: bytes) -> Iterable[Sequence[Delta]]:
        """One list of deltas for each event that `chunk` completes."""


class TranslatedBody:
    """One chunk out for each upstream event that says something, as soon as it is complete. Ends after Done or Failed; closing it ends
    the request upstream, also before the first chunk."""

    def __init__(self, upstream: Response, reader: Reader, emitter: Emitter) -> None:
        self._upstream = upstream
        self._reader = reader
        self._emitter = emitter
        self._chunks = self._translated()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._chunks)

    async def aclose(self) -> None:
        """Nobody reads on."""
        await self._chunks.aclose()
        await self._upstream.aclose()

    async def _translated(self) -> AsyncIterator[bytes]:
        async for chunk in _chunks(self._upstream.body):
            for deltas in self._reader.feed(chunk):
                if written := self._emitter.emit(deltas):
                    yield written
                if any(isinstance(delta, Done | Failed) for delta in deltas):
                    await self._upstream.aclose()
                    return


async def _chunks(body: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if isinstance(body, bytes):
        yield body
        return
    async for chunk in body:
        yield chunk
