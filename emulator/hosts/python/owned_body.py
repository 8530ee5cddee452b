"""Bodies that user code produces: pulled in the context of the owner that made them, which stays awake until they end."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator
from typing import Any

from emulator.hosts.python.holds import Hold
from emulator.hosts.python.owner import Owner
from emulator.hosts.python.surface.response import JsResponse
from emulator.hosts.python.surface.websocket import WebSocket

_NO_OWNER = contextvars.Context()


class OwnedBody:
    """Wraps a chunk iterator: each step runs as the owner's own code (its timers, its gates, its log lines).

    Both an async iterator, for the link, and a byte source, for a stream of the surface.
    """

    def __init__(self, source: AsyncIterator[bytes], owner: Owner) -> None:
        self._source = source
        self._owner = owner
        self._open = True
        self._step: asyncio.Task[bytes | None] | None = None
        self._loop = asyncio.get_running_loop()
        self._hold = owner.hold("body", "a body that is being read")

    @property
    def is_open(self) -> bool:
        """It has not ended, and nobody has stopped reading."""
        return self._open

    def __aiter__(self) -> OwnedBody:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self.read()
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def read(self) -> bytes | None:
        """The next chunk, None at the end."""
        if not self._open:
            return None
        self._step = self._owner.run(_next(self._source), "body")
        try:
            chunk = await self._step
        except BaseException:
            self._close()
            raise
        if chunk is None:
            self._close()
        return chunk

    async def cancel(self, _reason: object = None) -> None:
        """Nobody reads any more: the stream's `cancel` is called (S-107)."""
        await self.aclose()

    async def aclose(self) -> None:
        """The same, as async iterators say it."""
        if not self._open:
            return
        self._close()
        if self._step is not None and not self._step.done():
            # An iterator cannot be closed in the middle of a step; one that is cancelled there closes itself.
            self._step.cancel()
            return
        close: Any = getattr(self._source, "aclose", None)
        if close is not None and not self._owner.dead:
            await self._owner.run(close(), "cancel body")

    def __del__(self) -> None:
        # A response that nobody reads (its caller was killed, or looked at the status only) must not keep its owner awake.
        if self._open and not self._owner.dead and not self._loop.is_closed():
            # Later: a collection may come in the middle of anything.
            self._loop.call_soon(_abandon, self._source, self._owner, self._hold, context=_NO_OWNER)

    def _close(self) -> None:
        if self._open:
            self._open = False
            if not self._owner.dead:
                self._owner.release(self._hold)


def _abandon(source: AsyncIterator[bytes], owner: Owner, hold: Hold) -> None:
    if owner.dead:
        return
    close: Any = getattr(source, "aclose", None)
    if close is not None:
        owner.run(close(), "cancel body")
    owner.release(hold)


async def _next(source: AsyncIterator[bytes]) -> bytes | None:
    """One chunk, None at the end (StopAsyncIteration does not travel through tasks)."""
    return await anext(source, None)


def owned_response(response: JsResponse, owner: Owner) -> JsResponse:
    """The response as it leaves its owner: a streamed body and a socket's end stay bound to it, everything else passes as it is."""
    socket = response.webSocket
    if isinstance(socket, WebSocket) and socket.peer is not None:
        socket.peer.owner = owner
    if not response.is_streamed:
        return response
    source = response.body_source()
    assert source is not None and not isinstance(source, bytes)
    bound = JsResponse.received(
        response.status,
        response.headers.pairs(),
        OwnedBody(source, owner),
        url=response.url,
        status_text=response.statusText,
        redirected=response.redirected,
        socket=response.webSocket,
    )
    bound.encodeBody = response.encodeBody
    return bound
