"""Where two JSON values differ. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

ABSENT = object()
"""Stands for a value that one side does not have."""

Difference = tuple[tuple[str | int, ...], Any, Any]
"""Path, recorded value, asked value; a value is ABSENT where there is none."""


def differences(recorded: Any, asked: Any, path: tuple[str | int, ...]) -> Iterator[Difference]:
    """Every difference at its deepest path, in order."""
    if isinstance(recorded, Mapping) and isinstance(asked, Mapping):
        for name in sorted({*recorded, *asked}):
            yield from differences(recorded.get(name, ABSENT), asked.get(name, ABSENT), (*path, name))
    elif isinstance(recorded, list) and isinstance(asked, list):
        for index in range(max(len(recorded), len(asked))):
            left = recorded[index] if index < len(recorded) else ABSENT
            right = asked[index] if index < len(asked) else ABSENT
            yield from differences(left, right, (*path, index))
    elif recorded is ABSENT or asked is ABSENT or recorded != asked:
        yield path, recorded, asked
