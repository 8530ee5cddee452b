"""What one turn of an object uses of its storage. It travels in a context variable, so what the turn starts is counted with it."""

from __future__ import annotations

import contextvars


class Usage:
    """`rows_written` counts rows, not the entries of indexes that the platform bills besides; a key of `ctx.storage` is no row of these."""

    __slots__ = ("commits", "rows_read", "rows_written", "statements")

    commits: int
    rows_read: int
    rows_written: int
    statements: int


current_usage: contextvars.ContextVar[Usage | None] = contextvars.ContextVar("emulator_usage", default=None)
