"""Measured values as a markdown table, and that table's place in README.md."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from pathlib import Path

OURS = "agents-emu"
BEGIN, END = "<!-- table: python -m bench {}--write -->", "<!-- end of table -->"


@dataclass(slots=True)
class Row:
    """One line: samples by target, in the order of the rounds they were taken in. `goal` is what the project promises itself."""

    label: str
    unit: str
    goal: str = ""
    digits: int = 0
    samples: dict[str, list[float]] = field(default_factory=dict)

    def add(self, target: str, value: float) -> None:
        """One sample."""
        self.samples.setdefault(target, []).append(value)

    def median(self, target: str) -> float:
        """Of a target that was measured."""
        return statistics.median(self.samples[target])

    def ratio(self, other: str) -> float:
        """Ours divided by the other's: the median over pairs taken right after each other, where there are such pairs."""
        ours, theirs = self.samples[OURS], self.samples[other]
        if len(ours) == len(theirs):
            return statistics.median(mine / its for mine, its in zip(ours, theirs, strict=True))
        return self.median(OURS) / self.median(other)


def markdown(rows: list[Row], targets: list[str]) -> str:
    """The table; a target other than ours shows in brackets how many times its value ours is."""
    lines = [
        "| | " + " | ".join(targets) + " | goal |",
        "|---|" + "---:|" * len(targets) + "---|",
    ]
    for row in rows:
        if OURS not in row.samples:
            continue  # its measurement failed
        cells = [_cell(row, target) for target in targets]
        lines.append(f"| {row.label}, {row.unit} | " + " | ".join(cells) + f" | {row.goal} |")
    return "\n".join(lines)


def _cell(row: Row, target: str) -> str:
    if target not in row.samples:
        return ""
    values = row.samples[target]
    text = f"{row.median(target):,.{row.digits}f}"
    if target != OURS and OURS in row.samples and row.median(target) > 0:
        return f"{text} ({row.ratio(target):.2f}x)"
    if len(values) > 1 and max(values) - min(values) > 0.25 * abs(row.median(target)):
        return f"{text} [{min(values):,.{row.digits}f}..{max(values):,.{row.digits}f}]"
    return text


def write(path: Path, text: str, flags: str = "") -> None:
    """Put the text between the markers of this table. Raises ValueError when they are missing."""
    marker = BEGIN.format(flags)
    before, begin, rest = path.read_text("utf-8").partition(marker)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no place for the table: {marker} ... {END}")
    path.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", "utf-8")
