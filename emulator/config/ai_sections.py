"""`[ai]` of `agents-emu.toml` to AiConfig: checked whole, then understood (design 4.6)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from emulator.config.ai import (
    FIRST_BYTE_MS,
    MAX_AGE_DAYS,
    NO_AI_CONFIG,
    SPEND_LIMIT,
    AiConfig,
    BackendConfig,
    BackendType,
    CachePolicy,
    Credential,
    GatewayConfig,
    RateLimit,
    RedactRule,
    RouteConfig,
    SpendLimit,
    Technique,
    Validate,
)
from emulator.config.document import Document, KeyPath
from emulator.config.project import Notice
from emulator.config.shape import key_words, mismatches, nearest, unknown_keys
from emulator.config.wrangler_schema import BOOLEAN, STRING, table, tables
from emulator.errors import ConfigError

_KEY_LENGTH = 20
"""Real keys are longer; "ollama" and "not-needed" are none."""

_COUNT: dict[str, Any] = {"type": "integer", "description": "a whole number"}
_NUMBER: dict[str, Any] = {"type": "number"}
_URL: dict[str, Any] = {"type": "string", "pattern": r"^https?://[^\s/]+", "description": "an address such as http://127.0.0.1:11434/v1"}


def _words(*choices: Any) -> dict[str, Any]:
    return {"type": "string", "enum": [choice.value for choice in choices]}


def _by_name(member: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": member}


_BACKEND = table(
    ("type",), type=_words(*BackendType), base_url=_URL, key=STRING, token=STRING, account=STRING, timeout_ms={**_COUNT, "minimum": 1}
)
_GATEWAY = table(
    (),
    cache_ttl=_COUNT,
    cache=_words(*CachePolicy),
    rate_limit=table(("limit", "interval"), technique=_words(*Technique), limit=_COUNT, interval=_COUNT),
    spend_limits=tables(("limit_usd", "window"), name=STRING, limit_usd=_NUMBER, window=_COUNT, by=STRING),
    max_attempts=_COUNT,
    retry_delay_ms=_COUNT,
    backoff={"type": "string", "enum": ["constant", "linear", "exponential"]},
    request_timeout_ms=_COUNT,
    collect_log=BOOLEAN,
    log_delay_ms=_COUNT,
    routes=_by_name({"type": "object", "additionalProperties": {}}),
)
_PRICE: dict[str, Any] = {"type": "array", "items": _NUMBER, "description": "two numbers: US dollars for a million tokens in and out"}
SCHEMA = table(
    (),
    routes=tables(("match", "to"), match=STRING, to=STRING, model=STRING),
    backends=_by_name(_BACKEND),
    gateways=_by_name(_GATEWAY),
    redact=tables(("name",), name=STRING, regex=STRING, path=STRING),
    validate=_words(*Validate),
    map_overload=BOOLEAN,
    max_age_days=_COUNT,
    prices=_by_name(_PRICE),
)
"""What stands in `[ai]` beside the options with a flag of their own."""

WELL_KNOWN = {
    "cloudflare": BackendConfig(
        "cloudflare",
        BackendType.WORKERS_AI,
        key=Credential("env:CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_TOKEN"),
        account=Credential("env:CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_ACCOUNT_ID"),
    ),
    "openai": BackendConfig("openai", BackendType.OPENAI, key=Credential("env:OPENAI_API_KEY", "OPENAI_API_KEY")),
    "anthropic": BackendConfig("anthropic", BackendType.ANTHROPIC, key=Credential("env:ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY")),
    "gemini": BackendConfig(
        "gemini",
        BackendType.OPENAI,
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        key=Credential("env:GEMINI_API_KEY", "GEMINI_API_KEY"),
    ),
    "ollama": BackendConfig("ollama", BackendType.OLLAMA),
    "stub": BackendConfig("stub", BackendType.STUB),
}
"""Backends that a route may name without a section of their own: public addresses, keys from the usual variables."""


def ai_config(document: Document, own: frozenset[str]) -> tuple[AiConfig, tuple[Notice, ...]]:
    """Read `[ai]`; `own` are its keys that options.py reads. Raises ConfigError E117 for a wrong value, E118 for a route to a backend that
    is not there."""
    section = document.data.get("ai", {})
    if not isinstance(section, dict):
        return NO_AI_CONFIG, ()  # option_sources.py says so
    section = {name: value for name, value in section.items() if name not in own}
    for wrong in mismatches(section, SCHEMA, ("ai",)):
        raise _wrong(document, wrong.path, wrong.expected, wrong.found)
    notices = tuple(
        Notice(
            f'"{key_words(path)}" is no option of agents-emu',
            document.place(path),
            f'did you mean "{key_words((*path[:-1], close))}"?' if (close := near or _own_name(path, own)) else None,
        )
        for path, near in unknown_keys(section, SCHEMA, ("ai",))
    )
    backends = {name: _backend(document, name, value) for name, value in section.get("backends", {}).items()}
    notices += tuple(_written_key(backend) for backend in backends.values() if _holds_key(backend))
    routes = tuple(RouteConfig(row["match"], row["to"], row.get("model")) for row in section.get("routes", ()))
    for index, route in enumerate(routes):
        if route.to not in backends and route.to not in WELL_KNOWN:
            known = sorted({*backends, *WELL_KNOWN})
            close = nearest(route.to, known)
            raise ConfigError(
                "E118",
                f'the route "{route.match}" leads to {route.to!r}, and there is no such backend',
                where=document.place(("ai", "routes", index, "to")),
                hint=f"did you mean {close!r}?" if close else f"add [ai.backends.{route.to}], or use one of {', '.join(known)}",
            )
    config = AiConfig(
        routes=routes,
        backends=backends,
        gateways={name: _gateway(document, name, value) for name, value in section.get("gateways", {}).items()},
        redact=tuple(_redact(document, index, row) for index, row in enumerate(section.get("redact", ()))),
        validate=Validate(section.get("validate", Validate.WARN.value)),
        map_overload=section.get("map_overload", True),
        max_age_days=section.get("max_age_days", MAX_AGE_DAYS),
        prices={name: _price(document, name, value) for name, value in section.get("prices", {}).items()},
    )
    return config, notices


def _own_name(path: KeyPath, own: frozenset[str]) -> str | None:
    return nearest(str(path[1]), own) if len(path) == 2 else None


def _wrong(document: Document, path: KeyPath, expected: str, found: str | None) -> ConfigError:
    what = f'"{key_words(path)}" must be {expected}, and is {found}' if found else f'"{key_words(path)}" is missing: {expected} is expected'
    return ConfigError("E117", what, where=document.place(path))


def _backend(document: Document, name: str, value: Mapping[str, Any]) -> BackendConfig:
    kind = BackendType(value["type"])
    usual = WELL_KNOWN.get(name)
    usual = usual if usual is not None and usual.type is kind else None
    key_name = "token" if "token" in value else "key"
    base_url = value.get("base_url", usual.base_url if usual else None)
    return BackendConfig(
        name,
        kind,
        base_url=base_url.rstrip("/") if base_url else None,
        key=_credential(document, name, key_name, value.get(key_name)) or (usual.key if usual else None),
        account=_credential(document, name, "account", value.get("account")) or (usual.account if usual else None),
        timeout_ms=value.get("timeout_ms", FIRST_BYTE_MS),
    )


def _credential(document: Document, backend: str, key: str, text: str | None) -> Credential | None:
    if text is None:
        return None
    where = document.place(("ai", "backends", backend, key))
    return Credential(text, text.removeprefix("env:") if text.startswith("env:") else None, where)


def _holds_key(backend: BackendConfig) -> bool:
    """Whether a key stands in the file itself. Servers on this machine are content with any word."""
    if backend.key is None or backend.key.env is not None:
        return False
    host = urlsplit(backend.base_url or "").hostname or ""
    return len(backend.key.text) >= _KEY_LENGTH or not (host in ("localhost", "::1") or host.startswith("127."))


def _written_key(backend: BackendConfig) -> Notice:
    what = f"the key of backend {backend.name!r} stands in a file that is committed with the project"
    hint = f'use "env:NAME", such as "env:{_variable(backend.name)}", and put the value into .dev.vars'
    return Notice(what, backend.key.where if backend.key else None, hint)


def _variable(backend: str) -> str:
    return f"{re.sub('[^A-Za-z0-9]+', '_', backend).upper()}_API_KEY"


def _gateway(document: Document, name: str, value: Mapping[str, Any]) -> GatewayConfig:
    limit = value.get("rate_limit")
    if not 1 <= value.get("max_attempts", 1) <= 5:
        raise _wrong(document, ("ai", "gateways", name, "max_attempts"), "a whole number from 1 to 5", str(value["max_attempts"]))
    return GatewayConfig(
        name,
        cache_ttl_s=value.get("cache_ttl", 0),
        cache=CachePolicy(value.get("cache", CachePolicy.DOCUMENTED.value)),
        rate_limit=RateLimit(Technique(limit.get("technique", "fixed")), limit["limit"], limit["interval"]) if limit else None,
        spend_limits=tuple(
            SpendLimit(row["limit_usd"], row["window"], row.get("by"), row.get("name", SPEND_LIMIT))
            for row in value.get("spend_limits", ())
        ),
        max_attempts=value.get("max_attempts", 1),
        retry_delay_ms=value.get("retry_delay_ms", 0),
        backoff=value.get("backoff", "constant"),
        request_timeout_ms=value.get("request_timeout_ms"),
        collect_log=value.get("collect_log", True),
        log_delay_ms=value.get("log_delay_ms", 0),
        dynamic_routes=value.get("routes", {}),
    )


def _redact(document: Document, index: int, row: Mapping[str, Any]) -> RedactRule:
    if ("regex" in row) is ("path" in row):
        raise _wrong(document, ("ai", "redact", index), 'a table with either "regex" or "path"', "one with both or none")
    return RedactRule(row["name"], row.get("regex"), row.get("path"))


def _price(document: Document, name: str, value: list[float]) -> tuple[float, float]:
    if len(value) != 2:
        raise _wrong(document, ("ai", "prices", name), str(_PRICE["description"]), f"a list of {len(value)}")
    return float(value[0]), float(value[1])
