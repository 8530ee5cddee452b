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
    if as_json:
        click.echo(json.dumps(found))
    elif not found["drifts"] and found["mode"] != "check":
        click.echo(f"nothing was compared: the server is in mode {found['mode']}; agents-emu ai mode check")
    error = _drifted(found)
    if error is not None and not as_json:
        raise error
    if not as_json and found["mode"] == "check":
        click.echo("no differences so far")
    return error.exit_code if error else 0


def _judge(outcome: Outcome) -> EmuError | None:
    return judge_replay(outcome) or _drifted(outcome.check or {"drifts": []})


def _drifted(found: dict[str, Any]) -> EmuError | None:
    if not found["drifts"]:
        return None
    lines = [json.dumps(drift) for drift in found["drifts"]]
    what = f"{count(len(found['drifts']), 'recording')} would be answered in another shape now"
    return RecordingError("E544", what, where="\n".join(lines), hint="record them anew: agents-emu ai refresh CASSETTE/ID")
