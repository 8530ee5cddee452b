"""Makes the connections that libraries are given."""

from __future__ import annotations

from emulator.hosts.python.network.peer import Peer, Send
from emulator.hosts.python.network.waiting import Waiting


class Dialer:
    """`send` takes each request of the running code; `waiting` is for synchronous libraries."""

    def __init__(self, send: Send, waiting: Waiting) -> None:
        self._send = send
        self.waiting = waiting

    def dial(self, host: str, port: int, *, secure: bool) -> Peer:
        """A connection to `host`; nothing leaves before a request is written."""
        return Peer(self._send, host.strip("[]"), int(port), secure=secure)
