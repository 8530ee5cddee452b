"""Secret values: readable by user code, invisible everywhere else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus

SHORTEST_REDACTED = 8
"""Shorter values ("true", "info", "3000") are no keys; replacing them would only garble every log line."""


class Secrets(Mapping[str, str]):
    """Names and values from `.dev.vars`, `.env*` or the process environment. `repr` and `str` show names only."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = dict(values or {})

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Secrets({', '.join(sorted(self._values))})"


class Redactor:
    """A function on texts: puts `[secret NAME]` where one holds a secret value, or a line of a value that has several.

    Values are found as they are and as URLs, JSON and Python's `repr` write them. What `learn` adds comes to what is known already:
    a key that was replaced is still a key, and code that has it may still be running.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._names: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None
        self.learn(secrets)

    def learn(self, secrets: Secrets) -> None:
        """Hide these values too, from now on."""
        for name, value in secrets.items():
            for part in (*value.splitlines(), value):
                if len(part) >= SHORTEST_REDACTED:
                    self._names.update(dict.fromkeys(_spellings(part), name))
        # Longer values are looked for first.
        spellings = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, spellings))) if spellings else None

    @property
    def idle(self) -> bool:
        """There is nothing to hide."""
        return self._pattern is None

    @property
    def spellings(self) -> Mapping[str, str]:
        """The names of the secrets by every form that a value of theirs is found in."""
        return self._names

    def __call__(self, text: str) -> str:
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: f"[secret {self._names[found[0]]}]", text)


def _spellings(value: str) -> set[str]:
    return {value, quote(value), quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1], repr(value)[1:-1]}
