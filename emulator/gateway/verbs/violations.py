"""What the checker of resumable streams has found (gateway/stream_checker.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emulator.core.stream_violations import explain
from emulator.gateway.stream_checker import StreamWatch
from emulator.gateway.verbs.route import Call, Route


class ViolationVerbs:
    """`GET violations`."""

    def __init__(self, watch: StreamWatch) -> None:
        self._watch = watch

    def routes(self) -> Sequence[Route]:
        """Where they are."""
        return [Route("GET", "violations", self.all)]

    async def all(self, call: Call) -> dict[str, Any]:
        """`violations` were seen; `unfinished` become some if nothing comes any more; `explanations` tell each code among them."""
        seen, unfinished = list(self._watch.violations), self._watch.unfinished()
        codes = sorted({str(row["code"]) for row in (*seen, *unfinished)})
        return {"violations": seen, "unfinished": unfinished, "explanations": {code: explain(code) for code in codes}}
