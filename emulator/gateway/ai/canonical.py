"""A model request in the form in which two requests are compared, and its key (ai-binding.md 7.3, steps 2 to 5).

What a request *means* stays: model, messages, tools, options inside the body. What changes from run to run goes: transport
headers, opaque ids (renamed by first appearance, so that their structure still counts), bookkeeping fields. Pure.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

from emulator.gateway.ai.curation.asked_messages import asked_of

COMPARED_HEADERS = ("anthropic-beta", "anthropic-version", "cf-aig-cache-key", "content-type", "openai-beta")
"""The only headers of a request that count."""
_DROPPED_FIELDS = frozenset({"metadata", "user", "prompt_cache_key", "safety_identifier", "store"})

_LONG_BASE64 = re.compile(r"(?:data:[\w.+/-]+;base64,)?[A-Za-z0-9+/\s]{512,}={0,2}")
_UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_PREFIXED = r"(?:call|toolu|msg|resp|fc|rs|chatcmpl)[_-]"
_ID_IN_TEXT = re.compile(rf"{_UUID}|\b{_PREFIXED}(?=[A-Za-z]*\d)[A-Za-z0-9]{{12,}}\b")
_OPAQUE = re.compile(rf"{_UUID}|{_PREFIXED}[A-Za-z0-9_-]+|[0-9A-HJKMNP-TV-Z]{{26}}|[A-Za-z0-9_-]{{21}}|[0-9a-f]{{16,64}}")
_REFERENCE_FIELDS = frozenset({"tool_call_id", "toolCallId", "tool_use_id", "call_id"})
_ID_FIELDS = frozenset({"id", "item_id", "previous_response_id", "request_id"})

_DATE, _TIME = r"\d{4}-\d{2}-\d{2}", r"\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?"
_NORMALISERS: dict[str, tuple[re.Pattern[str], str]] = {
    "iso-datetime": (re.compile(rf"{_DATE}(?:[T ]{_TIME})?"), "<iso-datetime>"),
    "epoch": (re.compile(r"\b1[5-9]\d{8}(?:\d{3})?\b"), "<epoch>"),
}
NORMALISERS = tuple(_NORMALISERS)
"""Optional text rules a cassette may switch on; off by default because they hide real changes of a prompt."""


class Kind(StrEnum):
    """What sort of request a recording answers (ai-binding.md 7.2)."""

    RUN = "binding.run"
    STREAM_INPUT = "binding.stream-input"
    WEBSOCKET = "binding.websocket"
    UNIVERSAL = "gateway.universal"
    GATEWAY_HTTP = "gateway.http"
    MODELS = "models"
    TO_MARKDOWN = "to-markdown"
    AUTORAG = "autorag"
    AI_SEARCH = "ai-search"
    HTTP = "http"


@dataclass(frozen=True, slots=True)
class RawBody:
    """A request's body as it came, with its whole content type (a form's boundary included)."""

    content_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One request as recordings describe it. `target` is a model id, or `METHOD URL` for http kinds; `body` is parsed JSON, or
    a description (`media_type`, `bytes`, `sha256`) of a body that is not JSON; `headers` are lower-case. `raw`: the stream of a
    stream-input request, which a backend needs as it came; no part of what recordings say."""

    kind: Kind
    target: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    gateway: Mapping[str, Any] | None = None
    options: Mapping[str, Any] | None = None
    raw: RawBody | None = field(default=None, repr=False, compare=False)

    def document(self) -> dict[str, Any]:
        """The request as `match.where` paths see it. `turn` says where the conversation stands, in one form for every dialect."""
        return {
            "kind": str(self.kind),
            "target": self.target,
            "headers": dict(self.headers),
            "gateway": dict(self.gateway or {}),
            "options": dict(self.options or {}),
            "body": self.body,
            "turn": asked_of(self.body).turn(),
        }


def canonical(request: ModelRequest, normalisers: Iterable[str] = ()) -> dict[str, Any]:
    """`{kind, target, headers, body}` with everything incidental removed; equal requests give equal documents. A normaliser is a name of
    NORMALISERS, or `regex:NAME=PATTERN`: what the pattern finds in texts becomes `<NAME>`."""
    rename = _Renamer(tuple(_normaliser(name) for name in normalisers))
    headers = {name: _media_type(name, request.headers[name]) for name in COMPARED_HEADERS if name in request.headers}
    if request.kind not in (Kind.HTTP, Kind.GATEWAY_HTTP):
        headers.pop("content-type", None)
    return {
        "kind": str(request.kind),
        "target": request.target,
        "headers": headers,
        "body": rename.value(_without_bookkeeping(request.kind, request.body)),
    }


@cache
def _normaliser(name: str) -> tuple[re.Pattern[str], str]:
    if name.startswith("regex:"):
        label, pattern = name.split("=", 1)
        return re.compile(pattern), f"<{label.removeprefix('regex:')}>"
    return _NORMALISERS[name]


def key_of(document: dict[str, Any]) -> str:
    """The sha256 (hex) of a canonical document."""
    return hashlib.sha256(compact(document, sort=True).encode("utf-8", "surrogatepass")).hexdigest()


def compact(value: Any, *, sort: bool = False) -> str:
    """JSON as `JSON.stringify` writes it: no spaces, no ASCII escapes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort)


def _media_type(name: str, value: str) -> str:
    return value.split(";")[0].strip().lower() if name == "content-type" else value


def _without_bookkeeping(kind: Kind, body: Any) -> Any:
    if kind is Kind.UNIVERSAL and isinstance(body, list):
        return [_universal_entry(entry) for entry in body]
    if isinstance(body, dict):
        return {name: value for name, value in body.items() if name not in _DROPPED_FIELDS}
    return body


def _universal_entry(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    sent = entry.get("headers")
    headers = {str(name).lower(): value for name, value in sent.items()} if isinstance(sent, dict) else {}
    return {
        **entry,
        "headers": {name: headers[name] for name in COMPARED_HEADERS if name in headers and name != "content-type"},
        "query": _without_bookkeeping(Kind.RUN, entry.get("query")),
    }


class _Renamer:
    """Walks a body in key order and gives every opaque id the number of its first appearance."""

    def __init__(self, normalisers: tuple[tuple[re.Pattern[str], str], ...]) -> None:
        self._normalisers = normalisers
        self._names: dict[str, str] = {}

    def value(self, value: Any, name: str = "", parent: str = "") -> Any:
        if isinstance(value, dict):
            return {key: self.value(value[key], key, name) for key in sorted(value)}
        if isinstance(value, list):
            return [self.value(item, name, parent) for item in value]
        if isinstance(value, str):
            return self._string(value, name, parent)
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
            return int(value)
        return value

    def _string(self, text: str, name: str, parent: str) -> str:
        if name in _REFERENCE_FIELDS or (name == "id" and parent == "tool_calls"):
            return self._rename(text)
        if name in _ID_FIELDS and _OPAQUE.fullmatch(text):
            return self._rename(text)
        if len(text) >= 512 and _LONG_BASE64.fullmatch(text):
            return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
        text = _ID_IN_TEXT.sub(lambda found: self._rename(found[0]), text)
        for pattern, replacement in self._normalisers:
            text = pattern.sub(replacement, text)
        return text

    def _rename(self, value: str) -> str:
        return self._names.setdefault(value, f"#{len(self._names) + 1}")
