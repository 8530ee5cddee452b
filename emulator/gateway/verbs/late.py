"""The verbs of a server, imported and made when the first is asked for: a start does not wait for them, and many sessions need none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from emulator.gateway.late import late_import

if TYPE_CHECKING:
    from emulator.gateway.verbs.all import Verbs
    from emulator.gateway.verbs.nouns import Nouns


class LateVerbs:
    """Await it for the verbs, the same ones each time. `nouns` is asked once."""

    def __init__(self, nouns: Callable[[], Nouns]) -> None:
        self._nouns = nouns
        self._made: Verbs | None = None

    async def __call__(self) -> Verbs:
        """Streams go on while they are imported."""
        if self._made is None:
            await late_import("emulator.gateway.verbs.making")
            from emulator.gateway.verbs.making import make

            # Who asked at the same time may have been first.
            self._made = self._made or make(self._nouns())
        return self._made
