"""The one way of events to the host that serves now, and the mailbox they wait in while there is none (swap, crash, start).

What waits keeps its order. When the project's code does not load and no older host serves, there is nothing to wait for: requests
fail at once with that error until a save makes the code load again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from emulator.errors import EmuError
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
        self._mailbox: dict[asyncio.Future[Any], Begin] = {}

    def pause(self) -> None:
        """From now on events wait."""
        self.link = None
        self._book.suspend()

    def resume(self, link: Link) -> None:
        """This host serves; what waited goes first."""
        self.failure = None
        self._book.resume(link)
        self.link = link
        mailbox, self._mailbox = self._mailbox, {}
        for waiting, begin in mailbox.items():
            if waiting.done():
                continue
            try:
                waiting.set_result(begin(link))
            except EmuError as error:  # too large for a frame: its asker's trouble, not that of those behind it
                waiting.set_exception(error)
        for callback in self.on_resume:
            callback()

    def fail(self, error: dict[str, Any]) -> None:
        """There is no host, and waiting does not help."""
        self.failure = error
        mailbox, self._mailbox = self._mailbox, {}
        for waiting in mailbox:
            if not waiting.done():
                waiting.set_exception(NoHost(error))

    async def request(
        self, target: bytes, method: bytes, url: bytes, headers: RawHeaders, body: Body, *, upgrade: bool = False
    ) -> Outgoing:
        """Open a REQUEST at the host, now or when there is one. Raises NoHost or Overloaded."""
        if self.link is not None:
            return self.request_now(target, method, url, headers, body, upgrade=upgrade)
        # By then `link` is that host's (resume).
        exchange: Outgoing = await self._wait(lambda _: self.request_now(target, method, url, headers, body, upgrade=upgrade))
        return exchange

    def request_now(self, target: bytes, method: bytes, url: bytes, headers: RawHeaders, body: Body, *, upgrade: bool = False) -> Outgoing:
        """Open a REQUEST at the host that serves; there must be one (`link`)."""
        assert self.link is not None
        exchange = self.link.request(target, method, url, headers, body, upgrade=upgrade)
        if upgrade:
            self._book.expect(exchange.id, url.decode("latin-1"))
        return exchange

    async def call(self, op: str, **fields: Any) -> Any:
        """A CALL to the host and its result. Raises NoHost, Overloaded, RemoteError or LinkLost."""
        if self.link is not None:
            return await self.link.call(op, **fields)
        return await (await self._wait(lambda link: link.call(op, **fields)))

    async def _wait(self, begin: Begin) -> Any:
        """What `begin` gives, when there is a host; cancelled when its asker has gone meanwhile."""
        if self.failure is not None:
            raise NoHost(self.failure)
        if len(self._mailbox) >= MAX_WAITING:
            raise Overloaded(f"{MAX_WAITING} requests wait already for the agent's process")
        waiting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._mailbox[waiting] = begin
        try:
            return await waiting
        except asyncio.CancelledError:
            self._mailbox.pop(waiting, None)
            if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
                waiting.result().cancel()
            raise
