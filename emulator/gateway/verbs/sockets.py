"""Verbs on the clients' sockets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from emulator.core.sockets import close_code_error, close_reason_error
from emulator.errors import UsageError
from emulator.gateway.sockets import SocketBook
from emulator.gateway.verbs.route import Route

_DIGITS = re.compile(r"[0-9]{1,18}")


class SocketVerbs:
    """`GET sockets`, `POST sockets/{id}/drop`."""

    def __init__(self, book: SocketBook) -> None:
        self._book = book

    def routes(self) -> Sequence[Route]:
        """Where they are."""
        return [
            Route("GET", "sockets", lambda call: self.sockets()),
            Route("POST", "sockets/{id}/drop", lambda call: self.drop(call.parts["id"], call.body)),
        ]

    async def sockets(self) -> Any:
        """Every open client socket."""
        return {"sockets": list(self._book.describe())}

    async def drop(self, ident: str, body: Mapping[str, Any]) -> Any:
        """End one: `{"mode": "close"|"reset", "code", "reason"}`; a close sends a Close frame, a reset sends nothing."""
        socket = self._book.sockets.get(int(ident)) if _DIGITS.fullmatch(ident) else None
        if socket is None or socket.transport is None:
            raise UsageError("E228", f"there is no open socket {ident}", hint="GET sockets lists them")
        mode, code, reason = body.get("mode", "close"), body.get("code", 1001), body.get("reason", "")
        if mode not in ("close", "reset") or not isinstance(code, int) or not isinstance(reason, str):
            raise UsageError("E227", 'a drop is {"mode": "close" or "reset", "code": number, "reason": text}')
        problem = close_code_error(code) or close_reason_error(code, reason)
        if problem:
            raise UsageError("E227", problem)
        self._book.drop(socket, mode, code, reason)
        return {"dropped": socket.id}
