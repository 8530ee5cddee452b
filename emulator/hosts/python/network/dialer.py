"""Makes the connections that libraries are given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.hosts.python.network.waiting import Waiting

if TYPE_CHECKING:
    from emulator.hosts.python.network.peer import Peer, Send


class Dialer:
    """`send` takes each request of the running code; `waiting` is for synchronous libraries."""

    def __init__(self, send: Send, waiting: Waiting) -> None:
        self._send = send
        self.waiting = waiting

    def dial(self, host: str, port: int, *, secure: bool) -> Peer:
        """A connection to `host`; nothing leaves before a request is written."""
        # Loaded with the first connection: no start shall wait for it.
        from emulator.hosts.python.network.peer import Peer

        return Peer(self._send, host.strip("[]"), int(port), secure=secure)
