"""AI Gateway's log, kept in memory: an entry for each step of each request (ai-binding.md 3.3 "Log fields"). Bounded, oldest out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from emulator.gateway.ai.ai_gateway.usage import Tokens

HEAD_BYTES = 512
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PATCHABLE = ("score", "feedback", "metadata")


def log_id(now_ms: int, entropy: bytes, step: int = 0) -> str:
    """An id as the real ones look: 26 characters, ten of time and sixteen from `entropy` (10 bytes). Later steps of a request have the
    ids that follow."""
    number = ((now_ms << 80) | int.from_bytes(entropy[:10], "big")) + step
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


@dataclass(frozen=True, slots=True)
class LogRow:
    """What an entry is made from. `payload` False: sizes are kept but no text (`cf-aig-collect-log-payload: false`)."""

    id: str
    request_id: str
    provider: str
    model: str
    path: str
    created_ms: int
    duration_ms: int
    status: int
    streamed: bool
    request: bytes
    response_size: int
    response_head: bytes
    response_type: str
    tokens: Tokens | None = None
    metadata: Any = None
    cached: bool = False
    broken: bool = False
    """The answer's body broke in the middle."""
    step: int = 0
    cost_usd: float | None = None
    custom_cost: bool = False
    event_id: str | None = None
    payload: bool = True
    source: str | None = None
    backend: str | None = None
    recording: str | None = None
    attempts: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """The entry in the service's own field names, then ours: `request_id`, `event_id`, `attempts`, `warnings` and who answered. An
        unknown cost is 0, as in the dashboard."""
        tokens = self.tokens or Tokens()
        request_head, response_head = self.request[:HEAD_BYTES], self.response_head[:HEAD_BYTES]
        return {
            "id": self.id,
            "provider": self.provider,
            "model": self.model,
            "path": self.path,
            "duration": self.duration_ms,
            "request_type": "stream" if self.streamed else "universal",
            "request_content_type": "application/json",
            "status_code": self.status,
            "response_content_type": self.response_type,
            "success": 200 <= self.status < 300 and not self.broken,
            "cached": self.cached,
            "tokens_in": tokens.tokens_in,
            "tokens_out": tokens.tokens_out,
            "metadata": self.metadata,
            "step": self.step,
            "cost": self.cost_usd or 0,
            "custom_cost": self.custom_cost,
            "request_size": len(self.request),
            "request_head": request_head.decode("utf-8", "replace") if self.payload else None,
            "request_head_complete": self.payload and len(self.request) <= HEAD_BYTES,
            "response_size": self.response_size,
            "response_head": response_head.decode("utf-8", "replace") if self.payload else None,
            "response_head_complete": self.payload and self.response_size <= HEAD_BYTES,
            "created_at": datetime.fromtimestamp(self.created_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "request_id": self.request_id,
            "event_id": self.event_id,
            "source": self.source,
            "backend": self.backend,
            "recording": self.recording,
            "attempts": self.attempts,
            "warnings": self.warnings,
        }


@dataclass(slots=True)
class _Kept:
    entry: dict[str, Any]
    visible_ms: float


class GatewayLogs:
    """Entries by gateway and log id; at most `limit`. An entry may be hidden for a while after its request has ended, as on the real
    service (`log_delay_ms`)."""

    def __init__(self, limit: int = 1000) -> None:
        self._limit = limit
        self._entries: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

    def add(self, gateway: str, entry: dict[str, Any], visible_ms: float = 0) -> None:
        """Keep `entry`, whose `id` is the log id, and show it from `visible_ms` on."""
        self._entries[gateway, entry["id"]] = _Kept(entry, visible_ms)
        while len(self._entries) > self._limit:
            self._entries.popitem(last=False)

    def get(self, gateway: str, entry_id: str, now_ms: float = float("inf")) -> dict[str, Any] | None:
        """The entry, or None."""
        kept = self._entries.get((gateway, entry_id))
        return None if kept is None or now_ms < kept.visible_ms else kept.entry

    def patch(self, gateway: str, entry_id: str, change: Mapping[str, Any], now_ms: float = float("inf")) -> bool:
        """Set `score`, `feedback` and `metadata` where given. False when there is no such entry; ValueError for a bad value."""
        entry = self.get(gateway, entry_id, now_ms)
        if entry is None:
            return False
        if change.get("feedback") not in (None, -1, 1):
            raise ValueError("feedback must be -1, 1 or null")
        if change.get("score") is not None and not isinstance(change["score"], int | float):
            raise ValueError("score must be a number or null")
        entry.update({name: change[name] for name in _PATCHABLE if name in change})
        return True

    def last(self, gateway: str | None, limit: int) -> list[dict[str, Any]]:
        """The last entries, newest first, with their `gateway`; hidden ones too."""
        found: list[dict[str, Any]] = []
        for (name, _), kept in reversed(self._entries.items()):
            if len(found) >= limit:
                break
            if gateway in (None, name):
                found.append({"gateway": name, **kept.entry})
        return found

    def count(self, gateway: str) -> int:
        """Entries of one gateway."""
        return sum(1 for name, _ in self._entries if name == gateway)

    def clear(self, gateway: str | None = None) -> None:
        """Forget the entries of one gateway, or all."""
        for key in [key for key in self._entries if gateway in (None, key[0])]:
            del self._entries[key]
