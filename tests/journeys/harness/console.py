"""Commands and their output as a document shows them, and as they come out when they are run.

A `console` block holds commands behind `$ `, each followed by what it prints. A line `...` stands for any lines. Times, sizes of tables,
seeds and request ids differ from run to run, so both sides are compared without them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ANY = "..."
_DIFFERENT = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"), "TIME"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "UUID"),
    (re.compile(r"\b\d+(?:\.\d+)? ?(?:ms|s|min|h)\b"), "DURATION"),
    (re.compile(r"\bseed \d+"), "seed N"),
    (re.compile(r"─+"), "─"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True)
class Shown:
    """One command, the lines it is said to print, and the file's line where it stands."""

    command: str
    output: tuple[str, ...]
    line: int


def commands(document: str) -> list[Shown]:
    """The commands of all `console` blocks, in order."""
    found: list[Shown] = []
    for match in _BLOCK.finditer(document):
        if match[1] != "console":
            continue
        first = document.count("\n", 0, match.start()) + 2
        for number, line in enumerate(match[2].splitlines(), first):
            if line.startswith("$ "):
                found.append(Shown(line[2:], (), number))
            else:
                last = found.pop()
                found.append(Shown(last.command, (*last.output, line), last.line))
    return found


def blocks(document: str, language: str) -> list[str]:
    """The contents of all blocks of a language."""
    return [match[2] for match in _BLOCK.finditer(document) if match[1] == language]


def same(shown: list[str] | tuple[str, ...], printed: list[str]) -> bool:
    """Whether the output is as shown, but for what differs each time."""
    return _fits(_essence(shown), _essence(printed))


def _essence(lines: list[str] | tuple[str, ...]) -> list[str]:
    found = []
    for line in lines:
        for pattern, word in _DIFFERENT:
            line = pattern.sub(word, line)
        if line.strip():
            found.append(line.strip())
    return found


def _fits(shown: list[str], printed: list[str]) -> bool:
    if not shown:
        return not printed
    if shown[0] == _ANY:
        return any(_fits(shown[1:], printed[at:]) for at in range(len(printed) + 1))
    return bool(printed) and shown[0] == printed[0] and _fits(shown[1:], printed[1:])
