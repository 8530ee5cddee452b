"""What `agents-emu.toml` says about models: routes, backends, AI gateways, redaction (design 4.6). Frozen; read by ai_sections.py.

Values that may be secrets are kept as written. `env:NAME` means: the variable NAME of `.dev.vars`, `.env` or the process, looked up
at each call, so that a key may be added while the server runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

MAX_AGE_DAYS = 90
FIRST_BYTE_MS = 600_000
"""A model may think for minutes."""
SPEND_LIMIT = "spend limit"


class BackendType(Enum):
    """The protocol a backend speaks."""

    OPENAI = "openai"
    """OpenAI, Gemini's compatible endpoint, vLLM, and whoever else speaks chat completions."""
    ANTHROPIC = "anthropic"
    WORKERS_AI = "workers-ai"
    OLLAMA = "ollama"
    STUB = "stub"


class Validate(Enum):
    """What an input that the model's schema refuses does (ai-binding.md 5)."""

    WARN = "warn"
    STRICT = "strict"
    OFF = "off"


class CachePolicy(Enum):
    """How AI Gateway caches without a TTL (ai-binding.md 3.3)."""

    DOCUMENTED = "documented"
    """Not at all."""
    OBSERVED = "observed"
    """For five minutes, as live gateways were seen to do."""


class Technique(Enum):
    """How a rate limit counts."""

    FIXED = "fixed"
    SLIDING = "sliding"


@dataclass(frozen=True, slots=True)
class Credential:
    """`env` is a variable's name, or None when `text` is the value itself. `where` is `file:line`."""

    text: str = field(repr=False)
    env: str | None = None
    where: str | None = None


@dataclass(frozen=True, slots=True)
class BackendConfig:
    """`[ai.backends.NAME]`. `base_url` None means the provider's public address."""

    name: str
    type: BackendType
    base_url: str | None = None
    key: Credential | None = None
    account: Credential | None = None
    timeout_ms: int = FIRST_BYTE_MS
    """To the first byte."""


@dataclass(frozen=True, slots=True)
class RouteConfig:
    """`[[ai.routes]]`: `match` is a pattern of model ids (`@cf/*`); `model` the backend's own name for it, None for the id itself."""

    match: str
    to: str
    model: str | None = None


@dataclass(frozen=True, slots=True)
class RateLimit:
    """`limit` requests in `interval_s` seconds."""

    technique: Technique
    limit: int
    interval_s: int


@dataclass(frozen=True, slots=True)
class SpendLimit:
    """`limit_usd` in `window_s` seconds, counted for each value of the metadata entry `by` when given."""

    limit_usd: float
    window_s: int
    by: str | None = None
    name: str = SPEND_LIMIT


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """`[ai.gateways.ID]`: what the dashboard would hold. A request's own settings win (ai-binding.md 3.2 "Precedence")."""

    id: str
    cache_ttl_s: int = 0
    cache: CachePolicy = CachePolicy.DOCUMENTED
    rate_limit: RateLimit | None = None
    spend_limits: tuple[SpendLimit, ...] = ()
    max_attempts: int = 1
    retry_delay_ms: int = 0
    backoff: str = "constant"
    request_timeout_ms: int | None = None
    collect_log: bool = True
    log_delay_ms: int = 0
    dynamic_routes: Mapping[str, object] = field(default_factory=dict)
    """Graphs by route name, as the dashboard exports them (ai-binding.md 3.3 "Dynamic routes")."""


@dataclass(frozen=True, slots=True)
class RedactRule:
    """`[[ai.redact]]`: what `regex` finds, or what stands at the JSONPath `path` of a recording, becomes `{{redacted:NAME}}`."""

    name: str
    regex: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class AiConfig:
    """Everything of `[ai]` that is not a flag."""

    routes: tuple[RouteConfig, ...] = ()
    backends: Mapping[str, BackendConfig] = field(default_factory=dict)
    gateways: Mapping[str, GatewayConfig] = field(default_factory=dict)
    redact: tuple[RedactRule, ...] = ()
    validate: Validate = Validate.WARN
    map_overload: bool = True
    """A backend that is overloaded answers 429/3040, which SDKs retry; else 500 (ai-binding.md 4.3)."""
    max_age_days: int = MAX_AGE_DAYS
    """Older recordings are stale."""
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """US dollars for a million input and output tokens, by model id or pattern."""


NO_AI_CONFIG = AiConfig()
"""What holds without a section `[ai]`."""
