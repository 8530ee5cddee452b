"""What one turn of an object uses of its storage. It travels in a context variable, so what the turn starts is counted with it; the turn
itself does not, because what it started may live long, and would keep its request and its caller in memory."""

from __future__ import annotations

import contextvars


class Usage:
    """`rows_written` counts rows, not the entries of indexes that the platform bills besides; a key of `ctx.storage` is no row of these."""

    __slots__ = ("commits", "rows_read", "rows_written", "statements")

    def __init__(self) -> None:
        self.commits = self.rows_read = self.rows_written = self.statements = 0


current_usage: contextvars.ContextVar[Usage | None] = contextvars.ContextVar("emulator_usage", default=None)
