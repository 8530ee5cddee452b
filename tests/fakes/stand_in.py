"""A model's server for tests, on 127.0.0.1: it keeps what it was asked, follows a script, and streams event by event.

What a protocol refuses and how it writes an answer is each fake's own matter; here is what all of them share. Without a script a
fake answers by itself, always the same to the same request.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web


@dataclass(frozen=True)
class Asked:
    """One request; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Call:
    """A tool call; `id` None where the protocol lets the server choose."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    id: str | None = None


@dataclass(frozen=True)
class Say:
    """An answer, in no protocol's words. `finish` is `stop`, `length`, `tool_calls` or `content_filter`; None: what fits.

    `first_ms` before the first byte, `gap_ms` between events. A stream is torn after `tear_after` events, ends cleanly but too early
    after `end_after`, and reports `error` after `error_after`."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    finish: str | None = None
    prompt_tokens: int = 11
    completion_tokens: int = 7
    cached_tokens: int = 0
    first_ms: float = 0
    gap_ms: float = 0
    tear_after: int | None = None
    end_after: int | None = None
    error_after: int | None = None
    error: str = "overloaded"

    @property
    def ending(self) -> str:
        return self.finish or ("tool_calls" if self.calls else "stop")


@dataclass(frozen=True)
class Fail:
    """An error in the protocol's own envelope; `kind` its type or code, None: what fits the status."""

    status: int
    message: str = "as the script says"
    kind: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    first_ms: float = 0


@dataclass(frozen=True)
class Raw:
    """Any bytes at all."""

    status: int = 200
    content_type: str | None = "text/html"
    body: bytes = b"<html><title>502 Bad Gateway</title></html>"


@dataclass(frozen=True)
class Silence:
    """Nothing, for ever."""


Step = Say | Fail | Raw | Silence


def pieces(text: str) -> list[str]:
    """A text in the pieces it is streamed in: words with the space before them."""
    return re.findall(r"\s*\S+|\s+$", text)


def halves(text: str) -> list[str]:
    """Arguments in the two pieces they are streamed in."""
    middle = len(text) // 2
    return [piece for piece in (text[:middle], text[middle:]) if piece]


class StandIn:
    """Use it as `async with`. `will` scripts the next answers; `asked` is every request so far; `left` counts the answers that the
    client did not read to the end."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.left = 0
        self.url = ""
        self._script: deque[Step] = deque()
        self._runner: web.AppRunner | None = None

    def will(self, *steps: Step) -> Self:
        """Append to the script."""
        self._script.extend(steps)
        return self

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, shutdown_timeout=0.1)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def answer(self, asked: Asked, step: Step | None, request: web.Request) -> web.StreamResponse:
        """The protocol's answer; `step` None: there is no script."""
        raise NotImplementedError

    def next_step(self) -> Step | None:
        return self._script.popleft() if self._script else None

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Asked(request.method, request.path, headers, await request.read())
        self.asked.append(asked)
        step = self.next_step()
        try:
            if isinstance(step, Silence):
                await asyncio.Event().wait()
            if isinstance(step, Say | Fail) and step.first_ms:
                await asyncio.sleep(step.first_ms / 1000)
            if isinstance(step, Raw):
                kind = {} if step.content_type is None else {"content-type": step.content_type}
                return web.Response(status=step.status, headers=kind, body=step.body)
            return await self.answer(asked, step, request)
        except (asyncio.CancelledError, ConnectionError):
            self.left += 1
            raise

    async def stream(
        self, request: web.Request, content_type: str, events: Iterable[bytes], say: Say, error: bytes, **headers: str
    ) -> web.StreamResponse:
        """Events one by one, each in a write of its own; `error` is the event that reports an error."""
        response = web.StreamResponse(headers={"content-type": content_type, "cache-control": "no-cache", **headers})
        await response.prepare(request)
        async for event in _paced(events, say):
            await response.write(event)
        if say.error_after is not None:
            await response.write(error)
        if say.tear_after is not None and request.transport is not None:
            request.transport.abort()
            return response
        with contextlib.suppress(ConnectionError):
            await response.write_eof()
        return response


async def _paced(events: Iterable[bytes], say: Say) -> AsyncIterator[bytes]:
    stops = [stop for stop in (say.tear_after, say.end_after, say.error_after) if stop is not None]
    last = min(stops, default=None)
    for number, event in enumerate(events):
        if last is not None and number >= last:
            return
        if number:
            # Even without a gap the loop turns, so that each event leaves in a packet of its own.
            await asyncio.sleep(say.gap_ms / 1000)
        yield event
