"""From values that were seen to values that are written down: what the server invents becomes a variable, instants fit anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from emulator.config.instants import instant_ms
from emulator.scenarios.naming import ID_KEY, ID_TEXT, INSTANT, SHORTEST_ID, json_in

_HALF_YEAR_MS = 183 * 86_400_000
_OWN = "own-"
_CONNECTION_ID = re.compile(r"[?&]_pk=([^&]+)")
_NANOID = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9_-]{8,36}")
_MASKED = re.compile(r"\*{3,}|\[redacted[^\]]*\]|<redacted>", re.IGNORECASE)


class RecordedValues:
    """Remembers who said a text first. `start_ms` is when the recording began."""

    def __init__(self, start_ms: int) -> None:
        self._start_ms = start_ms
        self._clients_own: dict[str, str] = {}
        self._names: dict[str, str] = {}

    # -- what clients say

    def said(self, value: Any) -> Any:
        """What a client sent, with the server's ids as variables; all other ids in it are the client's own, and long random ones of those
        get short names, because any will do."""
        for text in _ids(value, None):
            if text not in self._names and text not in self._clients_own:
                self._clients_own[text] = f"{_OWN}{self._renamed() + 1}" if _is_random(text) else text
        return self._put(value, sent=True)

    # -- what the server says

    def pattern(self, value: Any) -> Any:
        """A pattern for what the server sent: ids of its own are variables, JSON in texts is looked into, instants fit anything."""
        for text in _ids(value, None):
            if text not in self._clients_own and text not in self._names:
                self._names[text] = f"id{len(self._names) + 1}"
        return self._put(value, sent=False)

    def address(self, path: str, client: str) -> str:
        """A client's address; its random connection id (`_pk`) becomes the client's name."""
        found = _CONNECTION_ID.search(path)
        if found is None or not _is_random(found[1]):
            return path
        self._clients_own[found[1]] = client
        return path.replace(found[1], client)

    def _renamed(self) -> int:
        return sum(name.startswith(_OWN) for name in self._clients_own.values())

    def _put(self, value: Any, *, sent: bool) -> Any:
        if isinstance(value, dict):
            return {name: self._put(member, sent=sent) for name, member in value.items()}
        if isinstance(value, list):
            return [self._put(member, sent=sent) for member in value]
        if isinstance(value, str):
            return self._text(value, sent=sent)
        if not sent and isinstance(value, int | float) and not isinstance(value, bool) and self._is_now(value):
            return "${any}"
        return value

    def _text(self, text: str, *, sent: bool) -> Any:
        if not sent and _MASKED.search(text):
            return "${any}"
        inner = json_in(text)
        if inner is not None:
            return {"$json": self._put(inner, sent=sent)}
        escaped = text.replace("${", "$${")
        names = {**self._clients_own, **{ident: f"${{{name}}}" for ident, name in self._names.items()}}
        if names:
            known = "|".join(re.escape(ident) for ident in sorted(names, key=len, reverse=True))
            escaped = re.sub(known, lambda found: names[found[0]], escaped)
        return escaped if sent else INSTANT.sub(self._instant, escaped)

    def _instant(self, found: re.Match[str]) -> str:
        try:
            return "${any}" if self._is_now(instant_ms(found[0])) else found[0]
        except ValueError:
            return found[0]

    def _is_now(self, ms: float) -> bool:
        return abs(ms - self._start_ms) < _HALF_YEAR_MS


def _is_random(text: str) -> bool:
    """Whether nobody chose these letters: a UUID, or small and capital letters and digits mixed."""
    return bool(ID_TEXT.fullmatch(text) or _NANOID.fullmatch(text))


def _ids(value: Any, key: str | None) -> Iterator[str]:
    """Every id in a value (naming.py says what is one), in order."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _ids(member, name)
    elif isinstance(value, list):
        for member in value:
            yield from _ids(member, key)
    elif isinstance(value, str):
        inner = json_in(value)
        if inner is not None:
            yield from _ids(inner, None)
        elif key is not None and ID_KEY.search(key) and len(value) >= SHORTEST_ID and not re.search(r"[\s/]", value):
            yield value
        else:
            yield from (found[0] for found in ID_TEXT.finditer(value))
