"""How the far end of a model call talks: which words its errors have, as an answer and in the middle of a stream. Pure.

The dialect follows from the request alone: the binding, AI Gateway's paths, and the public addresses and paths of the providers.
Sources: ai-binding.md 1.4 (both envelopes of Cloudflare's), the providers' API references for the others.
"""

from __future__ import annotations

import re
from enum import StrEnum
from urllib.parse import urlsplit

from emulator.gateway.ai.canonical import Kind, ModelRequest


class Dialect(StrEnum):
    """Of an error. GEMINI_COMPAT is Gemini behind its OpenAI-compatible endpoint: OpenAI's streams, errors in a list of Google's."""

    WORKERS_AI = "workers-ai"
    MANAGEMENT = "management"
    """The binding's paths beside `run`: models, markdown, AutoRAG."""
    OPENAI = "openai"
    RESPONSES = "openai-responses"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    GEMINI_COMPAT = "gemini-compat"
    OLLAMA = "ollama"


_MANAGEMENT = frozenset({Kind.MODELS, Kind.TO_MARKDOWN, Kind.AUTORAG, Kind.AI_SEARCH})
_GOOGLE = frozenset({"google-ai-studio", "google-vertex-ai"})
_PATHS = (
    (re.compile(r"/ai/run(/|$)"), Dialect.WORKERS_AI),
    (re.compile(r"/openai/.*chat/completions$"), Dialect.OPENAI),
    (re.compile(r"/messages(/|$)"), Dialect.ANTHROPIC),
    (re.compile(r"/responses(/|$)"), Dialect.RESPONSES),
    (re.compile(r":(stream)?[gG]enerateContent$"), Dialect.GEMINI),
    (re.compile(r"/api/(chat|generate|embed|embeddings)$"), Dialect.OLLAMA),
)


def error_dialect(asked: ModelRequest) -> Dialect:
    """How an error answer to `asked` is written."""
    if asked.kind in _MANAGEMENT:
        return Dialect.MANAGEMENT
    if asked.kind in (Kind.HTTP, Kind.GATEWAY_HTTP):
        return _of_address(asked)
    if asked.kind is Kind.UNIVERSAL:
        provider, endpoint = universal_leg(asked)
        return _of_provider(provider, endpoint)
    return Dialect.WORKERS_AI


def stream_dialect(asked: ModelRequest) -> Dialect:
    """How the events of a streamed answer to `asked` are written; WORKERS_AI stands for both of its shapes, legacy and chat."""
    if asked.kind is Kind.RUN:
        if asked.target.startswith("anthropic/"):
            return Dialect.ANTHROPIC  # passes through in its native shape (ai-binding.md 1.5)
        if isinstance(asked.body, dict) and "input" in asked.body and "messages" not in asked.body:
            return Dialect.RESPONSES
        return Dialect.WORKERS_AI
    dialect = error_dialect(asked)
    return Dialect.OPENAI if dialect is Dialect.GEMINI_COMPAT else dialect


def universal_leg(asked: ModelRequest) -> tuple[str, str]:
    """Provider and endpoint of the first entry of a request to the universal endpoint; empty where they are missing."""
    entry = asked.body[0] if isinstance(asked.body, list) and asked.body else None
    if not isinstance(entry, dict):
        return "", ""
    return str(entry.get("provider") or ""), str(entry.get("endpoint") or "")


def model_named(asked: ModelRequest) -> str:
    """The model that a request asks for; the address of one that names none."""
    if asked.kind is Kind.UNIVERSAL:
        entry = asked.body[0] if isinstance(asked.body, list) and asked.body else None
        query = entry.get("query") if isinstance(entry, dict) else None
        provider, endpoint = universal_leg(asked)
        named = query.get("model") if isinstance(query, dict) else None
        return str(named or (endpoint if provider == "workers-ai" else "") or f"{provider}/{endpoint}")
    if asked.kind in (Kind.HTTP, Kind.GATEWAY_HTTP):
        named = asked.body.get("model") if isinstance(asked.body, dict) else None
        found = re.search(r"/models/([^/:]+):", asked.target)
        return str(named or (found[1] if found else asked.target))
    return asked.target


def _of_address(asked: ModelRequest) -> Dialect:
    parts = urlsplit(asked.target.partition(" ")[2])
    host, path = (parts.hostname or "").lower(), parts.path
    if asked.kind is Kind.GATEWAY_HTTP:
        # /v1/<account>/<gateway>/<provider>/<endpoint>
        provider, endpoint = [*path.split("/", 5)[4:], "", ""][:2]
        return _of_provider(provider, endpoint)
    if host == "generativelanguage.googleapis.com" and "/openai/" in path:
        return Dialect.GEMINI_COMPAT
    return _of_path(path)


def _of_path(path: str) -> Dialect:
    return next((dialect for pattern, dialect in _PATHS if pattern.search(path)), Dialect.OPENAI)


def _of_provider(provider: str, endpoint: str) -> Dialect:
    if provider == "workers-ai":
        return Dialect.OPENAI if endpoint.startswith("v1/") else Dialect.WORKERS_AI
    if provider == "anthropic":
        return Dialect.ANTHROPIC
    if provider in _GOOGLE:
        return Dialect.GEMINI_COMPAT if "openai/" in endpoint else Dialect.GEMINI
    return _of_path(f"/{endpoint.partition('?')[0]}")
