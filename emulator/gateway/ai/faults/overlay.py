"""What a fault does to one call: `before` takes the place of an answer, `after` bends the one that came. Recordings stay as they are.

Delays are the emulator's (Pacer.sleep), whatever the replay speed: they were asked for. A stall lasts until the caller leaves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

from emulator.gateway.ai.canonical import Kind, ModelRequest, compact
from emulator.gateway.ai.faults.book import Fault
from emulator.gateway.ai.faults.dialects import error_dialect, model_named, stream_dialect
from emulator.gateway.ai.faults.error_bodies import Failure, error_answer, error_event, status_of
from emulator.gateway.ai.faults.events import EventSplitter, is_closing, malformed, split_inside_characters, with_finish_reason
from emulator.gateway.ai.faults.rules import DONE, Absent, Do, EventNumber
from emulator.gateway.ai.replay import Pacer
from emulator.gateway.ai.reply import Reply, Source
from emulator.gateway.exchange import Headers, Response
from emulator.gateway.failures import NetworkFailure

_SSE = "text/event-stream"
_JSON = "application/json"

Chunks = AsyncIterator[bytes]


async def before(fault: Fault, asked: ModelRequest, pacer: Pacer) -> Reply | None:
    """The reply that takes the place of an answer; None when the call goes on. The time of `first_token_ms` is over when it returns.
    Raises NetworkFailure for `refuse`."""
    do = fault.do
    if do.first_token_ms:
        await pacer.sleep(do.first_token_ms / 1000)
    if do.refuse:
        raise NetworkFailure.lost(f"fault {fault.name}: the connection is refused")
    if not do.answers:
        return None
    response = _in_place(fault, asked)
    _relabel(response, do)
    if do.retry_after_ms is not None:
        response.headers.append(("retry-after-ms", str(do.retry_after_ms)))
        response.headers.append(("retry-after", str(-(-do.retry_after_ms // 1000))))
    return Reply(response, Source.FAULT)


async def after(fault: Fault, reply: Reply, pacer: Pacer) -> Reply:
    """`reply` with what the fault does to its type and its body. A torn connection raises NetworkFailure from the body. Closing the body
    closes the one it was made from. The place for it is between AI Gateway and the caller: what the gateway keeps of the answer (cache,
    runs to resume) is whole."""
    do, response = fault.do, reply.response
    if reply.source is Source.FAULT:
        return reply
    splitter = EventSplitter(response.header("content-type") or "")
    steps: list[Callable[[Chunks], Chunks]] = []
    if any(getattr(do, name) is not None for name in _ON_EVENTS):
        steps.append(lambda chunks: _bent(_events(chunks, splitter), fault, pacer))
    if do.reset_after_bytes is not None:
        steps.append(lambda chunks: _torn(chunks, fault))
    if do.split_utf8:
        steps.append(_split)
    headers = [_forgotten(name, value) for name, value in response.headers] if do.resume_expired else list(response.headers)
    body: bytes | Chunks = response.body
    if steps:
        headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
        body = _Body(response.body, steps)
    bent = Response(response.status, headers, body, response.noted)
    _relabel(bent, do)
    return replace(reply, response=bent)


_ON_EVENTS = (
    *("gap_ms", "reset_after_events", "eof_after_events", "stall_after_events"),
    *("malform_event", "error_event", "duplicate_event", "drop_event", "finish_reason"),
)


def _failure(fault: Fault, asked: ModelRequest) -> Failure:
    do = fault.do
    status = do.status if do.status is not None or do.code is not None else 500
    return Failure(status, do.code, model_named(asked), fault.unique)


def _in_place(fault: Fault, asked: ModelRequest) -> Response:
    do = fault.do
    status = do.status or (status_of(do.code) if do.code is not None else None) or 200
    if do.empty_body:
        return Response(status, [("content-type", _SSE if _streams(asked) else _JSON)], b"")
    if do.body is Absent.BODY:
        return error_answer(error_dialect(asked), _failure(fault, asked), by_gateway=asked.kind is not Kind.HTTP)
    if isinstance(do.body, str):
        return Response(status, [("content-type", "text/plain;charset=UTF-8")], do.body.encode())
    return Response(status, [("content-type", _JSON)], compact(do.body).encode())


def _streams(asked: ModelRequest) -> bool:
    """Whether the caller wants a stream."""
    body = asked.body
    if asked.kind is Kind.UNIVERSAL:
        body = body[0].get("query") if isinstance(body, list) and body and isinstance(body[0], dict) else None
    return "streamGenerateContent" in asked.target or (isinstance(body, dict) and body.get("stream") is True)


def _forgotten(name: str, value: str) -> tuple[str, str]:
    """The id of a run that can be resumed becomes one that no gateway knows, so that to resume it gets 404 (ai-binding.md 2.1)."""
    return (name, f"expired-{value}") if name.lower() == "cf-aig-run-id" else (name, value)


def _relabel(response: Response, do: Do) -> None:
    if not do.wrong_content_type:
        return
    right = (response.header("content-type") or "").partition(";")[0].strip()
    wrong = do.wrong_content_type if isinstance(do.wrong_content_type, str) else _JSON if right == _SSE else "text/plain"
    others: Headers = [(name, value) for name, value in response.headers if name.lower() != "content-type"]
    response.headers = [*others, ("content-type", wrong)]


class _Body:
    """A body with steps in its way. `aclose` closes the source even before the first chunk was asked for, which generators do not."""

    def __init__(self, source: bytes | Chunks, steps: list[Callable[[Chunks], Chunks]]) -> None:
        self._source = source
        chunks = _whole(source) if isinstance(source, bytes) else source
        for step in steps:
            chunks = step(chunks)
        self._chunks = chunks

    def __aiter__(self) -> Chunks:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._chunks)
        except Exception:  # also its end: what the fault cut off is never read
            await _close(self._source)
            raise

    async def aclose(self) -> None:
        """Nobody reads any more."""
        await _close(self._chunks)
        await _close(self._source)


async def _close(source: Any) -> None:
    close: Callable[[], Awaitable[None]] | None = getattr(source, "aclose", None)
    if close is not None:
        await close()


async def _whole(body: bytes) -> Chunks:
    if body:
        yield body


async def _events(chunks: Chunks, splitter: EventSplitter) -> Chunks:
    async for chunk in chunks:
        for event in splitter.feed(chunk):
            yield event
    if splitter.rest:
        yield splitter.rest


async def _bent(events: Chunks, fault: Fault, pacer: Pacer) -> Chunks:
    do, n = fault.do, 0
    while True:
        if n in (do.reset_after_events, do.eof_after_events, do.stall_after_events):
            await _gap(do, n, pacer)
            if n == do.reset_after_events:
                raise NetworkFailure.lost(f"fault {fault.name}: the connection is torn after {n} events")
            if n == do.stall_after_events:
                await asyncio.Event().wait()  # until the caller leaves, which cancels us
            return
        event = await anext(events, None)
        if event is None:
            return
        n += 1
        if _means(do.error_event, n, event):
            yield error_event(stream_dialect(fault.asked), _failure(fault, fault.asked))
            return
        if _means(do.drop_event, n, event):
            continue
        twice = _means(do.duplicate_event, n, event)
        if _means(do.malform_event, n, event):
            event = malformed(event)
        if do.finish_reason is not None:
            event = with_finish_reason(event, do.finish_reason)
        await _gap(do, n - 1, pacer)
        yield event
        if twice:
            await _gap(do, n, pacer)
            yield event


async def _gap(do: Do, passed: int, pacer: Pacer) -> None:
    """The pause after the events that have passed."""
    if do.gap_ms and passed:
        await pacer.sleep(do.gap_ms / 1000)


def _means(number: EventNumber | None, n: int, event: bytes) -> bool:
    return number is not None and (is_closing(event) if number == DONE else n == number)


async def _torn(chunks: Chunks, fault: Fault) -> Chunks:
    most = left = fault.do.reset_after_bytes or 0
    while left > 0:
        chunk = await anext(chunks, None)
        if chunk is None:
            return  # it ended by itself before that
        yield chunk[:left]
        left -= len(chunk)
    raise NetworkFailure.lost(f"fault {fault.name}: the connection is torn after {most} bytes")


async def _split(chunks: Chunks) -> Chunks:
    async for chunk in chunks:
        for piece in split_inside_characters(chunk):
            yield piece
