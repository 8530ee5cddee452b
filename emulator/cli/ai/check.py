"""`agents-emu ai check`: do models still answer in the shape that was recorded?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from emulator.cli.ai.wrapped import Outcome, Plan, judge_replay, run_wrapped
from emulator.cli.server import ask, find_server
from emulator.cli.session_words import count
from emulator.config.wrangler import find_config
from emulator.errors import EmuError, RecordingError

EPILOG = """\b
Examples:
  agents-emu ai check -- pytest tests/agent       replay, ask the models too, compare
  agents-emu ai check                             what a server in mode check has found
  agents-emu ai check --json

Compared are status, keys, types, the grammar of events and the finish reason, not the words. Cassettes are not touched."""


@click.command(epilog=EPILOG, context_settings={"allow_interspersed_args": False})
@click.argument("words", nargs=-1, metavar="[[--] COMMAND...]", type=click.UNPROCESSED)
@click.option("-C", "--dir", "directory", default=".", type=click.Path(path_type=Path), help="The project's folder.")
@click.option("--cassette", metavar="NAME", help="Only this folder of recordings.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object; what COMMAND prints goes to standard error.")
def check(words: tuple[str, ...], directory: Path, cassette: str | None, as_json: bool) -> int:
    """Run COMMAND in mode check and report where models answer in another shape than recorded; without it, report what was found."""
    if words:
        plan = Plan(words, "check", find_config(directory).parent, cassette, "instant")
        return run_wrapped(plan, as_json, _judge)
    found = ask(find_server(directory), "GET", "ai/check")
    error = _drifted(found) or _compared(found)
    if as_json:
        click.echo(json.dumps(found))
        return error.exit_code if error else 0
    if error is not None:
        raise error
    click.echo(f"{count(found['compared'], 'recording')} compared, no differences")
    return 0


def _judge(outcome: Outcome) -> EmuError | None:
    return judge_replay(outcome) or _drifted(outcome.check) or _compared(outcome.check)


def _compared(found: dict[str, Any] | None) -> EmuError | None:
    """A check that compared nothing has checked nothing."""
    if found is None or found["compared"]:
        return None
    if found["mode"] != "check":
        what = f"nothing was compared: the server is in mode {found['mode']}"
        hint = "agents-emu ai check -- COMMAND, or agents-emu ai mode check"
    else:
        what = "nothing was compared: no model call was answered by a recording"
        hint = "call the agent, by the server in $AGENTS_EMU_URL"
    return RecordingError("E546", what, hint=hint)


def _drifted(found: dict[str, Any] | None) -> EmuError | None:
    drifts = found["drifts"] if found else []
    lines = [f"{drift['recording']}  {words}" for drift in drifts for words in drift["differences"]]
    if lines:
        changed = sum(bool(drift["differences"]) for drift in drifts)
        what = f"{count(changed, 'recording')} would be answered in another shape now"
        return RecordingError("E544", what, where="\n".join(lines), hint="look, then record anew: agents-emu ai refresh CASSETTE/ID")
    problems = [f"{drift['recording']}  {str(drift['problem']).splitlines()[0]}" for drift in drifts]
    pending = found["pending"] if found else 0
    if problems or pending:
        problems += [f"{count(pending, 'model')} did not answer in time"] if pending else []
        what = f"{count(len(drifts) + pending, 'recording')} could not be compared"
        return RecordingError("E545", what, where="\n".join(problems), hint="are the backends there, with their keys? agents-emu ai status")
    return None
