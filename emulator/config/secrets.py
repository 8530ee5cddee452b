"""Secret values: readable by user code, invisible everywhere else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

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

    def redactor(self) -> Callable[[str], str]:
        """A function that puts `[secret NAME]` where a text holds a value, or a line of one that has several; `str` when
        there is nothing to hide.

        Longer values are looked for first.
        """
        values = [(part, name) for name, value in self._values.items() for part in (*value.splitlines(), value)]
        names = {part: name for part, name in values if len(part) >= SHORTEST_REDACTED}
        if not names:
            return str
        pattern = re.compile("|".join(re.escape(value) for value in sorted(names, key=len, reverse=True)))
        return lambda text: pattern.sub(lambda found: f"[secret {names[found[0]]}]", text)
