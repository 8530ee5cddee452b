"""Which object databases hold an open file: a bounded pool, so that thousands of objects need few descriptors.

The least recently used database that has no transaction under way is closed to make room and reopens itself when it
is next touched (design.md 4.2). One pool serves one host process.
"""

from __future__ import annotations

from typing import Protocol


class Closable(Protocol):
    """What the pool knows about a database."""

    @property
    def busy(self) -> bool:
        """True while closing would lose work (a transaction is open)."""
        ...

    def release(self) -> None:
        """Give the open file back; the next access opens it again."""
        ...


class OpenFiles:
    """At most `limit` idle databases stay open. Databases inside a transaction never count as victims."""

    def __init__(self, limit: int = 256) -> None:
        self.limit = limit
        self.newest: Closable | None = None
        self._open: dict[Closable, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def touch(self, database: Closable) -> None:
        """`database` is about to be used: it becomes the most recently used one, and an old one may have to go."""
        self._open.pop(database, None)
        self._open[database] = None
        self.newest = database
        if len(self._open) > self.limit:
            self._make_room()

    def forget(self, database: Closable) -> None:
        """`database` has no open file any more."""
        self._open.pop(database, None)
        if self.newest is database:
            self.newest = None

    def _make_room(self) -> None:
        for database in [*self._open]:  # releasing forgets
            if len(self._open) <= self.limit:
                return
            if database is not self.newest and not database.busy:
                database.release()

    def close_all(self) -> None:
        """Give every file back (the host ends)."""
        for database in [*self._open]:  # releasing forgets
            database.release()
