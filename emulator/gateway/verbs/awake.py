"""The verb that says why an object stays in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emulator.gateway.clocks import Clock
from emulator.gateway.sockets import SocketBook
from emulator.gateway.verbs.asking import HostAsker, ObjectNames
from emulator.gateway.verbs.route import Route
from emulator.gateway.wakefulness import explained


class AwakeVerbs:
    """`GET objects/{class}/{name}/awake`. `idle_ms` is how long an object is quiet before it goes."""

    def __init__(self, ask: HostAsker, names: ObjectNames, book: SocketBook, clock: Clock, idle_ms: int) -> None:
        self._ask = ask
        self._names = names
        self._book = book
        self._clock = clock
        self._idle_ms = idle_ms

    def routes(self) -> Sequence[Route]:
        """Where they are."""
        return [Route("GET", "objects/{class}/{name}/awake", lambda call: self.awake(*call.object))]

    async def awake(self, class_name: str, name: str) -> Any:
        """What holds the object in memory (wakefulness.py); empty when nothing does, or when it is not there."""
        ident = self._names.id(class_name, name)
        found = await self._ask("awake", **{"class": class_name, "id": ident})
        hibernatable = bool(self._book.of(class_name, ident))
        return explained(found, now_ms=self._clock.now_ms(), idle_ms=self._idle_ms, hibernatable=hibernatable)
