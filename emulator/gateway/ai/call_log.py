"""The last calls that recordings, backends or faults had to do with: of the binding and outbound. What `ai/calls` and `ai explain` show."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from emulator.gateway.ai.canonical import ModelRequest
from emulator.gateway.ai.recorder.secret_patterns import masked_value

KEPT = 500

Report = Callable[[ModelRequest, dict[str, Any]], None]
"""Hears of a call when its answer has been read to the end or left: what was asked, and how it went (service.py, egress.py)."""


class CallLog:
    """Give `ended` to those who answer calls; every report goes on to `report`. Outbound requests that have nothing to do with models or
    recordings are passed on, not kept."""

    def __init__(self, report: Callable[[dict[str, Any]], None]) -> None:
        self._report = report
        self._calls: deque[tuple[ModelRequest, dict[str, Any]]] = deque(maxlen=KEPT)

    def ended(self, asked: ModelRequest, event: dict[str, Any]) -> None:
        """A call is over."""
        if event.get("model") or event.get("recording") or event.get("code"):
            self._calls.append((asked, event))
        self._report(event)

    def clear(self) -> None:
        """Forget them."""
        self._calls.clear()

    def calls(self) -> list[dict[str, Any]]:
        """The reports of the last calls, oldest first; what looks like a secret is masked."""
        return [masked_value(event) for _, event in self._calls]

    def call(self, request_id: str) -> tuple[ModelRequest, dict[str, Any]] | None:
        """What was asked and the report, masked, of one of the last calls: by its request id or its log id, `last` for the latest."""
        calls = reversed(self._calls)
        known = (call for call in calls if request_id in ("last", call[1]["request_id"], call[1].get("log_id")))
        return next(((asked, masked_value(event)) for asked, event in known), None)
