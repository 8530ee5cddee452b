"""Asking one entry's model, again and again if need be: retries, waits between them, the limit to the first byte (ai-binding.md 3.3).

An attempt has failed when no answer came, or an answer with a status of 400 and more: the service retries and falls back on any error.
A miss is final instead (no recording fits, they are used up, one is broken): asking again cannot help, and another entry's answer would
hide it. A server that cannot be reached or a key that is missing are errors like a provider's.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from emulator.errors import EmuError
from emulator.gateway.ai.ai_gateway.entries import Entry
from emulator.gateway.ai.ai_gateway.settings import Backoff, Settings
from emulator.gateway.ai.bodies import PrefixedBody
from emulator.gateway.ai.canonical import ModelRequest
from emulator.gateway.ai.replay import Pacer
from emulator.gateway.ai.reply import Reply, Source
from emulator.gateway.failures import NetworkFailure

Leg = Callable[[ModelRequest, int], Awaitable[Reply]]
"""Asks one model once: the request (for the universal endpoint one with a single entry) and the step it belongs to, from 0. It may
raise NetworkFailure, which counts as a failed attempt. Cancelled when a timeout strikes or the caller leaves."""

_MISS_STATUS = 599
_MISS_CODES = range(9901, 9906)
_DRAINED_BYTES = 1024 * 1024
"""An error that is not passed on is read to its end, so that whoever records it has all of it; beyond this it is cut."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try. `status` 0: no answer came, `problem` says why. `waited_ms` is the pause before it."""

    number: int
    status: int
    ms: int
    waited_ms: int
    source: str
    problem: str | None = None

    def document(self, step: int, entry: Entry) -> dict[str, Any]:
        """For the log entry."""
        return {
            "step": step,
            "attempt": self.number,
            "provider": entry.provider,
            "model": entry.model,
            "status": self.status,
            "ms": self.ms,
            "waited_ms": self.waited_ms,
            "source": self.source,
            "problem": self.problem,
        }


@dataclass(slots=True)
class Tried:
    """What came of an entry. `reply` is None when no attempt brought an answer; then `timed_out` and `problem` say why."""

    attempts: list[Attempt]
    reply: Reply | None = None
    timed_out: bool = False
    problem: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the model answered, and not with an error."""
        return self.reply is not None and not is_error(self.reply)

    @property
    def final(self) -> bool:
        """Whether another entry must not be asked."""
        return self.succeeded or (self.reply is not None and is_miss(self.reply))


def is_error(reply: Reply) -> bool:
    """Whether an answer counts as a failed attempt."""
    return reply.response.status >= 400


def is_miss(reply: Reply) -> bool:
    """Whether the emulator itself says that it has no answer: status 599 to outbound requests, internal codes 9901 to 9905 on the
    binding (ai-binding.md 7.3 step 8)."""
    response = reply.response
    if reply.source is not Source.NONE or not isinstance(response.body, bytes):
        return False
    if response.status == _MISS_STATUS:
        return True
    try:
        document = json.loads(response.body)
    except ValueError:
        return False
    return isinstance(document, dict) and document.get("internalCode") in _MISS_CODES


def wait_ms(backoff: Backoff, delay_ms: int, failed: int) -> int:
    """The pause after `failed` failures: 100, 100, 100 or 100, 200, 300 or 100, 200, 400."""
    match backoff:
        case Backoff.CONSTANT:
            return delay_ms
        case Backoff.LINEAR:
            return delay_ms * failed
        case Backoff.EXPONENTIAL:
            return delay_ms * 2 ** (failed - 1)


def timeout_of(settings: Settings, number: int) -> int | None:
    """The limit to the first byte of attempt `number` (from 1); None waits for ever. The last of several attempts has none [D]: "on
    the final retry attempt, your gateway will wait until the request completes". A request that is not retried keeps it."""
    if settings.max_attempts > 1 and number >= settings.max_attempts:
        return None
    return settings.timeout_ms


async def try_entry(entry: Entry, step: int, settings: Settings, leg: Leg, pacer: Pacer) -> Tried:
    """Ask until an answer is good, final, or the last one allowed. Error answers on the way are read to their end and dropped."""
    tried = Tried([])
    for number in range(1, settings.max_attempts + 1):
        waited = wait_ms(settings.backoff, settings.retry_delay_ms, number - 1) if number > 1 else 0
        if waited:
            await pacer.sleep(waited / 1000)
        started = pacer.now_ms()
        tried.reply, tried.timed_out, tried.problem = None, False, None
        try:
            tried.reply = await _ask(leg, entry.asked, step, timeout_of(settings, number), pacer)
        except _Expired as expired:
            tried.timed_out, tried.problem = True, str(expired)
        except NetworkFailure as failure:
            tried.problem = failure.what
        status = tried.reply.response.status if tried.reply is not None else 0
        source = str(tried.reply.source) if tried.reply is not None else str(Source.NONE)
        tried.attempts.append(Attempt(number, status, round(pacer.now_ms() - started), waited, source, tried.problem))
        if tried.final:
            break
        if tried.reply is not None and number < settings.max_attempts:
            await drain(tried.reply)
    return tried


async def drain(reply: Reply) -> bytes:
    """Read an answer that nobody will see, and give what was read."""
    body = reply.response.body
    if isinstance(body, bytes):
        return body
    kept = bytearray()
    try:
        async for chunk in body:
            kept += chunk
            if len(kept) > _DRAINED_BYTES:
                break
    except EmuError:
        pass  # a failed attempt whose error text broke off has failed all the same
    finally:
        await reply.response.aclose()
    reply.response.body = bytes(kept)
    return bytes(kept)


class _Expired(Exception):
    """No first byte in time."""


async def _ask(leg: Leg, asked: ModelRequest, step: int, timeout_ms: int | None, pacer: Pacer) -> Reply:
    if timeout_ms is None:
        return await leg(asked, step)
    work = asyncio.ensure_future(_until_first_byte(leg, asked, step))
    timer = asyncio.ensure_future(pacer.sleep(timeout_ms / 1000))
    taken = False
    try:
        await asyncio.wait({work, timer}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise _Expired(f"no first byte within {timeout_ms} ms")
        taken = True
        return work.result()
    finally:
        timer.cancel()
        work.cancel()
        await asyncio.gather(work, timer, return_exceptions=True)
        if not taken and not work.cancelled() and work.exception() is None:
            await work.result().response.aclose()  # it came while we turned away


async def _until_first_byte(leg: Leg, asked: ModelRequest, step: int) -> Reply:
    reply = await leg(asked, step)
    body = reply.response.body
    if isinstance(body, bytes):
        return reply
    try:
        first = await _first(body)
    except BaseException:
        await reply.response.aclose()
        raise
    reply.response.body = b"" if first is None else PrefixedBody(first, body)
    return reply


async def _first(body: AsyncIterator[bytes]) -> bytes | None:
    try:
        return await anext(body)
    except StopAsyncIteration:
        return None
