"""Which outbound requests are model calls that the stub can answer: the providers' public addresses and the dialects it speaks. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.classify import BadRequest, json_object

_BASES = {
    "api.openai.com": ("openai", "/v1/"),
    "api.anthropic.com": ("anthropic", "/v1/"),
    "generativelanguage.googleapis.com": ("google-ai-studio", "/v1beta/openai/"),
}
_SPOKEN = frozenset({"chat/completions", "responses", "embeddings", "messages"})


def endpoint_of(method: str, url: str) -> tuple[str, str] | None:
    """Provider and endpoint, as AI Gateway names them, of a request to a provider's public address; None for any other request."""
    parts = urlsplit(url)
    provider, base = _BASES.get((parts.hostname or "").lower(), ("", "/"))
    endpoint = parts.path.removeprefix(base)
    if not provider or method.upper() != "POST" or endpoint not in _SPOKEN:
        return None
    return provider, endpoint


def provider_request(provider: str, endpoint: str, body: bytes) -> ModelRequest | None:
    """The request as an entry of AI Gateway's universal endpoint, which is how the stub takes it; None when the body is no JSON object."""
    try:
        query = json_object(body)
    except BadRequest:
        return None
    entry = {"provider": provider, "endpoint": endpoint, "headers": {}, "query": query}
    return ModelRequest(Kind.UNIVERSAL, f"universal/{provider}", [entry])
