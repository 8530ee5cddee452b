"""AI Gateway's log, kept in memory: one entry per request through a gateway (ai-binding.md 3.3 "Log fields"). Bounded, oldest out."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PATCHABLE = ("score", "feedback", "metadata")


def log_id(now_ms: int, entropy: bytes) -> str:
    """An id as the real ones look: 26 characters, ten of time and sixteen from `entropy` (10 bytes)."""
    number = (now_ms << 80) | int.from_bytes(entropy[:10], "big")
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


class GatewayLogs:
    """Entries by gateway and log id; at most `limit`."""

    def __init__(self, limit: int = 1000) -> None:
        self._limit = limit
        self._entries: OrderedDict[tuple[str, str], dict[str, Any]] = OrderedDict()

    def add(self, gateway: str, entry: dict[str, Any]) -> None:
        """Keep `entry`, whose `id` is the log id."""
        self._entries[gateway, entry["id"]] = entry
        while len(self._entries) > self._limit:
            self._entries.popitem(last=False)

    def get(self, gateway: str, entry_id: str) -> dict[str, Any] | None:
        """The entry, or None."""
        return self._entries.get((gateway, entry_id))

    def patch(self, gateway: str, entry_id: str, change: Mapping[str, Any]) -> bool:
        """Set `score`, `feedback` and `metadata` where given. False when there is no such entry; ValueError for a bad value."""
        entry = self.get(gateway, entry_id)
        if entry is None:
            return False
        if change.get("feedback") not in (None, -1, 1):
            raise ValueError("feedback must be -1, 1 or null")
        if change.get("score") is not None and not isinstance(change["score"], int | float):
            raise ValueError("score must be a number or null")
        entry.update({name: change[name] for name in _PATCHABLE if name in change})
        return True


def log_entry(
    *,
    entry_id: str,
    provider: str,
    model: str,
    path: str,
    created_ms: int,
    duration_ms: int,
    status: int,
    streamed: bool,
    request: bytes,
    response_size: int,
    response_head: bytes,
    response_type: str,
    usage: Mapping[str, Any] | None,
    metadata: Any,
) -> dict[str, Any]:
    """One entry in the service's own field names; heads are the first 512 bytes."""
    tokens = usage or {}
    return {
        "id": entry_id,
        "provider": provider,
        "model": model,
        "path": path,
        "duration": duration_ms,
        "request_type": "stream" if streamed else "universal",
        "request_content_type": "application/json",
        "status_code": status,
        "response_content_type": response_type,
        "success": 200 <= status < 300,
        "cached": False,
        "tokens_in": tokens.get("prompt_tokens", tokens.get("input_tokens", 0)),
        "tokens_out": tokens.get("completion_tokens", tokens.get("output_tokens", 0)),
        "metadata": metadata,
        "step": 0,
        "cost": 0,
        "request_size": len(request),
        "request_head": request[:512].decode("utf-8", "replace"),
        "request_head_complete": len(request) <= 512,
        "response_size": response_size,
        "response_head": response_head[:512].decode("utf-8", "replace"),
        "response_head_complete": response_size <= 512,
        "created_at": datetime.fromtimestamp(created_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


def metadata_of(value: Any) -> Any:
    """The metadata a log keeps: five entries at most, and nothing at all when one value is null or an object (ai-binding.md 3.3).
    `value` is an object, or its JSON from the `cf-aig-metadata` header."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    if not isinstance(value, dict) or any(entry is None or isinstance(entry, dict | list) for entry in value.values()):
        return None
    return dict(list(value.items())[:5])
