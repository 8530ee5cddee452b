"""What a backend's failure becomes for the caller of `run` (ai-binding.md 4.3). Pure.

Every text names the backend and the next step, never a key. The code in brackets at its end is one of docs/errors.md.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from emulator.gateway.ai.envelopes import run_error
from emulator.gateway.exchange import Headers, Response

_CONTEXT = re.compile(
    r"context.{0,20}(length|window|limit)|maximum (context|prompt)|prompt is too long|too many tokens|input is too long", re.I
)
_QUOTA = re.compile(r"insufficient_quota|exceeded your current quota|credit balance|neuron|billing", re.I)
_FLAGGED = re.compile(r"content_policy|content_filter|content policy|safety system", re.I)
_NO_MODEL = re.compile(r"model_not_found|model.{0,120}(not found|does not exist)|not_found_error|unknown model|no such model", re.I)
_OVERLOADED = re.compile(r"overloaded|server_error|api_error|internal|unavailable|capacity|rate_limit", re.I)
_RETRY_HEADERS = ("retry-after", "retry-after-ms")
_SHOWN = 300
_MOST_QUOTED = 2000


class Refused(Exception):
    """There is no answer but this error. Backends raise it inside, and answer with `response`. `answered`: it is what the model's server
    said to the request, which is worth recording, as a missing key or a server that is down is not."""

    def __init__(self, response: Response, text: str, *, answered: bool = False) -> None:
        super().__init__(text)
        self.response = response
        self.answered = answered


def refused(status: int, code: int, text: str, error: str, *, answered: bool = False) -> Refused:
    """An error in Workers AI's envelope; `error` is its row in docs/errors.md (`E613`)."""
    return Refused(run_error(status, code, f"AiError: {text} ({error})"), text, answered=answered)


def untranslatable(text: str, *, code: int = 5006) -> Refused:
    """A request that the backend's protocol cannot express (ai-binding.md 4.1 "refuse"): 400/5006, or 405 for 5005 (LoRA)."""
    return refused(405 if code == 5005 else 400, code, text, "E617")


@dataclass(frozen=True, slots=True)
class Upstream:
    """What error texts say of a backend. `key_env` is the variable its key comes from (None: it stands in the file, or `keyed` is false and
    there is none); `models` are the names that routes know."""

    name: str
    url: str
    key_env: str | None = None
    keyed: bool = True
    map_overload: bool = True
    models: Sequence[str] = ()

    @property
    def key_step(self) -> str:
        """What to do about a refused key."""
        if not self.keyed:
            return f'asks for a key, and none is configured; add key = "env:NAME" to [ai.backends.{self.name}]'
        place = f"from {self.key_env}" if self.key_env else "in agents-emu.toml"
        return f"refuses the key {place}; put a valid one there and ask again"


@dataclass(frozen=True, slots=True)
class Complaint:
    """What an error body says: `kind` joins its type and code words."""

    text: str
    kind: str

    @classmethod
    def of(cls, body: bytes) -> Complaint:
        """From any provider's error body: `{"error": {...}}`, that in an array of one (Gemini), `{"error": "..."}`, `{"errors": [...]}`,
        `{"message"}` or `{"detail"}` (vLLM and FastAPI); else the text itself."""
        try:
            document = json.loads(body)
        except ValueError:
            return cls(_excerpt(body), "")
        return cls.of_document(document)

    @classmethod
    def of_document(cls, document: Any) -> Complaint:
        """The same from parsed JSON."""
        if isinstance(document, list) and document:
            document = document[0]
        found = document
        if isinstance(document, dict):
            errors = document.get("errors")
            found = document.get("error") or (errors[0] if isinstance(errors, list) and errors else document)
        if isinstance(found, str):
            return cls(_cut(found), "")
        if not isinstance(found, dict):
            return cls(_excerpt(json.dumps(document).encode()), "")
        text = found.get("message") or found.get("detail")
        kind = " ".join(str(found[name]) for name in ("type", "code", "status") if found.get(name) is not None)
        shown = text if isinstance(text, str) else json.dumps(text or found, ensure_ascii=False)
        return cls(_cut(shown), kind)

    @property
    def searched(self) -> str:
        """Words to recognise it by."""
        return f"{self.kind} {self.text}"


def from_status(upstream: Upstream, model: str, status: int, headers: Headers, body: bytes) -> Refused:
    """An answer that is not 2xx."""
    said = Complaint.of(body)
    quoted = f": {said.text}" if said.text else ""
    known = _known_failure(upstream, model, status, said, quoted)
    if known is None and 300 <= status < 400:
        target = next((value for name, value in headers if name.lower() == "location"), "")
        return unusable(upstream, f"redirects to {target or 'nowhere'}", "set its base_url to where it really is")
    if known is None and status < 500:
        known = refused(400, 5006, f"backend {upstream.name!r} refuses the request with status {status}{quoted}", "E613")
    if known is None:
        known = overloaded(upstream, status, f"answers {status}{quoted}")
    known.response.headers += [(name.lower(), value) for name, value in headers if name.lower() in _RETRY_HEADERS]
    known.answered = status not in (401, 403)
    return known


