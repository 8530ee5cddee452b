"""Which outbound requests are model calls, which of them the stub can answer, and where a configured backend stands in for a provider's
public address. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from emulator.config.ai import BackendConfig, BackendType
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.classify import BadRequest, json_object


@dataclass(frozen=True, slots=True)
class Provider:
    """`name` as AI Gateway calls it; `backend` its section in `agents-emu.toml`; `base` the public address that `base_url` replaces."""

    name: str
    backend: str
    base: str


_PROVIDERS = (
    Provider("openai", "openai", "https://api.openai.com/v1"),
    Provider("anthropic", "anthropic", "https://api.anthropic.com"),
    Provider("google-ai-studio", "gemini", "https://generativelanguage.googleapis.com/v1beta/openai"),
    Provider("google-ai-studio", "gemini", "https://generativelanguage.googleapis.com"),
    Provider("workers-ai", "cloudflare", "https://api.cloudflare.com/client/v4"),
)
_SPOKEN = frozenset({"chat/completions", "responses", "embeddings", "messages"})
_ENDPOINTS = (
    *("/chat/completions", "/completions", "/responses", "/embeddings", "/messages", "/rerank"),
    *("/images/generations", "/images/edits", "/audio/speech", "/audio/transcriptions", "/audio/translations"),
    *("/api/chat", "/api/generate", "/api/embed", ":generateContent", ":streamGenerateContent"),
)


def endpoint_of(method: str, url: str) -> tuple[str, str] | None:
    """Provider and endpoint, as AI Gateway names them, of a request to a provider's public address that the stub speaks; else None."""
    provider = _provider_of(url)
    if provider is None or method.upper() != "POST":
        return None
    endpoint = urlsplit(url).path.removeprefix(urlsplit(provider.base).path).removeprefix("/")
    endpoint = endpoint.removeprefix("v1/") if provider.name == "anthropic" else endpoint
    return (provider.name, endpoint) if endpoint in _SPOKEN else None


def provider_request(provider: str, endpoint: str, body: bytes) -> ModelRequest | None:
    """The request as an entry of AI Gateway's universal endpoint, which is how the stub takes it; None when the body is no JSON object."""
    try:
        query = json_object(body)
    except BadRequest:
        return None
    entry = {"provider": provider, "endpoint": endpoint, "headers": {}, "query": query}
    return ModelRequest(Kind.UNIVERSAL, f"universal/{provider}", [entry])


def is_model_call(method: str, url: str, backends: Mapping[str, BackendConfig]) -> bool:
    """Whether a request asks a model: it goes to a provider, to a configured backend, or to an endpoint that only models have."""
    if _provider_of(url) is not None or any(_below(url, one.base_url) for one in backends.values() if one.base_url):
        return True
    return method.upper() == "POST" and urlsplit(url).path.rstrip("/").endswith(_ENDPOINTS)


def stand_in(url: str, backends: Mapping[str, BackendConfig]) -> str:
    """Where a request to a provider's public address goes: to the backend's `base_url` when one is configured, else where it was going."""
    provider = _provider_of(url)
    backend = backends.get(provider.backend) if provider is not None else None
    if provider is None or backend is None or backend.base_url is None or _below(url, backend.base_url):
        return url
    base = backend.base_url.rstrip("/")
    rest = url[len(provider.base) :]
    if backend.type is BackendType.ANTHROPIC and base.endswith("/v1"):
        rest = rest.removeprefix("/v1")
    return base + rest


def backend_of(provider: str) -> str:
    """The backend that has the key for a provider of AI Gateway; the provider's own name when it is none of the well-known ones."""
    return next((one.backend for one in _PROVIDERS if one.name == provider), provider)


def model_in(body: object) -> str | None:
    """The model that the body of a provider's request names."""
    name = body.get("model") if isinstance(body, dict) else None
    return name if isinstance(name, str) else None


def _provider_of(url: str) -> Provider | None:
    return next((provider for provider in _PROVIDERS if _below(url, provider.base)), None)


def _below(url: str, base: str | None) -> bool:
    if base is None or not url.startswith(base.rstrip("/")):
        return False
    return url[len(base.rstrip("/")) :][:1] in ("", "/", "?")
