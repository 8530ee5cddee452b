"""A model call's way through an AI gateway: limits, cache, entries with retries and fallback, the log (ai-binding.md 3.3).

`run` is given the call as it came and a `leg`: what asks a model once, without any gateway. Everything between is decided here.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.config.ai import AiConfig
from emulator.gateway.ai.canonical import ModelRequest
from emulator.gateway.ai.replay import Pacer
from emulator.gateway.ai.reply import Reply
from emulator.gateway.exchange import Response

Leg = Callable[[ModelRequest, int], Awaitable[Reply]]
"""Asks one model once: the request (for the universal endpoint one with a single entry) and the step it belongs to, from 0. It may
raise NetworkFailure, which counts as a failed attempt. Cancelled when a timeout strikes or the caller leaves."""


@dataclass(slots=True)
class GatewayOutcome:
    """What happened to one call, for reports. The fields after `warnings` are filled when the answer's body has ended."""

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
    """What was clamped, dropped, or differs from live gateways; for the terminal and `x-emulator-warnings`."""
    refusal: str | None = None
    """Why no model was asked: an unknown gateway, a rate limit, a spend limit."""
    ended: bool = False
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None


class AiGateway:
    """All gateways of one server. `now_ms` is the wall clock (log entries); every wait and every window goes by `pacer`. `seed` makes
    percentage nodes of dynamic routes repeatable."""

    def __init__(
        self,
        config: AiConfig,
        pacer: Pacer,
        *,
        now_ms: Callable[[], int],
        entropy: Callable[[int], bytes] = os.urandom,
        seed: int = 0,
    ) -> None:
        self._config = config
        self._pacer = pacer
        self._now_ms = now_ms
        self._entropy = entropy
        self._seed = seed

    async def run(
        self,
        asked: ModelRequest,
        leg: Leg,
        *,
        gateway_id: str,
        raw_body: bytes,
        path: str,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[Reply, GatewayOutcome]:
        """The answer to `asked`, which came with `headers` (lower-case) to `path` of the gateway `gateway_id`.

        Never raises for what a model, a rule or the caller's settings do: refusals are replies in the gateway's envelope, with source
        NONE. The reply carries the `cf-aig-*` headers; the log entry is written when its body has been read or closed, so it must be.

        `asked` is RUN or STREAM_INPUT (settings in `asked.gateway`), UNIVERSAL (an array of entries) or GATEWAY_HTTP (the public
        address; settings in `headers`). A leg of the universal endpoint gets a UNIVERSAL request with one entry, any other the request
        itself, with the model that a dynamic route chose in its place.

        A fault that drops the caller's connection belongs around this reply, not around the leg: a run with a run id is read to its end
        behind the caller's back, and a torn leg would tear the kept copy too.
        """
        raise NotImplementedError

    async def resume(self, gateway_id: str, run_id: str, from_event: int) -> Response:
        """`GET /ai-gateway/gateways/{gw}/run/{runId}/resume?from=N`: the stream from its event N on, live while it still runs; 404 when
        the run is unknown or expired."""
        raise NotImplementedError

    def expire_runs(self) -> None:
        """Forget all kept runs, as if 5.5 minutes had passed (the fault `resume_expired`)."""
        raise NotImplementedError

    def get_log(self, gateway_id: str, log_id: str) -> dict[str, Any] | None:
        """A log entry as `getLog` gives it; None when there is none, or not yet (`log_delay_ms`)."""
        raise NotImplementedError

    def patch_log(self, gateway_id: str, log_id: str, change: Mapping[str, Any]) -> bool:
        """Set `score`, `feedback`, `metadata`. False when there is no such entry; ValueError for a bad value."""
        raise NotImplementedError

    def list_logs(self, gateway_id: str | None = None, *, limit: int = 50) -> list[dict[str, Any]]:
        """The last entries, newest first, each with its `gateway`."""
        raise NotImplementedError

    def status(self) -> list[dict[str, Any]]:
        """For the control API, one row for each gateway in use or configured: `{gateway, configured, requests, cached, cost_usd,
        cache_entries, cache_bytes, logs, rate_limit, spend_limits, dynamic_routes}`."""
        raise NotImplementedError

    def reset(self, gateway_id: str | None = None) -> None:
        """Forget the cache, counters, logs and runs of one gateway, or of all."""
        raise NotImplementedError

    async def close(self) -> None:
        """End what still reads from models for the sake of resuming."""
        raise NotImplementedError
