"""Who hears of entries while they are made: readers of entries by kind, and watchers of frames, who get what was given."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Entry = dict[str, Any]
Reader = Callable[[Entry], None]
FrameWatcher = Callable[[int, bool, bool, bytes], None]
"""Is told of a frame: the socket's id, whether it goes out to the client, whether it is binary, its whole payload. Secrets are in it."""


class Readers:
    """Readers by the kind they want; an entry that nobody wants is not made."""

    def __init__(self) -> None:
        self.everything: list[_Joined] = []
        """Who wants all kinds."""
        self.kinds: dict[str, list[_Joined]] = {}
        """Who wants a kind that somebody asked for, with those who want all."""

    def of(self, kind: str) -> list[_Joined]:
        """Who may want this kind, in the order in which they came."""
        return self.kinds.get(kind, self.everything)

    def join(self, reader: Reader, kinds: Iterable[str] | None, when: Callable[[], bool] | None) -> Callable[[], None]:
        """From now on `reader` hears of these kinds, of all without, while `when()` holds; gives the function that ends it."""
        joined = _Joined(reader, when)
        if kinds is None:
            lists = [self.everything, *self.kinds.values()]
        else:
            lists = [self.kinds.setdefault(kind, list(self.everything)) for kind in kinds]
        for readers in lists:
            readers.append(joined)

        def leave() -> None:
            for readers in (self.everything, *self.kinds.values()):
                if joined in readers:
                    readers.remove(joined)

        return leave


class _Joined:
    def __init__(self, reader: Reader, when: Callable[[], bool] | None) -> None:
        self.reader = reader
        self.when = when
