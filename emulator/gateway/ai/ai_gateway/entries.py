"""One request as the things a gateway may ask for: provider, endpoint, model, query (ai-binding.md 3.2). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from emulator.gateway.ai.ai_gateway.public_urls import COMPAT, HOST
from emulator.gateway.ai.canonical import Kind, ModelRequest

DYNAMIC = "dynamic/"
"""A model id that begins so names a dynamic route of the gateway."""


@dataclass(frozen=True, slots=True)
class Entry:
    """`asked` is what a leg is given. `headers` (lower-case) and `config` are those of an entry of the universal endpoint; for other
    requests they are empty, as those settings belong to the whole request. `auth` is who asks: equal requests of two keys are two."""

    provider: str
    endpoint: str
    model: str
    query: Any
    asked: ModelRequest
    headers: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    auth: tuple[tuple[str, str], ...] = ()

    @property
    def dynamic_route(self) -> str | None:
        """The route that `model` names, None when it is a model."""
        return self.model.removeprefix(DYNAMIC) if self.model.startswith(DYNAMIC) else None

    @property
    def streamed(self) -> bool:
        """Whether the caller wants a stream."""
        return isinstance(self.query, dict) and bool(self.query.get("stream"))


_AUTH_HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key", "xi-api-key", "token", "cf-aig-byok-alias")


def entries_of(asked: ModelRequest, headers: Mapping[str, str]) -> list[Entry]:
    """What `asked` asks for, in order of preference: one entry, or those of the universal endpoint's array."""
    if asked.kind is Kind.UNIVERSAL:
        return [_universal(asked, entry, headers) for entry in asked.body]
    if asked.kind is Kind.GATEWAY_HTTP:
        return [_public(asked, headers)]
    provider = "workers-ai" if asked.target.startswith("@") else asked.target.split("/")[0]
    return [Entry(provider, "run", asked.target, asked.body, asked, auth=_auth(headers))]


def with_model(entry: Entry, provider: str, model: str) -> Entry:
    """The entry with the model that a dynamic route chose. Routes answer in the shape of OpenAI chat completions whoever is asked, so the
    leg goes to the OpenAI-compatible endpoint with `provider/model` in the query."""
    named = f"{provider}/{model}"
    query = {**(entry.query if isinstance(entry.query, dict) else {}), "model": named}
    asked = entry.asked
    if asked.kind is Kind.GATEWAY_HTTP:
        asked = replace(asked, body=query)
    else:
        sent = asked.body[0].get("headers", {}) if asked.kind is Kind.UNIVERSAL else {}
        leg = {"provider": COMPAT, "endpoint": "chat/completions", "headers": sent, "query": query}
        asked = replace(asked, kind=Kind.UNIVERSAL, target=_universal_target(asked), body=[leg])
    return replace(entry, provider=provider, model=model, query=query, asked=asked)


def _universal_target(asked: ModelRequest) -> str:
    return asked.target if asked.kind is Kind.UNIVERSAL else f"universal/{(asked.gateway or {}).get('id', '')}"


def _universal(asked: ModelRequest, entry: Mapping[str, Any], request_headers: Mapping[str, str]) -> Entry:
    sent = entry.get("headers")
    headers = {str(name).lower(): str(value) for name, value in sent.items()} if isinstance(sent, dict) else {}
    config = entry.get("config")
    provider, endpoint, query = str(entry.get("provider", "")), str(entry.get("endpoint", "")).lstrip("/"), entry.get("query")
    return Entry(
        *_named(provider, endpoint, query),
        query,
        replace(asked, body=[entry]),
        headers,
        config if isinstance(config, dict) else {},
        _auth({**request_headers, **headers}),
    )


def _public(asked: ModelRequest, headers: Mapping[str, str]) -> Entry:
    parts = urlsplit(asked.target.partition(" ")[2])
    pieces = parts.path.split("/", 5) if parts.hostname == HOST else ["", "", "", "", "", parts.path.lstrip("/")]
    provider, endpoint = (pieces[4] if len(pieces) > 4 else ""), (pieces[5] if len(pieces) > 5 else "")
    return Entry(*_named(provider, endpoint, asked.body), asked.body, asked, auth=_auth(headers))


def _named(provider: str, endpoint: str, query: Any) -> tuple[str, str, str]:
    """Provider, endpoint and model; the OpenAI-compatible endpoint names the provider in its model."""
    model = query.get("model") if isinstance(query, dict) else None
    if isinstance(model, str) and model:
        if provider == COMPAT and "/" in model and not model.startswith(DYNAMIC):
            named, _, rest = model.partition("/")
            return named, endpoint, rest
        return provider, endpoint, model
    return provider, endpoint, _model_in_path(provider, endpoint)


def _model_in_path(provider: str, endpoint: str) -> str:
    path = endpoint.split("?")[0]
    if "models/" in path:  # Gemini: v1beta/models/gemini-2.5-flash:generateContent
        return path.rpartition("models/")[2].split(":")[0]
    if provider == "azure-openai" and path.count("/") >= 2:
        return path.split("/")[1]
    if provider == "aws-bedrock" and "/model/" in path:
        return path.partition("/model/")[2].split("/")[0]
    return path


def _auth(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, headers[name]) for name in _AUTH_HEADERS if name in headers)
