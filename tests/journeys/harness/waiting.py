"""Waiting for something that another process does and does not announce."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

BOUND_S = 15
_STEP_S = 0.02


async def eventually[T](probe: Callable[[], Awaitable[T]]) -> T:
    """The first true answer of `probe`. Raises AssertionError with the last one after 15 s."""
    answer: T | None = None
    try:
        async with asyncio.timeout(BOUND_S):
            while True:
                answer = await probe()
                if answer:
                    return answer
                await asyncio.sleep(_STEP_S)
    except TimeoutError:
        raise AssertionError(f"still {answer!r} after {BOUND_S} s") from None
