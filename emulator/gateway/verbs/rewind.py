"""The verb that sets the server back to its start (gateway/rewind.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from emulator.errors import UsageError
from emulator.gateway.verbs.route import Call, Route

if TYPE_CHECKING:
    from emulator.gateway.rewind import Rewind


class RewindVerbs:
    """`POST rewind`. `rewind` is None on the real clock."""

    def __init__(self, rewind: Rewind | None) -> None:
        self._rewind = rewind

    def routes(self) -> Sequence[Route]:
        """Where it is."""
        return [Route("POST", "rewind", self.rewind, whole=True)]

    async def rewind(self, call: Call) -> Any:
        """Begin anew: `{"discard": true}` also removes objects that the server did not make."""
        discard = call.body.get("discard", False)
        if not isinstance(discard, bool) or set(call.body) - {"discard"}:
            raise UsageError("E227", 'a rewind is {"discard": true or false}, or nothing')
        if self._rewind is None:
            hint = "start with agents-emu dev --clock virtual"
            raise UsageError("E270", "the clock is the machine's: it does not go back", hint=hint)
        outcome = await self._rewind(discard=discard)
        return {"ms": outcome.ms, "error": outcome.error}
