"""`agents-emu ai replay`: run a command against recordings alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from emulator.cli.ai.wrapped import Plan, judge_replay, run_wrapped, wrapping

EPILOG = """\b
Examples:
  agents-emu ai replay -- pytest tests/agent
  agents-emu ai replay --full -- npm test            ai prune may trust this run
  agents-emu ai replay --fail-stale --json -- pytest

Nothing leaves the machine. Exit codes: 1 when the command failed, or a model call ended with an error that nobody noticed; 3 when a
request had no recording, even though the agent swallowed the error. Faults that were asked for do not count."""


@click.command(epilog=EPILOG, context_settings={"allow_interspersed_args": False})
@click.option("--full", is_flag=True, help="COMMAND runs all tests: recordings it does not use are unused (ai prune).")
@click.option("--fail-stale", is_flag=True, help="Exit with 3 when a recording that answered is too old.")
@click.option("--allow-errors", is_flag=True, help="Recorded errors of models are what COMMAND is about.")
@wrapping
def replay(
    words: tuple[str, ...],
    root: Path,
    cassette: str | None,
    speed: str | None,
    full: bool,
    fail_stale: bool,
    allow_errors: bool,
    as_json: bool,
) -> int:
    """Run COMMAND, such as a test runner, and answer the model calls and outbound requests of its agents from recordings."""
    plan = Plan(words, "replay", root, cassette, speed or "instant", full=full)
    return run_wrapped(plan, as_json, partial(judge_replay, fail_stale=fail_stale, allow_errors=allow_errors))
