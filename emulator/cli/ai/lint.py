"""`agents-emu ai lint`: is every recording usable, and does it do what its author thinks?"""

from __future__ import annotations

import os
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emulator.cli.ai.fixtures import Fixtures, fixtures_options
from emulator.cli.ai.outcome import as_json_object, say
from emulator.cli.colours import Colour, Paint, wants_colour
from emulator.config.document import shown
from emulator.errors import RecordingError

if TYPE_CHECKING:
    from emulator.gateway.ai.curation.lint import Problem

_COLOURS = {"error": Colour.BAD, "warning": Colour.CARE, "note": Colour.DIM}

EPILOG = """\b
Examples:
  agents-emu ai lint
  agents-emu ai lint --strict              warnings count, too
  agents-emu ai lint --fail-stale          in CI: recordings that are too old count

Errors: broken, foreign-version, missing-blob, duplicate-id, ambiguous, broken-fault.
Warnings: lost-faults, unreachable, shadowed, repeat-ignored, rules-ignored, broken-splits, time-runs-back, aborted, old-key,
stale.
Notes: edited, duplicate, orphan-blob, key-ignored, other-name."""


@click.command(epilog=EPILOG)
@click.option("--strict", is_flag=True, help="Exit with 3 for warnings, too.")
@click.option("--fail-stale", is_flag=True, help="Exit with 3 when a recording is too old.")
@fixtures_options
def lint(fixtures: Fixtures, strict: bool, fail_stale: bool, as_json: bool) -> int:
    """Check recordings: their form, duplicates, stubs that are never reached or fit equally well, blobs, edits, age."""
    from emulator.gateway.ai.curation.lint import lint as problems_of

    found = fixtures.inventory()
    problems = problems_of(found, datetime.now(UTC), fixtures.options.ai.max_age_days)
    error = _failure(found.folder, [problem for problem in problems if _counts(problem, strict=strict, fail_stale=fail_stale)])
    if as_json:
        return as_json_object({"recordings": len(found.entries), "problems": [_row(problem) for problem in problems]}, error)
    _tell(problems, len(found.entries))
    if error is not None:
        raise error
    return 0


def _counts(problem: Problem, *, strict: bool, fail_stale: bool) -> bool:
    severity = problem.severity.value
    return severity == "error" or (strict and severity == "warning") or (fail_stale and problem.rule == "stale")


def _failure(folder: Path, bad: list[Problem]) -> RecordingError | None:
    if not bad:
        return None
    files = len({problem.file for problem in bad})
    what = f"{files} {'file is' if files == 1 else 'files are'} not in order: {_summary(bad)}"
    return RecordingError("E532", what, where=str(folder / "ai"), hint=next((one.hint for one in bad if one.hint), None))


def _row(problem: Problem) -> dict[str, str | None]:
    return {
        "rule": problem.rule,
        "severity": problem.severity.value,
        "file": str(problem.file),
        "path": problem.path,
        "what": problem.what,
        "next": problem.hint,
    }


def _tell(problems: list[Problem], count: int) -> None:
    paint = Paint(wants_colour(sys.stdout, os.environ))
    for problem in problems:
        word = paint(f"{problem.severity.value} {problem.rule}", _COLOURS[problem.severity.value])
        place = f"{shown(problem.file)}{problem.path if problem.path.startswith(':') else f' {problem.path}' if problem.path else ''}"
        say(f"{word}  {place}")
        say(f"  {problem.what}")
        if problem.hint:
            for line in problem.hint.splitlines():
                say(f"  next  {line}")
    recordings = f"{count} recording{'' if count == 1 else 's'}"
    say(f"{recordings}: {_summary(problems)}" if problems else f"{recordings}, all in order")


def _summary(problems: list[Problem]) -> str:
    counts = Counter(problem.rule for problem in problems)
    return ", ".join(f"{count} {rule}" for rule, count in counts.items())
