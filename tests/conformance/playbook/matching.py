"""What a case expects of JSON data: itself, or one of the matchers below somewhere inside it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

UNDEFINED = {"$": "undefined"}


class Matcher:
    """Says whether a value is as wanted."""

    def accepts(self, value: Any) -> bool:
        raise NotImplementedError


@dataclass(frozen=True)
class Like(Matcher):
    """Text in which the pattern is found."""

    pattern: str

    def accepts(self, value: Any) -> bool:
        return isinstance(value, str) and re.search(self.pattern, value) is not None


@dataclass(frozen=True)
class Between(Matcher):
    low: float
    high: float

    def accepts(self, value: Any) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high


@dataclass(frozen=True)
class Has(Matcher):
    """An object with at least these fields; a field given as ABSENT must not be there."""

    fields: dict[str, Any]

    def accepts(self, value: Any) -> bool:
        return isinstance(value, dict) and all(
            key not in value if wanted is ABSENT else key in value and fits(value[key], wanted) for key, wanted in self.fields.items()
        )


@dataclass(frozen=True)
class OneOf(Matcher):
    choices: tuple[Any, ...]

    def accepts(self, value: Any) -> bool:
        return any(fits(value, choice) for choice in self.choices)


@dataclass(frozen=True)
class EachIs(Matcher):
    """A list of `count` items that are all as wanted."""

    count: int
    wanted: Any

    def accepts(self, value: Any) -> bool:
        return isinstance(value, list) and len(value) == self.count and all(fits(item, self.wanted) for item in value)


@dataclass(frozen=True)
class _Named(Matcher):
    name: str

    def accepts(self, value: Any) -> bool:
        return True

    def __repr__(self) -> str:
        return self.name


ANY = _Named("ANY")
ABSENT = _Named("ABSENT")


def fits(value: Any, wanted: Any) -> bool:
    """Whether JSON data is what was wanted. True and 1 are different."""
    if isinstance(wanted, Matcher):
        return wanted.accepts(value)
    if isinstance(wanted, dict):
        return isinstance(value, dict) and value.keys() == wanted.keys() and all(fits(value[key], item) for key, item in wanted.items())
    if isinstance(wanted, list | tuple):
        return isinstance(value, list) and len(value) == len(wanted) and all(map(fits, value, wanted))
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


def error(message: Any = ANY, **fields: Any) -> Has:
    """An outcome that is an error: `{"error": {...}}` with at least these fields; a `message` in full or a Matcher."""
    return Has({"error": Has({"message": message, **fields})})


def value(wanted: Any = ANY) -> Has:
    """An outcome that is a value."""
    return Has({"value": wanted})
