"""Plays an answer: same bytes, same chunk boundaries, and the recorded rhythm when asked (ai-binding.md 7.4 "Speeds").

The schedule is absolute: chunk n is due at request start + t/speed, however long the chunks before it took, so a slow reader
does not stretch the whole stream. At speed `instant` each chunk still yields to the loop once, so that code which cancels, or
which reacts to single chunks, runs as it would against a real model.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from emulator.errors import UsageError
from emulator.gateway.ai.answers import Answer, StreamEnd
from emulator.gateway.exchange import Headers, Response
from emulator.gateway.failures import NetworkFailure

_HOP_HEADERS = frozenset({"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Speed:
    """`factor` 1.0 is the recorded rhythm, 4.0 four times as fast; None is instant."""

    factor: float | None

    @classmethod
    def parse(cls, text: str) -> Speed:
        """`instant`, `1x`, `2.5x`. Raises UsageError E242."""
        if text == "instant":
            return cls(None)
        try:
            factor = float(text.removesuffix("x"))
        except ValueError:
            factor = 0.0
        if not text.endswith("x") or not 0 < factor < float("inf"):
            raise UsageError("E242", f"{text!r} is not a replay speed", where="--ai-speed", hint="use instant, 1x, or a factor such as 4x")
        return cls(factor)

    def __str__(self) -> str:
        return "instant" if self.factor is None else f"{self.factor:g}x"


def monotonic_ms() -> float:
    """Milliseconds on the machine's monotonic clock."""
    return time.monotonic() * 1000


@dataclass(frozen=True, slots=True)
class Pacer:
    """The clock that answers are played on. `now_ms` is monotonic; `sleep` takes seconds, like asyncio.sleep."""

    speed: Speed
    now_ms: Callable[[], float] = monotonic_ms
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def until(self, started_ms: float, t_ms: float) -> None:
        """Return when `t_ms` of recorded time have passed since `started_ms`; always yields once."""
        factor = self.speed.factor
        wait_ms = 0.0 if factor is None else started_ms + t_ms / factor - self.now_ms()
        await self.sleep(max(0.0, wait_ms) / 1000)


async def play(answer: Answer, pacer: Pacer, *, started_ms: float | None = None) -> Response:
    """The answer as a response; returns when its first byte is due. A stream torn in the recording (`end: reset`) raises
    NetworkFailure from the body after its last chunk."""
    started_ms = pacer.now_ms() if started_ms is None else started_ms
    if answer.first_byte_ms:
        await pacer.until(started_ms, answer.first_byte_ms)
    headers: Headers = [(name, value) for name, value in answer.headers if name.lower() not in _HOP_HEADERS]
    if answer.chunks is None:
        return Response(answer.status, headers, answer.body)
    return Response(answer.status, headers, _paced(answer, pacer, started_ms))


async def _paced(answer: Answer, pacer: Pacer, started_ms: float) -> AsyncIterator[bytes]:
    for chunk in answer.chunks or ():
        await pacer.until(started_ms, chunk.t_ms)
        yield chunk.data
    if answer.end is StreamEnd.RESET:
        raise NetworkFailure.lost("the recording ends with a torn connection")
