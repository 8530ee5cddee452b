"""`agents-emu ai record`: run a command and record what models answer meanwhile."""

from __future__ import annotations

from pathlib import Path

import click

from emulator.cli.ai.wrapped import Plan, judge_recording, run_wrapped, wrapping
from emulator.errors import UsageError

EPILOG = """\b
Examples:
  agents-emu ai record -- pytest tests/agent
  agents-emu ai record --cassette checkout -- npm test
  agents-emu ai record --add -- pytest tests/agent/test_new.py
  agents-emu ai record --prune -- pytest           COMMAND runs all tests
  agents-emu ai record --keep-failed -- ./smoke.sh

The command finds the server in $AGENTS_EMU_URL. When it succeeds, its recordings replace those of the same requests; what it did not ask
for stays, unless --prune is given. When it fails, all stays as it was. A running `agents-emu dev` of the project is used, else a server
is started for the command."""


@click.command(epilog=EPILOG, context_settings={"allow_interspersed_args": False})
@click.option("--keep-failed", is_flag=True, help="Keep the recordings also when COMMAND fails.")
@click.option("--add", is_flag=True, help="Replay what is recorded, and add only what is missing (mode new).")
@click.option("--prune", is_flag=True, help="COMMAND runs all tests: recordings of its cassettes that it does not ask for are removed.")
@wrapping
def record(
    words: tuple[str, ...],
    root: Path,
    cassette: str | None,
    speed: str | None,
    keep_failed: bool,
    add: bool,
    prune: bool,
    as_json: bool,
) -> int:
    """Run COMMAND, such as a test runner, and record the model calls and outbound requests of the agents it talks to."""
    if prune and (add or keep_failed):
        what = "--prune removes what a whole run did not ask for, so neither --add nor --keep-failed goes with it"
        raise UsageError("E205", what, hint="agents-emu ai record --help")
    plan = Plan(words, "new" if add else "record", root, cassette, speed, keep_failed=keep_failed, prune=prune)
    return run_wrapped(plan, as_json, judge_recording)
