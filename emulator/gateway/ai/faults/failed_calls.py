"""Model calls that were answered with an error, as one line for people: agents often swallow them (ai-binding.md 2.4, A41). Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_KEPT = 500
_CODES = (re.compile(rb'"internalCode":\s*(\d+)'), re.compile(rb'"code":\s*(?:(\d+)|"([^"]+)")'), re.compile(rb'"type":\s*"(\w+_error)"'))
_OURS = re.compile(r"AiError: backend '[^']*' (?:at (?P<url>\S+) )?(?P<text>.*) \((?P<code>E\d+)\)", re.DOTALL)
_CLAUSE = re.compile(r": |; |\n")
_OTHERS = {"live": "said by the provider", "cache": "from AI Gateway's cache", "stub": "said by the stub"}


def error_code(head: bytes) -> str | None:
    """The code in the body of an error, of which the first bytes are enough: Cloudflare's number, or the provider's own name for it."""
    for pattern in _CODES:
        found = pattern.search(head)
        if found is not None:
            return next(group for group in found.groups() if group is not None).decode()
    return None


def reason(body: bytes) -> str | None:
    """Our code and the first clause of an error that stands for a backend's failure (upstream_errors.py): `E615 cannot be reached at
    http://127.0.0.1:1`. What the backend said itself comes after it, and is left out. None for any other body."""
    try:
        document = json.loads(body)
    except ValueError:
        return None
    errors = document.get("errors") if isinstance(document, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else None
    found = _OURS.fullmatch(str(first.get("message"))) if isinstance(first, dict) else None
    if found is None:
        return None
    at = f" at {found['url']}" if found["url"] else ""
    return f"{found['code']} {_CLAUSE.split(found['text'], maxsplit=1)[0]}{at}"


class FailedCalls:
    """Counts how often in a row the same request was answered with an error: SDKs try again on their own."""

    def __init__(self) -> None:
        self._attempts: dict[str, int] = {}

    def line(self, entry: Mapping[str, Any]) -> str | None:
        """What to say of a journal's entry (`ai`, or `egress` with a `model`): model, status, code, attempt, who answered so, and our own
        reason when there is one. None for a call that did not fail."""
        model, status = entry.get("model"), int(entry.get("status") or 0)
        about = str(entry.get("key") or model)
        if not model or status < 400:
            if status:  # 0: the caller left before an answer began, which says nothing about the ones before
                self._attempts.pop(about, None)
            return None
        attempt = self._attempts.pop(about, 0) + 1
        self._attempts[about] = attempt  # as the newest
        if len(self._attempts) > _KEPT:
            del self._attempts[next(iter(self._attempts))]
        code = f", code {entry['error_code']}" if entry.get("error_code") else ""
        why = f": {entry['reason']}" if entry.get("reason") else ""
        return f"model call {model} failed: {status}{code}, attempt {attempt} ({_answered_by(entry)}){why}"


def _answered_by(entry: Mapping[str, Any]) -> str:
    for name in ("fault", "recording", "backend"):
        if entry.get(name):
            return f"{name} {entry[name]}"
    return _OTHERS.get(str(entry.get("source")), "said by the emulator")
