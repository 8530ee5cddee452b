"""The forms in which a known secret can stand in an exchange: as it is, URL-encoded, JSON-escaped, base64 (ai-binding.md 7.5). Pure.

Inside longer base64 text a value starts at one of three alignments; only the characters that depend on the value alone are looked for,
so two to five bits at either end may remain.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from urllib.parse import quote, quote_plus

SHORTEST = 8
"""Shorter values are no secrets: they would be found everywhere."""
ACCOUNT = "{{account}}"
_ACCOUNT_IN_URL = r"(?<=/accounts/)[0-9a-f]{32}(?![0-9a-f])|(?<=gateway\.ai\.cloudflare\.com/v1/)[0-9a-f]{32}(?![0-9a-f])"


class KnownSecrets:
    """What to look for, compiled. Of two names with one value the first in the alphabet is told."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._placeholders: dict[str, str] = {}
        for name in sorted(values):
            value = values[name].strip()
            for part in (value, *value.splitlines()):  # of a key of several lines, each one tells enough
                if len(part) >= SHORTEST:
                    for form in forms(part):
                        self._placeholders.setdefault(form, placeholder(name))
        self._placeholder_bytes = {form.encode(): found.encode() for form, found in self._placeholders.items()}
        self._anchors = _anchors(self._placeholders)
        self._anchor_bytes = [anchor.encode() for anchor in self._anchors]
        self.longest = max((len(form) for form in self._placeholder_bytes), default=0) + 64
        """Bytes that a window over a long body must overlap with the next."""

    @cached_property
    def _text(self) -> re.Pattern[str]:
        return re.compile("|".join([*map(re.escape, _longest_first(self._placeholders)), _ACCOUNT_IN_URL]))

    @cached_property
    def _bytes(self) -> re.Pattern[bytes]:
        known = [re.escape(form) for form in sorted(self._placeholder_bytes, key=len, reverse=True)]
        return re.compile(b"|".join([*known, _ACCOUNT_IN_URL.encode()]))

    def may_be_in(self, text: str) -> bool:
        """Whether `text` may hold something to replace; a fast no is the usual answer."""
        return any(anchor in text for anchor in self._anchors)

    def replaced(self, text: str) -> str:
        """`text` with placeholders."""
        return self._text.sub(lambda found: self._placeholders.get(found[0], ACCOUNT), text)

    def in_text(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Start, end and placeholder of everything found."""
        return ((found.start(), found.end(), self._placeholders.get(found[0], ACCOUNT)) for found in self._text.finditer(text))

    def in_bytes(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """The same in bytes."""
        if not any(anchor in data for anchor in self._anchor_bytes):
            return
        for found in self._bytes.finditer(data):
            yield found.start(), found.end(), self._placeholder_bytes.get(found[0], ACCOUNT.encode())


def placeholder(name: str) -> str:
    """What stands for the secret `name`; an account id is no secret and has no name."""
    return ACCOUNT if name.upper().endswith("ACCOUNT_ID") else f"{{{{secret:{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}}}}}"


def forms(value: str) -> set[str]:
    """Every text that stands for `value`."""
    found = {value, *_json_escaped(value), *_url_encoded(value)}
    level = {value}
    for _ in range(3):  # a tool call's arguments are JSON inside JSON, and may be told in a third; a query may hold JSON
        level = {json.dumps(inner, ensure_ascii=escapes)[1:-1] for inner in level for escapes in (True, False)}
        found |= {*level, *(quote(inner, safe="") for inner in level)}
    for encoded in _base64(value.encode()):
        found |= {encoded, quote(encoded, safe=""), encoded.replace("/", "\\/")}
    return found


def _url_encoded(value: str) -> set[str]:
    found = {quote(value, safe=safe) for safe in ("", "/", "!'()*", "!'()*;/?:@&=+$,#")} | {quote_plus(value)}
    return found | {re.sub(r"%[0-9A-F]{2}", lambda code: code[0].lower(), form) for form in found}


def _json_escaped(value: str) -> set[str]:
    """As servers write it: with or without ASCII escapes, escaped slashes, and signs that HTML knows."""
    found = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    found |= {form.replace("/", "\\/") for form in found}
    return found | {re.sub("[<>&]", lambda sign: f"\\u{ord(sign[0]):04x}", form) for form in found}


def _base64(data: bytes) -> set[str]:
    found = set()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        found.add(encode(data).decode())
        for before in range(3):
            text = encode(bytes(before) + data).decode()
            first, last = -(-before * 8 // 6), (before + len(data)) * 8 // 6
            found.add(text[first:last])
    return found


def _anchors(found: Iterable[str]) -> list[str]:
    """A few short texts of which every form holds one: forms differ in how they write signs, hardly in letters and digits."""
    anchors = {max(re.findall("[A-Za-z0-9]{4,}", form), key=len, default=form) for form in found}
    anchors |= {"/accounts/", "gateway.ai.cloudflare.com"}
    kept: list[str] = []
    for anchor in sorted(anchors, key=len):
        if not any(shorter in anchor for shorter in kept):
            kept.append(anchor)
    return kept


def _longest_first(known: Mapping[str, str]) -> list[str]:
    return sorted(known, key=len, reverse=True)
