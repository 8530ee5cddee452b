"""AI Gateway's public addresses and the providers' own, and the way from one to the other (ai-binding.md 3.2). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

HOST = "gateway.ai.cloudflare.com"
LOCAL_ACCOUNT = "local"
"""The account in URLs that `getUrl` returns: nothing here has one."""
COMPAT = "compat"
"""The OpenAI-compatible endpoint of all providers; its models are `provider/model` or `dynamic/route`."""


@dataclass(frozen=True, slots=True)
class GatewayAddress:
    """`https://gateway.ai.cloudflare.com/v1/{account}/{gateway}/{provider}/{endpoint}`. `provider` is `""` for the universal endpoint,
    `compat` for the OpenAI-compatible one, `run` for the Run API; `endpoint` has no leading slash and keeps its query."""

    account: str
    gateway: str
    provider: str
    endpoint: str


def parse_address(url: str) -> GatewayAddress | None:
    """The parts of a public gateway URL, None for any other URL and for one without a gateway."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https", "ws", "wss") or (parts.hostname or "").lower() != HOST:
        return None
    pieces = parts.path.split("/", 5)
    if len(pieces) < 4 or pieces[1] != "v1" or not pieces[3]:
        return None
    provider = unquote(pieces[4]) if len(pieces) > 4 else ""
    endpoint = pieces[5] if len(pieces) > 5 else ""
    return GatewayAddress(unquote(pieces[2]), unquote(pieces[3]), provider, endpoint + (f"?{parts.query}" if parts.query else ""))


def gateway_url(gateway: str, provider: str | None = None, account: str = LOCAL_ACCOUNT) -> str:
    """What `getUrl(provider)` returns: production-looking, so that assertions and recordings do not depend on the machine; requests to
    it are caught on their way out. The universal address ends with a slash, as the documentation shows it."""
    tail = "" if provider in (None, "", "universal") else quote(str(provider), safe="")
    return f"https://{HOST}/v1/{quote(account, safe='')}/{quote(gateway, safe='')}/{tail}"


@dataclass(frozen=True, slots=True)
class Provider:
    """`base` is where the provider's endpoints begin, without a slash at the end. `version` is a path segment that callers may write or
    leave out (`chat/completions` and `v1/chat/completions` are one). `chat` is its OpenAI-compatible chat endpoint, None when it has
    none."""

    base: str
    version: str = ""
    chat: str | None = "chat/completions"


_CLOUDFLARE = "https://api.cloudflare.com/client/v4/accounts/{account}/ai"
PROVIDERS = {
    "anthropic": Provider("https://api.anthropic.com", "v1"),
    "baseten": Provider("https://inference.baseten.co", "v1"),
    "cartesia": Provider("https://api.cartesia.ai", chat=None),
    "cerebras": Provider("https://api.cerebras.ai", "v1"),
    "cohere": Provider("https://api.cohere.ai", "v1", chat="compatibility/v1/chat/completions"),
    "deepgram": Provider("https://api.deepgram.com", chat=None),
    "deepseek": Provider("https://api.deepseek.com"),
    "elevenlabs": Provider("https://api.elevenlabs.io", chat=None),
    "fal": Provider("https://fal.run", chat=None),
    "fireworks": Provider("https://api.fireworks.ai/inference", "v1"),
    "google-ai-studio": Provider("https://generativelanguage.googleapis.com", chat="v1beta/openai/chat/completions"),
    "grok": Provider("https://api.x.ai", "v1"),
    "groq": Provider("https://api.groq.com/openai", "v1"),
    "huggingface": Provider("https://api-inference.huggingface.co/models", chat=None),
    "ideogram": Provider("https://api.ideogram.ai", chat=None),
    "mistral": Provider("https://api.mistral.ai", "v1"),
    "openai": Provider("https://api.openai.com", "v1"),
    "openrouter": Provider("https://openrouter.ai/api", "v1"),
    "parallel": Provider("https://api.parallel.ai"),
    "perplexity-ai": Provider("https://api.perplexity.ai"),
    "replicate": Provider("https://api.replicate.com", "v1", chat=None),
    "workers-ai": Provider(f"{_CLOUDFLARE}/run", chat="v1/chat/completions"),
}
"""Providers whose address follows from the endpoint by putting one behind the other; three more have rules of their own below."""

_ALIASES = {"google": "google-ai-studio", "xai": "grok", "perplexity": "perplexity-ai"}
"""Authors in model ids that are called otherwise as providers."""
_BEDROCK = re.compile(r"bedrock-runtime/([^/]+)/(.*)", re.DOTALL)
_AZURE = re.compile(r"([^/]+)/([^/]+)/(.*)", re.DOTALL)
_VERTEX = re.compile(r".*/locations/([^/]+)/")


@dataclass(frozen=True, slots=True)
class NativeCall:
    """Where a leg goes and with what body. `provider` is the one addressed, also behind `compat`."""

    provider: str
    url: str
    query: Any


def native_call(provider: str, endpoint: str, query: Any, *, account: str = LOCAL_ACCOUNT) -> NativeCall | None:
    """The provider's own address for an endpoint of the gateway; None when the provider is unknown, or has no such endpoint (code 2008
    on the real service). `account` fills Cloudflare's own URLs."""
    endpoint = endpoint.lstrip("/")
    if provider == COMPAT:
        return _compat_call(query, account)
    name = _ALIASES.get(provider, provider)
    url = _native_url(name, endpoint, account)
    return None if url is None else NativeCall(name, url, query)


def _compat_call(query: Any, account: str) -> NativeCall | None:
    model = query.get("model") if isinstance(query, dict) else None
    if not isinstance(model, str) or "/" not in model:
        return None
    named, _, rest = ("workers-ai", "", model) if model.startswith("@") else model.partition("/")
    name = _ALIASES.get(named, named)
    known = PROVIDERS.get(name)
    url = _native_url(name, known.chat, account) if known is not None and known.chat is not None else None
    return None if url is None else NativeCall(name, url, {**query, "model": rest})


def _native_url(name: str, endpoint: str, account: str) -> str | None:
    if name == "aws-bedrock" and (found := _BEDROCK.fullmatch(endpoint)):
        return f"https://bedrock-runtime.{found[1]}.amazonaws.com/{found[2]}"
    if name == "azure-openai" and (found := _AZURE.fullmatch(endpoint)):
        return f"https://{found[1]}.openai.azure.com/openai/deployments/{found[2]}/{found[3]}"
    if name == "google-vertex-ai":
        found = _VERTEX.match(endpoint)
        region = f"{found[1]}-" if found is not None and found[1] != "global" else ""
        return f"https://{region}aiplatform.googleapis.com/{endpoint}"
    provider = PROVIDERS.get(name)
    if provider is None:
        return None
    base = provider.base
    if name == "workers-ai":
        base = (base if not endpoint.startswith("v1/") else _CLOUDFLARE).format(account=quote(account, safe=""))
    if provider.version and not re.match(r"v\d\w*/|compatibility/", endpoint):
        base = f"{base}/{provider.version}"
    return f"{base}/{endpoint}" if endpoint else base
