"""What one turn of an object used of its storage. The turn travels in a context variable, so what it starts is counted with it."""

from __future__ import annotations

import contextvars


class Usage:
    """`rows_written` counts rows, not the entries of indexes that the platform bills besides; a key of `ctx.storage` is a row."""

    __slots__ = ("commits", "rows_read", "rows_written", "statements")

    def __init__(self) -> None:
        self.commits = 0
        self.rows_read = 0
        self.rows_written = 0
        self.statements = 0


current_usage: contextvars.ContextVar[Usage | None] = contextvars.ContextVar("emulator_usage", default=None)