def _known_failure(upstream: Upstream, model: str, status: int, said: Complaint, quoted: str) -> Refused | None:
    who = f"backend {upstream.name!r}"
    if status in (401, 403):
        return refused(403, 10000, f"{who} answers {status}: it {upstream.key_step}", "E611")
    if status == 404 or (status in (400, 422) and _NO_MODEL.search(said.searched)):
        return _no_model(upstream, model, said, quoted)
    if status == 413:
        return refused(413, 3006, f"{who} says that the request is too large{quoted}", "E613")
    if status in (400, 422) and _QUOTA.search(said.searched):
        return refused(429, 3036, f"{who} has no quota left{quoted}", "E614")
    if status in (400, 422) and (_CONTEXT.search(said.searched) or _FLAGGED.search(said.searched)):
        return refused(400, 3030, f"{who} refuses the request{quoted}", "E613")
    if status in (402, 429):
        if status == 402 or _QUOTA.search(said.searched):
            return refused(429, 3036, f"{who} has no quota left{quoted}", "E614")
        return refused(429, 3040, f"{who} limits the rate of requests{quoted}", "E614")
    if status in (408, 504, 524):
        return refused(408, 3007, f"{who} took too long{quoted}", "E615")
    return None


def _no_model(upstream: Upstream, model: str, said: Complaint, quoted: str) -> Refused:
    text = f"backend {upstream.name!r} has no model {model!r}{quoted}"
    if not _NO_MODEL.search(said.searched):
        text = f"backend {upstream.name!r} answers 404 at {upstream.url}; is its base_url right, and does it serve {model!r}?{quoted}"
    return refused(400, 5007, text + did_you_mean(model, upstream.models), "E612")


def did_you_mean(model: str, known: Sequence[str]) -> str:
    """`; close matches: a, b`, or nothing."""
    names = {name.rpartition("/")[2].lower(): name for name in reversed(known)} | {name.lower(): name for name in reversed(known)}
    found = difflib.get_close_matches(model.lower(), names, n=4, cutoff=0.5)
    found += difflib.get_close_matches(model.rpartition("/")[2].lower(), names, n=4, cutoff=0.5)
    close = list(dict.fromkeys(names[name] for name in found if names[name] != model))[:4]
    return f"; close matches: {', '.join(close)}" if close else ""


def overloaded(upstream: Upstream, code: int, what: str) -> Refused:
    """The server fails or cannot be reached: 429/3040, which SDKs try again, or 500 with the original `code`."""
    text = f"backend {upstream.name!r} {what}"
    return refused(429, 3040, text, "E615") if upstream.map_overload else refused(500, code, text, "E615")


def unreachable(upstream: Upstream, reason: str) -> Refused:
    """No connection, or one that broke before the answer was there."""
    return overloaded(upstream, 503, f"cannot be reached at {upstream.url}: {reason}; is it running, and is its base_url right?")


def silent(upstream: Upstream, timeout_ms: int) -> Refused:
    """No first byte in time."""
    text = f"backend {upstream.name!r} at {upstream.url} sent nothing for {timeout_ms} ms; its timeout_ms in agents-emu.toml may be raised"
    return refused(408, 3007, text, "E615")


def unusable(upstream: Upstream, what: str, step: str = "does its base_url lead to the API?") -> Refused:
    """An answer that is none in its protocol: HTML, nothing, another content type, broken JSON."""
    return refused(500, 502, f"backend {upstream.name!r} at {upstream.url} {what}; {step}", "E616")


def no_key(upstream: Upstream, what: str, variable: str | None) -> Refused:
    """A variable that the configuration names is not set."""
    found = f"{variable} is not set" if variable else "agents-emu.toml names none"
    where = f"add {variable}=... to .dev.vars or the environment" if variable else f"add it to [ai.backends.{upstream.name}]"
    return refused(403, 10000, f"backend {upstream.name!r} needs its {what}, and {found}; {where}, or use --ai stub", "E610")


def in_stream(upstream: Upstream, document: Any) -> tuple[int, str]:
    """Code and text for an error that the backend reports inside its stream."""
    said = Complaint.of_document(document)
    code = 3040 if upstream.map_overload and (_OVERLOADED.search(said.kind) or not said.kind) else 500
    if _QUOTA.search(said.searched):
        code = 3036
    elif _CONTEXT.search(said.searched) or _FLAGGED.search(said.searched):
        code = 3030
    return code, f"AiError: backend {upstream.name!r} reports inside its stream: {said.text} (E615)"


def no_event(upstream: Upstream, data: str) -> tuple[int, str]:
    """Code and text for an event of a stream that cannot be read."""
    return 502, f"AiError: backend {upstream.name!r} sends a broken event inside its stream: {_excerpt(data.encode())} (E616)"


def described(content_type: str | None, body: bytes) -> str:
    """What an answer is that should have been another one, in a few words."""
    if not body:
        return "answers with an empty body"
    if b"<html" in body[:1000].lower() or (content_type or "").startswith("text/html"):
        title = re.search(rb"<title>(.*?)</title>", body[:4000], re.I | re.S)
        return f"answers with an HTML page{f' ({_excerpt(title[1])})' if title else ''}"
    return f"answers with {content_type or 'no content type'}: {_excerpt(body)}"


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_QUOTED else text[:_MOST_QUOTED] + "..."


def _excerpt(body: bytes) -> str:
    text = " ".join(body[: 4 * _SHOWN].decode("utf-8", "replace").split())
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
