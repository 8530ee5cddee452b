"""The golden transcript: what a run is held to, and a difference that people can read.

Two columns, the golden one on the left, as wide as the terminal. Lines that are the same stand for the place; long ones are cut around
what differs first.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from emulator.config.document import shown
from emulator.errors import UsageError
from emulator.scenarios.transcript import HEAD, SUFFIX, VERSION

CONTEXT = 2
"""Lines that are the same, shown before and after those that differ."""
MOST_ROWS = 60
_NARROWEST = 60
_MARKS = {"equal": " ", "replace": "|", "delete": "<", "insert": ">"}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of both sides; "" where one side has none. `mark` is `|` changed, `<` only golden, `>` only now, " " the same."""

    golden: str
    now: str
    mark: str


def path_of(scenario: Path) -> Path:
    """Where the golden transcript of a scenario lies: beside it."""
    return scenario.with_suffix(SUFFIX)


def read(path: Path, scenario: Path) -> str | None:
    """The golden transcript, None when there is none. Raises UsageError E284 when it is of another version, or none of ours."""
    if not path.exists():
        return None
    text = path.read_text("utf-8")
    head = text.partition("\n")[0]
    if head == f"{HEAD} {VERSION}":
        return text
    update = f"agents-emu scenario run {shown(scenario)} --update"
    if head.startswith(f"{HEAD} "):
        what = f"the golden transcript has version {head.removeprefix(HEAD).strip()}, this agents-emu writes version {VERSION}"
        raise UsageError("E284", what, where=f"{shown(path)}:1", hint=f"look at the run, then write it anew: {update}")
    raise UsageError("E284", "this is no transcript of agents-emu", where=f"{shown(path)}:1", hint=f"write it anew: {update}")


def differences(golden: str, now: str) -> list[Row]:
    """Rows that differ, each with a little of what is around it; empty when both are the same."""
    left, right = golden.splitlines(), now.splitlines()
    rows: list[Row] = []
    for group in difflib.SequenceMatcher(None, left, right, autojunk=False).get_grouped_opcodes(CONTEXT):
        if rows:
            rows.append(Row("...", "...", " "))
        for kind, left_from, left_to, right_from, right_to in group:
            rows.extend(_rows(kind, left[left_from:left_to], right[right_from:right_to]))
    return rows


def _rows(kind: str, left: list[str], right: list[str]) -> Iterator[Row]:
    for index in range(max(len(left), len(right))):
        golden = left[index] if index < len(left) else ""
        now = right[index] if index < len(right) else ""
        mark = _MARKS[kind] if kind != "replace" else "|" if golden and now else "<" if golden else ">"
        yield Row(golden, now, mark)


def columns(rows: list[Row], width: int) -> list[str]:
    """The rows as text, no line longer than `width`."""
    side = (max(width, _NARROWEST) - 3) // 2
    lines = [f"{'golden':{side}}   now", f"{'-' * side}   {'-' * side}"]
    for row in rows[:MOST_ROWS]:
        left, right = _fitted(row, side)
        lines.append(f"{left:{side}} {row.mark} {right}".rstrip())
    if len(rows) > MOST_ROWS:
        lines.append(f"and {len(rows) - MOST_ROWS} more lines")
    return lines


def _fitted(row: Row, side: int) -> tuple[str, str]:
    """Both sides cut to `side` characters, so that the first difference is seen."""
    if len(row.golden) <= side and len(row.now) <= side:
        return row.golden, row.now
    at = 0
    if row.mark == "|":
        at = next((index for index, (one, other) in enumerate(zip(row.golden, row.now, strict=False)) if one != other), 0)
    return _cut(row.golden, at, side), _cut(row.now, at, side)


def _cut(text: str, at: int, side: int) -> str:
    """A window of `side` characters that has the place `at` in it, and the beginning when there is room."""
    if len(text) <= side:
        return text
    if at < side - 4:
        return f"{text[: side - 3]}..."
    head = text[: side // 3]
    room = side - len(head) - 6
    start = max(len(head), at - room // 3)
    return f"{head}...{text[start : start + room]}..."[:side]
