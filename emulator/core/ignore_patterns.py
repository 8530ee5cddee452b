"""Patterns as in `.gitignore`, which `.assetsignore` is written in: which files of a folder are left out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Pattern:
    regex: re.Pattern[str]
    negated: bool
    folders_only: bool


class IgnorePatterns:
    """The last pattern that matches decides; `!` takes a file back in, but nothing below a folder that is left out."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._patterns = [pattern for line in lines if (pattern := _read(line)) is not None]

    def ignores(self, path: str) -> bool:
        """Whether a file is left out; `path` is relative to the folder, with slashes."""
        parts = path.split("/")
        return any(self._matches("/".join(parts[:depth]), depth < len(parts)) for depth in range(1, len(parts) + 1))

    def _matches(self, path: str, is_folder: bool) -> bool:
        ignored = False
        for pattern in self._patterns:
            if (is_folder or not pattern.folders_only) and pattern.regex.fullmatch(path):
                ignored = not pattern.negated
        return ignored


def _read(line: str) -> _Pattern | None:
    line = line.rstrip("\r\n")
    line = re.sub(r"(?<!\\)\s+$", "", line)
    if not line or line.startswith("#"):
        return None
    negated = line.startswith("!")
    body = line[1:] if negated else line
    folders_only = body.endswith("/")
    body = body.rstrip("/") if folders_only else body
    # A slash anywhere but at the end ties the pattern to the folder itself; else it may stand at any depth.
    anchored = "/" in body
    body = body.removeprefix("/")
    try:
        regex = re.compile(("" if anchored else "(?:.*/)?") + _regex(body), re.DOTALL)
    except re.error:  # a range that ends before it begins, as in [z-a], matches nothing
        return None
    return _Pattern(regex, negated, folders_only) if body else None


_TOKEN = re.compile(
    r"(?P<deep>(?<![^/])\*\*/)|(?P<rest>/\*\*$)|(?P<star>\*+)|(?P<one>\?)|(?P<set>\[[!^]?\]?[^\]/]*\])|\\(?P<plain>.)|(?P<text>.)",
    re.DOTALL,
)


def _regex(body: str) -> str:
    parts = []
    for token in _TOKEN.finditer(body):
        match token.lastgroup:
            case "deep":
                parts.append("(?:.*/)?")
            case "rest":
                parts.append("/.*")
            case "star":
                parts.append("[^/]*")
            case "one":
                parts.append("[^/]")
            case "set":
                inner = token["set"][1:-1].replace("\\", "\\\\")
                parts.append(f"(?!/)[{'^' + inner[1:] if inner[0] in '!^' else inner}]")
            case _:
                parts.append(re.escape(token["plain"] or token["text"]))
    return "".join(parts)
