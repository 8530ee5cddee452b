"""Why an object stays in memory, and what would become of it without each reason (S-97 to S-99; story E7). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def explained(found: Sequence[Any], *, now_ms: int, idle_ms: int, hibernatable: bool) -> list[dict[str, Any]]:
    """A host's reasons (`{what, text, where, since_ms}`) with `awake_ms`, how long each has held, and `without`, what would happen if that
    one were not there. `hibernatable`: the object has sockets that survive it."""
    reasons = [dict(reason) for reason in found]
    for number, reason in enumerate(reasons, 1):
        since_ms = reason.get("since_ms")
        reason["awake_ms"] = None if since_ms is None else max(now_ms - since_ms, 0)
        reason["without"] = _without(number, len(reasons), idle_ms, hibernatable)
    return reasons


def _without(number: int, count: int, idle_ms: int, hibernatable: bool) -> str:
    others = [str(other) for other in range(1, count + 1) if other != number]
    if not others:
        return f"it {'hibernates' if hibernatable else 'leaves memory'} {idle_ms / 1000:g} s later"
    if len(others) > 2:
        return f"{len(others)} others keep it awake"
    return f"{' and '.join(others)} {'keeps' if len(others) == 1 else 'keep'} it awake"
