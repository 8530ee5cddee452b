"""The last part of a call: its answer passes to the caller, is counted, priced, kept for the cache, and logged when it has ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from emulator.gateway.ai.ai_gateway.cache import MOST_ENTRY_BYTES, Cached, cacheable
from emulator.gateway.ai.ai_gateway.entries import Entry
from emulator.gateway.ai.ai_gateway.logs import HEAD_BYTES, GatewayLogs, LogRow
from emulator.gateway.ai.ai_gateway.prices import Prices
from emulator.gateway.ai.ai_gateway.settings import Settings
from emulator.gateway.ai.ai_gateway.state import GatewayState
from emulator.gateway.ai.ai_gateway.usage import Tokens, UsageReader, tokens_of
from emulator.gateway.ai.bodies import End
from emulator.gateway.ai.reply import Reply, Source
from emulator.gateway.exchange import Headers

OUR_HEADERS = frozenset(
    f"cf-aig-{name}" for name in ("cache-status", "event-id", "log-id", "model", "provider", "request-id", "run-id", "step")
)
"""A model's answer may have come through another gateway; ours counts."""


@dataclass(slots=True)
class GatewayOutcome:
    """What happened to one call, for reports. The fields from `ended` on are filled when the answer's body has ended."""

    gateway: str
    request_id: str
    log_id: str
    provider: str = ""
    model: str = ""
    step: int = 0
    cached: bool = False
    run_id: str | None = None
    attempts: list[dict[str, Any]] = field(default_factory=list)
    """`{step, attempt, provider, model, status, ms, waited_ms, source, problem}`; `status` 0: no answer came, `problem` says why."""
    warnings: list[str] = field(default_factory=list)
    """What was clamped, dropped, or differs from live gateways; also in `reply.warnings`."""
    refusal: str | None = None
    """Why the answer is the gateway's own: an unknown gateway, a rate limit, a spend limit, a timeout, a broken route."""
    ended: bool = False
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """What every delivery needs. `clock_ms` is the clock of TTLs and windows."""

    logs: GatewayLogs
    prices: Prices
    clock_ms: Callable[[], float]


@dataclass(slots=True)
class Served:
    """What came of one step. `key` is the request's in the cache, empty where the cache takes no interest; `ttl_ms` for how long its
    answer may be kept; `hit` is what the cache gave."""

    reply: Reply
    entry: Entry
    settings: Settings
    step: int
    log_id: str
    created_ms: int
    started_ms: float
    succeeded: bool
    final: bool = False
    key: str = ""
    ttl_ms: int = 0
    hit: Cached | None = None
    attempts: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Origin:
    """The request as it came, for the log."""

    path: str
    body: bytes


class Delivery:
    """Looks on while the answer of one step passes. `spent` hears what it cost."""

    def __init__(
        self, desk: Desk, state: GatewayState, origin: Origin, served: Served, outcome: GatewayOutcome, spent: Callable[[float], None]
    ) -> None:
        self._desk = desk
        self._state = state
        self._origin = origin
        self._served = served
        self._outcome = outcome
        self._spent = spent
        response = served.reply.response
        self._content_type = response.header("content-type") or ""
        self._reader = UsageReader(self._content_type)
        self._count = 0
        self._size = 0
        self._head = b""
        self._keepable = bool(served.key) and self._may_be_kept()
        self._chunks: list[bytes] | None = [] if self._keepable and served.ttl_ms else None

    def seen(self, chunk: bytes) -> None:
        """A chunk passes."""
        self._count += 1
        self._size += len(chunk)
        if len(self._head) < HEAD_BYTES:
            self._head += chunk[: HEAD_BYTES - len(self._head)]
        self._reader.feed(chunk)
        if self._chunks is not None:
            self._chunks.append(chunk)
            if self._size > MOST_ENTRY_BYTES:
                self._chunks = None

    def ended(self, how: End, failure: Exception | None = None) -> None:
        """The body has ended: count, keep, log."""
        served, outcome, now_ms = self._served, self._outcome, self._desk.clock_ms()
        tokens = served.hit.tokens if served.hit is not None else tokens_of(served.reply.usage) or tokens_of(self._reader.usage)
        cost = self._cost(tokens)
        if cost:
            self._state.spending.add(served.settings.metadata, now_ms, cost)
            self._state.cost_usd += cost
            self._spent(cost)
        if how is End.COMPLETE and self._keepable and self._reader.finished:
            self._keep(tokens, now_ms)
        outcome.ended = True
        outcome.cost_usd = cost
        if tokens is not None:
            outcome.tokens_in, outcome.tokens_out = tokens.tokens_in, tokens.tokens_out
        if served.settings.collect_log:
            streamed = self._count > 1 or self._content_type.startswith("text/event-stream")
            visible_ms = now_ms + served.settings.log_delay_ms if streamed else 0
            self._desk.logs.add(outcome.gateway, self._row(tokens, cost, now_ms, how, streamed=streamed).document(), visible_ms)

    def _may_be_kept(self) -> bool:
        served = self._served
        source = served.reply.source
        if not served.succeeded or served.hit is not None or source in (Source.FAULT, Source.NONE):
            return False
        return cacheable(served.reply.response.status, served.reply.response.headers)

    def _cost(self, tokens: Tokens | None) -> float | None:
        served = self._served
        if served.hit is not None or not served.succeeded:
            return 0.0
        return self._desk.prices.cost(served.entry.model, tokens, served.settings.custom_cost)

    def _keep(self, tokens: Tokens | None, now_ms: float) -> None:
        served = self._served
        if not served.ttl_ms:
            self._state.seen.note(served.key, now_ms)
        if self._chunks is None:
            return
        headers = tuple(without_ours(served.reply.response.headers))
        streamed = not isinstance(served.reply.response.body, bytes)
        kept = Cached(served.reply.response.status, headers, tuple(self._chunks), streamed, now_ms + served.ttl_ms, tokens)
        self._state.cache.put(served.key, kept)

    def _row(self, tokens: Tokens | None, cost: float | None, now_ms: float, how: End, *, streamed: bool) -> LogRow:
        served, reply = self._served, self._served.reply
        return LogRow(
            id=served.log_id,
            request_id=self._outcome.request_id,
            provider=served.entry.provider,
            model=served.entry.model,
            path=self._origin.path,
            created_ms=served.created_ms,
            duration_ms=round(now_ms - served.started_ms),
            status=reply.response.status,
            streamed=streamed,
            request=self._origin.body,
            response_size=self._size,
            response_head=self._head,
            response_type=self._content_type,
            tokens=tokens,
            metadata=served.settings.metadata,
            cached=served.hit is not None,
            broken=how is End.BROKEN,
            step=served.step,
            cost_usd=cost,
            custom_cost=served.settings.custom_cost is not None,
            event_id=served.settings.event_id,
            payload=served.settings.collect_payload,
            source=str(reply.source),
            backend=reply.backend,
            recording=reply.recording,
            attempts=served.attempts,
            warnings=list(dict.fromkeys([*reply.warnings, *self._outcome.warnings])),
        )


def without_ours(headers: Headers) -> Headers:
    """The headers without those that a gateway sets."""
    return [(name, value) for name, value in headers if name.lower() not in OUR_HEADERS]
