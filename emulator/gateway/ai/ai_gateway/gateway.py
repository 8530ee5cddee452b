"""A model call's way through an AI gateway: limits, cache, entries with retries and fallback, the log (ai-binding.md 3.3).

`AiGateway.run` is given the call as it came and a `leg`: what asks a model once, without any gateway. The order of the rules: rate limit;
then for each entry, until one answers: its cache, the spend limits (a hit costs nothing, so it is served over them), its attempts.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from emulator.config.ai import AiConfig, CachePolicy, GatewayConfig
from emulator.gateway.ai.ai_gateway import refusals
from emulator.gateway.ai.ai_gateway.attempts import Leg, drain, try_entry
from emulator.gateway.ai.ai_gateway.cache import IMPLICIT_TTL_S, Cached, cache_key, ttl_ms
from emulator.gateway.ai.ai_gateway.course import Course
from emulator.gateway.ai.ai_gateway.delivery import Delivery, Desk, GatewayOutcome, Origin, Served, without_ours
from emulator.gateway.ai.ai_gateway.entries import DYNAMIC, Entry, entries_of
from emulator.gateway.ai.ai_gateway.logs import GatewayLogs, log_id
from emulator.gateway.ai.ai_gateway.prices import Prices
from emulator.gateway.ai.ai_gateway.run_ids import RunKeeper
from emulator.gateway.ai.ai_gateway.settings import Settings, merge
from emulator.gateway.ai.ai_gateway.state import GatewayState
from emulator.gateway.ai.bodies import End, WatchedBody
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.replay import Pacer
from emulator.gateway.ai.reply import Reply, Source
from emulator.gateway.exchange import Response

__all__ = ["AiGateway", "GatewayOutcome", "Leg"]

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class _Call:
    """One call on its way."""

    asked: ModelRequest
    state: GatewayState
    course: Course
    outcome: GatewayOutcome
    origin: Origin
    leg: Leg


class AiGateway:
    """All gateways of one server. `now_ms` is the wall clock (log entries); every wait, TTL and window goes by `pacer`. `seed` makes
    percentage nodes of dynamic routes repeatable.

    Which gateways exist: without any `[ai.gateways]`, every id, so that code runs unchanged before anything is configured (even the
    `{gateway_id}` that people copy from the documentation). As soon as one is declared, the ids that are not are 2001 as on the real
    service, except `default`, which creates itself there: whoever lists their gateways wants to hear of a misspelt one here.
    """

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
        self._origin_ms = now_ms() - pacer.now_ms()
        self._states: dict[str, GatewayState] = {}
        self._logs = GatewayLogs()
        self._runs = RunKeeper(pacer)
        self._desk = Desk(self._logs, Prices(config.prices), self._clock_ms)

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

        `asked` is RUN or STREAM_INPUT (settings in `asked.gateway`), UNIVERSAL (an array of entries) or GATEWAY_HTTP (a public address;
        settings in `headers`). A leg of the universal endpoint gets a UNIVERSAL request with one entry, any other the request itself. For
        a model of a dynamic route the leg is an entry of the provider `compat` whose query names `provider/model` (for GATEWAY_HTTP the
        request itself with that model): public_urls.native_call knows where it goes.

        A fault that drops the caller's connection belongs around this reply, not around the leg: a run with a run id is read to its end
        behind the caller's back, and a torn leg would tear the kept copy too.
        """
        request_id = log_id(self._now_ms(), self._entropy(10))
        outcome = GatewayOutcome(gateway_id, request_id, request_id)
        state = self._state(gateway_id)
        if state is None:
            return self._unknown(outcome), outcome
        sent = {**asked.headers, **(headers or {})}
        entries = entries_of(asked, sent)

        def settings_of(entry: Entry) -> Settings:
            settings, warnings = merge(
                state.config, options=asked.gateway, headers=sent, entry_headers=entry.headers, entry_config=entry.config
            )
            outcome.warnings += [warning for warning in warnings if warning not in outcome.warnings]
            return settings

        course = Course(entries, settings_of, state, sent, self._clock_ms)
        call = _Call(asked, state, course, outcome, Origin(path, raw_body), leg)
        state.requests += 1
        if state.admits(self._clock_ms()):
            served = await self._serve(call)
        else:
            served, course.refusal = None, refusals.RATE_LIMITED
        if served is None:
            served = self._refused(call, entries[0], settings_of(entries[0]))
        return self._deliver(call, served), outcome

    async def resume(self, gateway_id: str, run_id: str, from_event: int) -> Response:
        """`GET /ai-gateway/gateways/{gw}/run/{runId}/resume?from=N`: the stream from its event N on, live while it still runs; 404 when
        the run is unknown or expired."""
        return self._runs.resume(gateway_id, run_id, max(0, from_event))

    def get_log(self, gateway_id: str, log_id: str) -> dict[str, Any] | None:
        """A log entry as `getLog` gives it; None when there is none, or not yet (`log_delay_ms`)."""
        return self._logs.get(gateway_id, log_id, self._clock_ms())

    def patch_log(self, gateway_id: str, log_id: str, change: Mapping[str, Any]) -> bool:
        """Set `score`, `feedback`, `metadata`. False when there is no such entry; ValueError for a bad value."""
        return self._logs.patch(gateway_id, log_id, change, self._clock_ms())

    def list_logs(self, gateway_id: str | None = None, *, limit: int = 50) -> list[dict[str, Any]]:
        """The last entries, newest first, each with its `gateway`."""
        return self._logs.last(gateway_id, limit)

    def status(self) -> list[dict[str, Any]]:
        """For the control API, one row for each gateway in use or configured: `{gateway, configured, requests, cached, refused, cost_usd,
        cache_entries, cache_bytes, logs, rate_limit, spend_limits, dynamic_routes}`."""
        for name in self._config.gateways:
            self._state(name)
        return [state.status(self._logs.count(name)) for name, state in sorted(self._states.items())]

    def reset(self, gateway_id: str | None = None) -> None:
        """Forget the cache, counters, logs and runs of one gateway, or of all."""
        for name, state in self._states.items():
            if gateway_id in (None, name):
                state.clear()
        self._logs.clear(gateway_id)
        self._runs.clear(gateway_id)

    def restart(self) -> None:
        """A new session: caches, counters and limits begin anew, so that it does not depend on what was before. Logs and runs stay."""
        for state in self._states.values():
            state.clear()

    async def close(self) -> None:
        """End what still reads from models for the sake of resuming."""
        await self._runs.close()

    def _clock_ms(self) -> float:
        """Milliseconds since 1970 when the server began, moved on by the pacer's clock: windows are aligned to real minutes, and stand
        still when the pacer does."""
        return self._origin_ms + self._pacer.now_ms()

    def _state(self, gateway_id: str) -> GatewayState | None:
        declared = self._config.gateways
        if declared and gateway_id != DEFAULT and gateway_id not in declared:
            return None
        if gateway_id not in self._states:
            config = declared.get(gateway_id, GatewayConfig(gateway_id))
            self._states[gateway_id] = GatewayState(config, configured=gateway_id in declared, seed=self._seed)
        return self._states[gateway_id]

    async def _serve(self, call: _Call) -> Served | None:
        """The step whose answer the caller gets; None when the course refuses."""
        candidates = call.course.candidates()
        candidate = next(candidates, None)
        best: Served | None = None
        step = 0
        while candidate is not None:
            served = await self._step(call, *candidate, step)
            ours = served.final and not served.succeeded
            keeps = best is not None and best.succeeded and not served.succeeded and not ours
            best, dropped = (best, served) if keeps else (served, best)
            if dropped is not None:
                await self._drop(call, dropped)
            if ours:
                return served
            try:
                candidate = candidates.send(served.succeeded)
            except StopIteration:
                break
            if not served.succeeded:
                await drain(served.reply)
            step += 1
        if best is None or best.succeeded or call.course.refusal is None:
            return best
        await self._drop(call, best)
        return None

    async def _step(self, call: _Call, entry: Entry, settings: Settings, step: int) -> Served:
        """One candidate: its cache, the spend limits, its attempts."""
        state, outcome = call.state, call.outcome
        started_ms, created_ms = self._clock_ms(), self._now_ms()
        ttl = ttl_ms(settings, entry.provider)
        key = cache_key(entry, settings) if ttl or self._may_differ(state, entry) else ""

        def served(reply: Reply, **more: Any) -> Served:
            entry_id = self._step_id(call, created_ms, step)
            return Served(reply, entry, settings, step, entry_id, created_ms, started_ms, key=key, ttl_ms=ttl, **more)

        if not settings.skip_cache:
            hit = state.cache.get(key, started_ms) if ttl else None
            if hit is not None:
                if not settings.cache_ttl_s and settings.cache_key is None:
                    outcome.warnings.append("cached although the TTL is 0: live gateways were seen to do so, the documentation says no")
                return served(self._from_cache(hit), succeeded=True, final=True, hit=hit)
            if key and not ttl and state.seen.differs(key, started_ms):
                outcome.warnings.append(
                    f"the same request came twice within {IMPLICIT_TTL_S} s without cacheTtl: live gateways were seen to answer the second "
                    'from their cache; set skipCache, or cache = "observed" to see it here'
                )
        rule = state.spending.breached(settings.metadata, started_ms)
        if rule is not None:
            refusal = refusals.spend_limited(rule)
            outcome.refusal = str(refusal)
            return served(refusal.reply(), succeeded=False)
        tried = await try_entry(entry, step, settings, call.leg, self._pacer)
        attempts = [attempt.document(step, entry) for attempt in tried.attempts]
        outcome.attempts += attempts
        reply = tried.reply
        if reply is None:
            problem = tried.problem or "no answer"
            refusal = refusals.timed_out(problem) if tried.timed_out else refusals.unreachable(problem)
            outcome.refusal, reply = str(refusal), refusal.reply()
        return served(reply, succeeded=tried.succeeded, final=tried.final, attempts=attempts)

    def _step_id(self, call: _Call, created_ms: int, step: int) -> str:
        return call.outcome.request_id if step == 0 else log_id(created_ms, self._entropy(10), step)

    @staticmethod
    def _may_differ(state: GatewayState, entry: Entry) -> bool:
        """Whether the observed policy would cache what the documented one does not."""
        return state.config.cache is CachePolicy.DOCUMENTED and entry.provider == "workers-ai"

    def _refused(self, call: _Call, entry: Entry, settings: Settings) -> Served:
        """What the course refuses, as if it were a step."""
        assert call.course.refusal is not None
        call.outcome.refusal = str(call.course.refusal)
        step = max((attempt["step"] + 1 for attempt in call.outcome.attempts), default=0)
        created_ms = self._now_ms()
        entry_id = self._step_id(call, created_ms, step)
        return Served(call.course.refusal.reply(), entry, settings, step, entry_id, created_ms, self._clock_ms(), succeeded=False)

    def _unknown(self, outcome: GatewayOutcome) -> Reply:
        refusal = refusals.unknown_gateway(outcome.gateway, self._config.gateways)
        outcome.refusal, outcome.ended = str(refusal), True
        reply = refusal.reply()
        reply.response.headers += [("cf-aig-log-id", outcome.log_id), ("cf-aig-request-id", outcome.request_id)]
        return reply

    def _from_cache(self, hit: Cached) -> Reply:
        body: bytes | AsyncIterator[bytes] = self._replayed(hit) if hit.streamed else b"".join(hit.chunks)
        return Reply(Response(hit.status, list(hit.headers), body), Source.CACHE)

    async def _replayed(self, hit: Cached) -> AsyncIterator[bytes]:
        for chunk in hit.chunks:
            await self._pacer.sleep(0)
            yield chunk

    async def _drop(self, call: _Call, served: Served) -> None:
        """A step whose answer the caller does not get: read, counted and logged all the same."""
        delivery = Delivery(self._desk, call.state, call.origin, served, replace(call.outcome), call.course.spend)
        delivery.seen(await drain(served.reply))
        delivery.ended(End.COMPLETE)

    def _deliver(self, call: _Call, served: Served) -> Reply:
        """The answer with our headers, watched on its way."""
        state, outcome, reply, response = call.state, call.outcome, served.reply, served.reply.response
        outcome.provider, outcome.model, outcome.step = served.entry.provider, served.entry.model, served.step
        outcome.log_id, outcome.cached = served.log_id, served.hit is not None
        if served.succeeded:
            outcome.refusal = None
        state.cached += outcome.cached
        state.refused += outcome.refusal is not None
        reply.warnings += [warning for warning in outcome.warnings if warning not in reply.warnings]
        if self._resumable(call.asked, served):
            outcome.run_id = log_id(self._now_ms(), self._entropy(10))
        response.headers = [*without_ours(response.headers), *_headers(served, outcome)]
        delivery = Delivery(self._desk, state, call.origin, served, outcome, call.course.spend)
        if isinstance(response.body, bytes):
            if response.body:
                delivery.seen(response.body)
            delivery.ended(End.COMPLETE)
            return reply
        response.body = WatchedBody(response.body, delivery.seen, delivery.ended)
        if outcome.run_id is not None:
            response.body = self._runs.keep(outcome.gateway, outcome.run_id, response.headers, response.body)
        return reply

    @staticmethod
    def _resumable(asked: ModelRequest, served: Served) -> bool:
        """Run ids are given on one path only: a streamed `run` of a third-party model (run_ids.py)."""
        response = served.reply.response
        named = asked.kind is Kind.RUN and not asked.target.startswith(("@", DYNAMIC))
        streamed = not isinstance(response.body, bytes) and (response.header("content-type") or "").startswith("text/event-stream")
        return named and streamed and served.succeeded and served.hit is None


def _headers(served: Served, outcome: GatewayOutcome) -> list[tuple[str, str]]:
    headers = [
        ("cf-aig-log-id", served.log_id),
        ("cf-aig-request-id", outcome.request_id),
        ("cf-aig-cache-status", "MISS" if served.hit is None else "HIT"),
        ("cf-aig-step", str(served.step)),
        ("cf-aig-provider", served.entry.provider),
        ("cf-aig-model", served.entry.model),
    ]
    if served.settings.event_id is not None:
        headers.append(("cf-aig-event-id", served.settings.event_id))
    if outcome.run_id is not None:
        headers.append(("cf-aig-run-id", outcome.run_id))
    return [(name, _header_text(value)) for name, value in headers]


def _header_text(text: str) -> str:
    """Fit to stand in a header: model names and event ids are the caller's, and may be anything."""
    return "".join(char if char.isprintable() else "?" for char in text).encode("latin-1", "replace").decode("latin-1")
