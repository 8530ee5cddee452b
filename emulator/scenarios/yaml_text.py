"""Scenario files as text: steps in blocks, what they hold in braces, a line each. Only what a recorder writes; reading is located.py."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from emulator.scenarios.located import plain

WIDTH = 120
_BARE = re.compile(r"[A-Za-z_/$][A-Za-z0-9_./$-]*")
_BLOCKS = frozenset(("steps", "outcome", "frames", "clients"))
"""Lists and tables that get a line for each of their members."""


@dataclass(frozen=True, slots=True)
class Comment:
    """A line of words in a list."""

    text: str


def text(document: Mapping[str, Any], head: tuple[str, ...] = ()) -> str:
    """A whole file; `head` are lines of words above it."""
    lines = [f"# {line}".rstrip() for line in head]
    for name, value in document.items():
        lines += _member(name, value, "")
    return "\n".join([*lines, ""])


def _member(name: str, value: Any, indent: str) -> Iterator[str]:
    if name in _BLOCKS and value:
        yield f"{indent}{name}:"
        if isinstance(value, Mapping):
            for key, member in value.items():
                yield f"{indent}  {key}: {flow(member)}"
        else:
            for row in value:
                yield from _row(row, f"{indent}  ") if name != "frames" else (f"{indent}  - {flow(row)}",)
    else:
        yield f"{indent}{name}: {flow(value)}"


def _row(row: Any, indent: str) -> Iterator[str]:
    if isinstance(row, Comment):
        yield f"{indent}# {row.text}"
        return
    if not isinstance(row, Mapping):
        yield f"{indent}- {flow(row)}"
        return
    first = True
    for name, value in row.items():
        lead = f"{indent}- " if first else f"{indent}  "
        first = False
        short = "" if value is None else f" {flow(value)}"
        if not isinstance(value, Mapping) or not (_BLOCKS & value.keys()) or len(lead) + len(name) + len(short) <= WIDTH:
            yield f"{lead}{name}:{short}"
            continue
        yield f"{lead}{name}:"
        for key, member in value.items():
            yield from _member(key, member, f"{indent}    ")


def flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_word(str(name))}: {flow(member)}' for name, member in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(flow, value))}]"
    return _word(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _word(word: str) -> str:
    """A text, in quotes unless it is a plain word that means itself."""
    if _BARE.fullmatch(word) and isinstance(plain(word), str):
        return word
    return json.dumps(word, ensure_ascii=False)
