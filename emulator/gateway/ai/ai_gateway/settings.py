"""The settings of one request: what its entry, its headers, its options and the gateway say, in that order (ai-binding.md 3.2). Pure.

A value out of range is clamped, one that cannot be read is passed over; both leave a warning, because the real service does it silently.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from emulator.config.ai import CachePolicy, GatewayConfig

SHORTEST_TTL_S = 60
LONGEST_TTL_S = 30 * 24 * 3600
"""One month."""
MOST_ATTEMPTS = 5
LONGEST_RETRY_DELAY_MS = 5000
MOST_METADATA = 5


class Backoff(StrEnum):
    """How the wait between attempts grows."""

    CONSTANT = "constant"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


@dataclass(frozen=True, slots=True)
class CustomCost:
    """`cf-aig-custom-cost`: US dollars per token, or for the whole request."""

    per_token_in: float = 0.0
    per_token_out: float = 0.0
    total: float | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """`cache_ttl_s` 0 means that caching is off. `timeout_ms` is to the first byte; None waits for ever."""

    cache: CachePolicy = CachePolicy.DOCUMENTED
    cache_ttl_s: int = 0
    cache_key: str | None = None
    skip_cache: bool = False
    max_attempts: int = 1
    retry_delay_ms: int = 0
    backoff: Backoff = Backoff.CONSTANT
    timeout_ms: int | None = None
    collect_log: bool = True
    collect_payload: bool = True
    log_delay_ms: int = 0
    metadata: Mapping[str, Any] | None = None
    event_id: str | None = None
    custom_cost: CustomCost | None = None


_HEADERS = {
    "cf-aig-cache-ttl": "cacheTtl",
    "cf-cache-ttl": "cacheTtl",
    "cf-aig-skip-cache": "skipCache",
    "cf-skip-cache": "skipCache",
    "cf-aig-cache-key": "cacheKey",
    "cf-aig-metadata": "metadata",
    "cf-aig-collect-log": "collectLog",
    "cf-aig-collect-log-payload": "collectLogPayload",
    "cf-aig-event-id": "eventId",
    "cf-aig-custom-cost": "customCost",
    "cf-aig-request-timeout": "requestTimeout",
    "cf-aig-max-attempts": "maxAttempts",
    "cf-aig-retry-delay": "retryDelay",
    "cf-aig-backoff": "backoff",
}
"""New names first: they win over the old ones."""
_OPTION_NAMES = {"requestTimeoutMs": "requestTimeout", "retryDelayMs": "retryDelay"}


@dataclass(frozen=True, slots=True)
class _Layer:
    where: str
    values: Mapping[str, Any]


def merge(
    gateway: GatewayConfig,
    *,
    options: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    entry_headers: Mapping[str, str] | None = None,
    entry_config: Mapping[str, Any] | None = None,
) -> tuple[Settings, list[str]]:
    """The settings and what to warn of. `options` is `options.gateway` of a `run`; header names are lower-case."""
    warnings: list[str] = []
    layers = (
        _Layer("the entry's config", _options(entry_config or {})),
        _Layer("the entry's headers", _from_headers(entry_headers or {})),
        _Layer("the request's headers", _from_headers(headers or {})),
        _Layer("options.gateway", _options(options or {})),
    )

    def read[T](name: str, parse: Callable[[Any], T], default: T) -> T:
        for layer in layers:
            if layer.values.get(name) is None:
                continue
            try:
                return parse(layer.values[name])
            except ValueError as error:
                warnings.append(f"{name} of {layer.where} is passed over: {error}")
        return default

    metadata, lost = clean_metadata(_first(layers, "metadata"))
    warnings += lost
    ttl = read("cacheTtl", _whole, gateway.cache_ttl_s)
    attempts = read("maxAttempts", _whole, gateway.max_attempts)
    delay = read("retryDelay", _whole, gateway.retry_delay_ms)
    timeout = read("requestTimeout", _positive, gateway.request_timeout_ms or 0)
    return (
        Settings(
            cache=gateway.cache,
            cache_ttl_s=_clamped("cacheTtl", ttl, SHORTEST_TTL_S, LONGEST_TTL_S, "s", warnings) if ttl else 0,
            cache_key=read("cacheKey", str, None),
            skip_cache=read("skipCache", _flag, False),
            max_attempts=_clamped("maxAttempts", attempts, 1, MOST_ATTEMPTS, "", warnings),
            retry_delay_ms=_clamped("retryDelay", delay, 0, LONGEST_RETRY_DELAY_MS, " ms", warnings),
            backoff=read("backoff", _backoff, _backoff(gateway.backoff)),
            timeout_ms=timeout or None,
            collect_log=read("collectLog", _flag, gateway.collect_log),
            collect_payload=read("collectLogPayload", _flag, True),
            log_delay_ms=gateway.log_delay_ms,
            metadata=metadata,
            event_id=read("eventId", str, None),
            custom_cost=read("customCost", _custom_cost, None),
        ),
        warnings,
    )


def clean_metadata(raw: Any) -> tuple[dict[str, Any] | None, list[str]]:
    """The metadata that is kept, and what was lost: five entries at most; one null, object or array loses all of it (ai-binding.md
    3.3). `raw` is an object or its JSON."""
    if raw is None:
        return None, []
    if isinstance(raw, str):
        try:
            raw = json.loads(raw)
        except ValueError:
            return None, ["metadata is not JSON: none of it is stored"]
    if not isinstance(raw, dict):
        return None, ["metadata is not an object: none of it is stored"]
    bad = next((name for name, value in raw.items() if value is None or isinstance(value, dict | list)), None)
    if bad is not None:
        kind = "null" if raw[bad] is None else "no string, number or boolean"
        return None, [f"metadata.{bad} is {kind}: AI Gateway then stores no metadata at all"]
    if len(raw) > MOST_METADATA:
        dropped = ", ".join(list(raw)[MOST_METADATA:])
        return dict(list(raw.items())[:MOST_METADATA]), [
            f"metadata has {len(raw)} entries: AI Gateway drops all after the fifth ({dropped})"
        ]
    return dict(raw), []


def _options(options: Mapping[str, Any]) -> dict[str, Any]:
    retries = options.get("retries")
    flat = {**options, **(retries if isinstance(retries, dict) else {})}
    return {_OPTION_NAMES.get(name, name): value for name, value in flat.items()}


def _from_headers(headers: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for header, name in _HEADERS.items():
        if header in headers:
            found.setdefault(name, headers[header])
    return found


def _first(layers: Sequence[_Layer], name: str) -> Any:
    return next((layer.values[name] for layer in layers if layer.values.get(name) is not None), None)


def _whole(value: Any) -> int:
    number = _number(value)
    if number < 0:
        raise ValueError(f"{value!r} is negative")
    return int(number)


def _positive(value: Any) -> int:
    number = _whole(value)
    if number == 0:
        raise ValueError("it must be more than 0")
    return number


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{value!r} is not a number")
    try:
        number = float(value)
    except ValueError:
        raise ValueError(f"{value!r} is not a number") from None
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not a finite number")
    return number


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise ValueError(f"{value!r} is neither true nor false")


def _backoff(value: Any) -> Backoff:
    try:
        return Backoff(value)
    except ValueError:
        raise ValueError(f"{value!r} is none of {', '.join(Backoff)}") from None


def _custom_cost(value: Any) -> CustomCost:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError("it is not JSON") from None
    if not isinstance(value, dict) or not value.keys() & {"per_token_in", "per_token_out", "total_cost"}:
        raise ValueError("it must be {per_token_in, per_token_out} or {total_cost}")
    total = value.get("total_cost")
    return CustomCost(
        _number(value.get("per_token_in", 0)), _number(value.get("per_token_out", 0)), None if total is None else _number(total)
    )


def _clamped(name: str, value: int, least: int, most: int, unit: str, warnings: list[str]) -> int:
    kept = min(max(value, least), most)
    if kept != value:
        warnings.append(f"{name} {value}{unit} is out of range: {kept}{unit} is used")
    return kept
