"""The one way of events to the host that serves now, and the mailbox they wait in while there is none (swap, crash, start).

What waits keeps its order. When the project's code does not load and no older host serves, there is nothing to wait for: requests
fail at once with that error until a save makes the code load again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from emulator.gateway.sockets import SocketBook
from emulator.wire.exchange import Body, Outgoing
from emulator.wire.frames import RawHeaders
from emulator.wire.link import Link

MAX_WAITING = 10_000
CODE_UPDATED = "Durable Object reset because its code was updated."
"""What the platform tells callers on a deploy (durable-objects.md 1.5)."""
PROCESS_ENDED = "The agent's process ended."


class NoHost(Exception):
    """The project's code does not load; `error` is the error object of the load."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error.get('name', 'Error')}: {error.get('message', '')}")
        self.error = error


class Overloaded(Exception):
    """More requests wait for a host than we keep."""


Begin = Callable[[Link], asyncio.Future[Any] | Outgoing]


class Dispatcher:
    """`link` is the serving host's, None while there is none; `failure` is why there will be none until the next save."""

    def __init__(self, book: SocketBook) -> None:
        self._book = book
        self.link: Link | None = None
        self.failure: dict[str, Any] | None = None
        self.on_resume: list[Callable[[], None]] = []
        self._mailbox: deque[tuple[Begin, asyncio.Future[Any]]] = deque()

    def pause(self) -> None:
        """From now on events wait."""
        self.link = None
        self._book.suspend()

    def resume(self, link: Link) -> None:
        """This host serves; what waited goes first."""
        self.failure = None
        self._book.resume(link)
        self.link = link
        mailbox, self._mailbox = self._mailbox, deque()
        for begin, waiting in mailbox:
            if not waiting.done():
                waiting.set_result(begin(link))
        for callback in self.on_resume:
            callback()

    def fail(self, error: dict[str, Any]) -> None:
        """There is no host, and waiting does not help."""
        self.failure = error
        mailbox, self._mailbox = self._mailbox, deque()
        for _, waiting in mailbox:
            if not waiting.done():
                waiting.set_exception(NoHost(error))

    async def request(
        self, target: bytes, method: bytes, url: bytes, headers: RawHeaders, body: Body, *, upgrade: bool = False
    ) -> Outgoing:
        """Open a REQUEST at the host, now or when there is one. Raises NoHost or Overloaded."""

        def begin(link: Link) -> Outgoing:
            exchange = link.request(target, method, url, headers, body, upgrade=upgrade)
            if upgrade:
                self._book.expect(exchange.id, url.decode("latin-1"))
            return exchange

        if self.link is not None:
            return begin(self.link)
        waiting = self._enqueue(begin)
        try:
            exchange: Outgoing = await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled():
                waiting.result().cancel()
            raise
        return exchange

    async def call(self, op: str, **fields: Any) -> Any:
        """A CALL to the host and its result. Raises NoHost, Overloaded, RemoteError or LinkLost."""
        if self.link is not None:
            return await self.link.call(op, **fields)
        return await (await self._enqueue(lambda link: link.call(op, **fields)))

    def _enqueue(self, begin: Begin) -> asyncio.Future[Any]:
        if self.failure is not None:
            raise NoHost(self.failure)
        if len(self._mailbox) >= MAX_WAITING:
            raise Overloaded(f"{MAX_WAITING} requests wait already for the agent's process")
        waiting = asyncio.get_running_loop().create_future()
        self._mailbox.append((begin, waiting))
        return waiting
