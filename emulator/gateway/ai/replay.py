"""Plays an answer: same bytes, same chunk boundaries, and the recorded rhythm when asked (ai-binding.md 7.4 "Speeds").

The schedule is absolute: chunk n is due at request start + t/speed, however long the chunks before it took, so a slow reader
does not stretch the whole stream. At speed `instant` each chunk still yields to the loop once, so that code which cancels, or
which reacts to single chunks, runs as it would against a real model.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

from emulator.config.speed import Profile, Speed
from emulator.gateway.ai.answers import Answer, Chunk, StreamEnd
from emulator.gateway.exchange import Headers, Response
from emulator.gateway.failures import NetworkFailure

_HOP_HEADERS = frozenset({"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"})


def monotonic_ms() -> float:
    """Milliseconds on the machine's monotonic clock."""
    return time.monotonic() * 1000


@dataclass(frozen=True, slots=True)
class Pacer:
    """The clock that answers are played on. `now_ms` is monotonic; `sleep` takes seconds, like asyncio.sleep."""

    speed: Speed
    now_ms: Callable[[], float] = monotonic_ms
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def until(self, due_ms: float) -> None:
        """Return when `now_ms` is `due_ms`; always yields once."""
        await self.sleep(max(0.0, due_ms - self.now_ms()) / 1000)


async def play(answer: Answer, pacer: Pacer, *, started_ms: float | None = None) -> Response:
    """The answer as a response; returns when its first byte is due. A stream torn in the recording (`end: reset`) raises
    NetworkFailure from the body after its last chunk."""
    started_ms = pacer.now_ms() if started_ms is None else started_ms
    if answer.first_byte_ms and pacer.speed.factor is not None:
        first_ms = pacer.speed.profile.ttft_ms if pacer.speed.profile else answer.first_byte_ms / pacer.speed.factor
        await pacer.until(started_ms + first_ms)
    headers: Headers = [(name, value) for name, value in answer.headers if name.lower() not in _HOP_HEADERS]
    if answer.chunks is None:
        return Response(answer.status, headers, answer.body)
    return Response(answer.status, headers, _paced(answer, pacer, started_ms))


async def _paced(answer: Answer, pacer: Pacer, started_ms: float) -> AsyncIterator[bytes]:
    chunks = answer.chunks or ()
    for chunk, after_ms in zip(chunks, _rhythm(chunks, pacer.speed), strict=False):
        await pacer.until(started_ms + after_ms)
        yield chunk.data
    if answer.end is StreamEnd.RESET:
        raise NetworkFailure.lost("the recording ends with a torn connection")


def _rhythm(chunks: Sequence[Chunk], speed: Speed) -> Iterator[float]:
    """When each chunk is due, in milliseconds after the request."""
    if speed.profile is not None:
        return _profiled(speed.profile)
    if speed.factor is None:
        return repeat(0.0)
    return (chunk.t_ms / speed.factor for chunk in chunks)


def _profiled(profile: Profile) -> Iterator[float]:
    chance = random.Random(profile.seed)
    due_ms = profile.ttft_ms
    while True:
        yield due_ms
        due_ms += 1000 / profile.tps * (1 + profile.jitter * chance.uniform(-1, 1))
