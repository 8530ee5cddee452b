"""Stable names for what is different in every run: ids become `id-1`, `id-2` in the order of appearance, instants `t+410`.

An id is: the text of a key that says so (`id`, `messageId`, `toolCallIds`), a UUID, or 64 hex digits. What the scenario's author wrote
keeps its name. A text that was once an id is renamed wherever it comes again, also inside of other texts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from emulator.config.instants import instant_ms

ID_KEY = re.compile(r"(?:^id|Id|_id|^_pk|ID)s?$")
ID_TEXT = re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\b")
INSTANT = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)")
SHORTEST_ID = 4
"""Shorter texts under an id's key are numbers of parts (`txt`, `0`), the same in every run."""
_YEAR_MS = 366 * 86_400_000
_DAY_MS = 86_400_000


class Names:
    """Names of one run. `kept` are texts that the author wrote; `start_ms` is the instant that times are counted from."""

    def __init__(self, kept: Iterable[str], start_ms: int) -> None:
        self._kept = frozenset(kept)
        self._start_ms = start_ms
        self._names: dict[str, str] = {}
        self._known: re.Pattern[str] | None = None

    def keep(self, *texts: str) -> None:
        """Texts that are the same in every run."""
        self._kept |= frozenset(texts)

    def value(self, value: Any) -> Any:
        """The value with stable names in it. JSON inside of a text is read too."""
        self._learn(value, None)
        return self._renamed(value)

    def text(self, text: str) -> str:
        """A text with stable names in it."""
        for found in ID_TEXT.finditer(text):
            self._name(found[0])
        return self._replaced(text)

    def _learn(self, value: Any, key: str | None) -> None:
        if isinstance(value, dict):
            for name, member in value.items():
                self._learn(member, name)
        elif isinstance(value, list):
            for member in value:
                self._learn(member, key)
        elif isinstance(value, str):
            inner = json_in(value)
            if inner is not None:
                self._learn(inner, None)
            elif key is not None and ID_KEY.search(key) and len(value) >= SHORTEST_ID and not re.search(r"[\s/]", value):
                self._name(value)
            else:
                for found in ID_TEXT.finditer(value):
                    self._name(found[0])

    def _name(self, ident: str) -> None:
        if ident not in self._kept and ident not in self._names:
            self._names[ident] = f"id-{len(self._names) + 1}"
            self._known = None

    def _renamed(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._replaced(name): self._renamed(member) for name, member in value.items()}
        if isinstance(value, list):
            return [self._renamed(member) for member in value]
        if isinstance(value, str):
            inner = json_in(value)
            return self._replaced(value) if inner is None else Inner(compact(self._renamed(inner)))
        if isinstance(value, int | float) and not isinstance(value, bool) and self._is_instant(value):
            return f"t{value - self._start_ms:+}"
        return value

    def _is_instant(self, value: float) -> bool:
        return self._start_ms - _DAY_MS <= value <= self._start_ms + _YEAR_MS

    def _replaced(self, text: str) -> str:
        if self._names:
            if self._known is None:
                longest_first = sorted(self._names, key=len, reverse=True)
                self._known = re.compile("|".join(map(re.escape, longest_first)))
            text = self._known.sub(lambda found: self._names[found[0]], text)
        return INSTANT.sub(self._instant, text)

    def _instant(self, found: re.Match[str]) -> str:
        try:
            ms = instant_ms(found[0])
        except ValueError:
            return found[0]
        return f"t{ms - self._start_ms:+}" if self._is_instant(ms) else found[0]


def json_in(text: str) -> Any:
    """The object or list that a text is in JSON; None for any other text."""
    if text[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


class Inner(str):
    """A text that holds JSON; compact JSON shows it without a backslash before each of its quotes."""


def compact(value: Any) -> str:
    """JSON on one line, keys in their order of the alphabet: senders do not agree on another. A text with JSON stands in backticks."""
    if isinstance(value, Inner):
        return f"`{value}`"
    if isinstance(value, dict):
        members = (f"{json.dumps(name, ensure_ascii=False)}:{compact(value[name])}" for name in sorted(value))
        return f"{{{','.join(members)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(compact, value))}]"
    return json.dumps(value, ensure_ascii=False)
