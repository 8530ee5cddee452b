"""WebSockets that user code opens to the outside: who may, and the end of all of them. What one of them does is in far_socket.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from emulator.gateway.journal import Journal
from emulator.gateway.late import late_import
from emulator.gateway.sockets import SocketBook
from emulator.wire.exchange import Incoming

if TYPE_CHECKING:
    from aiohttp import ClientSession


class OutgoingSockets:
    """Opens them. `close` ends all. `allows(url)` is the mode's word: a replay opens no socket at all (design 4.6)."""

    def __init__(self, book: SocketBook, journal: Journal, allows: Callable[[str], bool]) -> None:
        self._book = book
        self._allows = allows
        self._journal = journal
        self._session: ClientSession | None = None

    def open(self, incoming: Incoming) -> None:
        """Connect for this REQUEST, answer it with an upgrade or an error, then carry frames."""
        head = incoming.head
        assert head is not None
        if not self._allows(head.url):
            url = head.url.split("?", 1)[0]
            message = f"WebSocket to {url} denied: WebSockets are not recorded, and nothing leaves this machine now. Run with --ai live."
            self._journal.add("egress", method="GET", url=url, status=599, problem=message)
            incoming.fail({"name": "Error", "message": message, "props": {}})
            return
        task = incoming.link.spawn(self._carry(incoming))
        incoming.on_cancel = lambda reason: _cancel(task)

    async def close(self) -> None:
        """End the client's session."""
        if self._session is not None:
            await self._session.close()

    async def _carry(self, incoming: Incoming) -> None:
        # Importing aiohttp takes as long as starting everything else.
        await late_import("emulator.gateway.far_socket")
        from emulator.gateway.far_socket import FarSocket

        await FarSocket(self._book, incoming).run(self._client(), self._journal)

    def _client(self) -> ClientSession:
        if self._session is None:
            from aiohttp import ClientSession

            from emulator.gateway.far_socket import HandshakeResponse

            self._session = ClientSession(response_class=HandshakeResponse)
        return self._session


def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
