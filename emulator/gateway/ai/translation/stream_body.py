"""A provider's stream on its way out, rewritten event by event."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Protocol

from emulator.gateway.ai.translation.deltas import Delta, Done, Failed
from emulator.gateway.ai.translation.emission import Emitter
from emulator.gateway.exchange import Response


class Reader(Protocol):
    """Reads one provider's stream. Holds only what an incomplete event needs."""

    def feed(self, chunk: bytes) -> Iterable[Sequence[Delta]]:
        """One list of deltas for each event that `chunk` completes."""


class Rewriter(Protocol):
    """Turns a provider's stream into ours. `finished`: nothing of what follows matters."""

    finished: bool

    def feed(self, chunk: bytes) -> Iterable[bytes]:
        """One chunk for each event that `chunk` completes, never empty."""


class RewrittenBody:
    """One chunk out for each upstream event that says something, as soon as it is complete. Ends when the rewriter has finished or the
    provider does; what breaks the provider's stream breaks this one. Closing it ends the request upstream, also before the first chunk."""

    def __init__(self, upstream: Response, rewriter: Rewriter) -> None:
        self._upstream = upstream
        self._rewriter = rewriter
        self._source = _chunks(upstream.body)
        self._ready: Iterator[bytes] = iter(())

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while True:
            for chunk in self._ready:
                return chunk
            if self._rewriter.finished:
                await self._upstream.aclose()
                raise StopAsyncIteration
            self._ready = iter(self._rewriter.feed(await anext(self._source)))

    async def aclose(self) -> None:
        """Nobody reads on."""
        await self._upstream.aclose()


class TranslatedBody(RewrittenBody):
    """A stream through deltas: read by `reader`, written by `emitter`; ends after Done or Failed."""

    def __init__(self, upstream: Response, reader: Reader, emitter: Emitter) -> None:
        super().__init__(upstream, _Translation(reader, emitter))


class _Translation:
    def __init__(self, reader: Reader, emitter: Emitter) -> None:
        self.finished = False
        self._reader = reader
        self._emitter = emitter

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        for deltas in self._reader.feed(chunk):
            if written := self._emitter.emit(deltas):
                yield written
            if any(isinstance(delta, Done | Failed) for delta in deltas):
                self.finished = True
                return


async def _chunks(body: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if isinstance(body, bytes):
        yield body
        return
    async for chunk in body:
        yield chunk
