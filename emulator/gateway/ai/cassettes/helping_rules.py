"""The lines of `cassette.json` under which a recording would answer a request that differs in ids, dates or numbers alone
(ai-binding.md 7.3 step 8). Pure. What is proposed was tried: both requests have the same key under it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any

from emulator.gateway.ai.canonical import NORMALISERS, ModelRequest, canonical, compact, key_of
from emulator.gateway.ai.cassettes.json_differences import differences
from emulator.gateway.ai.recorder.secret_patterns import unknown_secrets

_TOKEN = re.compile(r"[\w.:/+-]+")
_RUN = re.compile(r"\d+|\D+")
_HEX = re.compile(r"(?=[^\d]*\d)[0-9a-fA-F][0-9a-fA-F-]{7,}")
_NUMBER = r"\b\d+(?:\.\d+)?\b"
_REGEX = "regex:"
_MOST_PATTERNS = 4


def helping_rules(request: ModelRequest, recorded: ModelRequest, rules: Iterable[str]) -> tuple[str, ...] | None:
    """The fewest rules, in the form that canonical() takes, under which the two are the same; `rules` are those in force, which stay."""
    now = tuple(rules)
    more = [name for name in NORMALISERS if name not in now]
    for count in range(1, len(more) + 1):
        for added in combinations(more, count):
            if _same(request, recorded, (*now, *added)):
                return (*now, *added)
    pattern = _pattern(canonical(recorded, now), canonical(request, now))
    if pattern is not None and _same(request, recorded, (*now, f"{_REGEX}id={pattern}")):
        return (*now, f"{_REGEX}id={pattern}")
    return None


def setting(rules: Iterable[str]) -> str:
    """These rules as `cassette.json` has them, without the braces around."""
    named = [rule.partition("=") for rule in rules]
    patterns = {name.removeprefix(_REGEX): pattern for name, _, pattern in named if pattern}
    lines = [f'"normalise": {compact([name for name, _, _ in named])}']
    return ", ".join([*lines, *([f'"patterns": {compact(patterns)}'] if patterns else [])])


def _same(request: ModelRequest, recorded: ModelRequest, rules: tuple[str, ...]) -> bool:
    return key_of(canonical(request, rules)) == key_of(canonical(recorded, rules))


def _pattern(recorded: dict[str, Any], asked: dict[str, Any]) -> str | None:
    """A pattern for the words in which two requests differ, when all of those look like ids or numbers."""
    found: list[str] = []
    for _, left, right in differences(recorded, asked, ()):
        if not isinstance(left, str) or not isinstance(right, str):
            return None
        if unknown_secrets(left) or unknown_secrets(right):
            return None  # a pattern is shown, and would hold parts of the token
        before, after = _TOKEN.findall(left), _TOKEN.findall(right)
        if len(before) != len(after):
            return None
        for pair in zip(before, after, strict=True):
            pattern = None if pair[0] == pair[1] else _both(*pair)
            if pattern is None and pair[0] != pair[1]:
                return None
            if pattern is not None and pattern not in found:
                found.append(pattern)
    return "|".join(found) if 0 < len(found) <= _MOST_PATTERNS else None


def _both(left: str, right: str) -> str | None:
    """A pattern for two words: numbers, hexadecimal ids, or the same letters around other digits (`ORD-17`, `ORD-204`)."""
    left, right = left.rstrip(".:"), right.rstrip(".:")
    if re.fullmatch(_NUMBER, left) and re.fullmatch(_NUMBER, right):
        return _NUMBER
    if _HEX.fullmatch(left) and _HEX.fullmatch(right):
        return r"\b[0-9a-fA-F][0-9a-fA-F-]{7,}\b"
    runs = list(_runs(left))
    if runs != list(_runs(right)) or "\0" not in runs:
        return None
    return r"\b" + "".join(r"\d+" if run == "\0" else re.escape(run).replace(r"\-", "-") for run in runs) + r"\b"


def _runs(word: str) -> Iterator[str]:
    return ("\0" if run.isdigit() else run for run in _RUN.findall(word))
