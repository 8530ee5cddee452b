"""`agents-emu ai fault`: break model calls on purpose, in a running server."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import click

from emulator.cli.ai.tables import print_table
from emulator.cli.server import ask, server_options
from emulator.cli.session_words import count
from emulator.errors import RecordingError, UsageError
from emulator.gateway.ready import RunningServer

EPILOG = """\b
Examples:
  agents-emu ai fault add --do status=429 --do code=3040 --when nth=2
  agents-emu ai fault add --when 'target=@cf/*' --do reset_after_events=5 --name torn
  agents-emu ai fault add '{"when": {"probability": 0.2}, "do": {"status": 500}}'
  agents-emu ai fault list --json
  agents-emu ai fault clear torn

Faults that shall stay are written into fixtures/ai/faults.json. Recordings are never changed. Each verb has --json."""


@click.group(epilog=EPILOG, no_args_is_help=True)
def fault() -> None:
    """Add, list and clear faults: errors, torn streams, delays that hit model calls on purpose."""


@fault.command(epilog=EPILOG)
@click.argument("rule", required=False, metavar="[JSON]")
@click.option("--when", "conditions", multiple=True, metavar="NAME=VALUE", help="Which calls: target, model, nth, probability, ...")
@click.option("--do", "actions", multiple=True, metavar="NAME=VALUE", help="What happens: status, code, refuse, stall_after_events, ...")
@click.option("--name", help="Its name; without it, one is made up.")
@server_options
def add(
    server: RunningServer, rule: str | None, conditions: tuple[str, ...], actions: tuple[str, ...], name: str | None, as_json: bool
) -> None:
    """Add a fault until the server stops: as JSON, or by --when and --do."""
    body = _rule(rule, conditions, actions)
    answer = ask(server, "POST", "ai/faults", {**body, "name": name} if name else body)
    click.echo(json.dumps(answer) if as_json else f"{answer['added']}  added, seed {answer['seed']}")


@fault.command("list", epilog="\b\nExamples:\n  agents-emu ai fault list\n  agents-emu ai fault list --json")
@server_options
def list_(server: RunningServer, as_json: bool) -> int:
    """List the faults in force, in the order in which they are asked, and how often each has acted. Exit code 3 when something is wrong
    in faults.json."""
    answer = ask(server, "GET", "ai/faults")
    status = RecordingError.exit_code if answer["errors"] else 0
    if as_json:
        click.echo(json.dumps(answer))
        return status
    for error in answer["errors"]:
        wrong = RecordingError(error["code"], error["what"], where=error["where"], hint=error["next"])
        click.echo(wrong.render(), err=True)
    if not answer["faults"]:
        click.echo("no faults")
        return status
    rows = [
        (row["name"], _words(row["when"]) or "every call", _words(row["do"]), row["calls"], row["fired"], row["file"] or "added")
        for row in answer["faults"]
    ]
    print_table(("Fault", "When", "Do", "Calls", "Fired", "From"), rows, right=("Calls", "Fired"))
    click.echo(f"seed {answer['seed']}")
    return status


@fault.command(epilog="\b\nExamples:\n  agents-emu ai fault clear\n  agents-emu ai fault clear torn --json")
@click.argument("name", required=False)
@server_options
def clear(server: RunningServer, name: str | None, as_json: bool) -> None:
    """Take away the fault NAME, or all that were added. Those of faults.json are ended in the file."""
    answer = ask(server, "DELETE", f"ai/faults/{quote(name, safe='')}" if name else "ai/faults")
    click.echo(json.dumps(answer) if as_json else f"{count(answer['cleared'], 'fault')} cleared")


def _rule(rule: str | None, conditions: tuple[str, ...], actions: tuple[str, ...]) -> dict[str, Any]:
    if rule is not None:
        if conditions or actions:
            raise UsageError("E205", "give the fault as JSON, or by --when and --do", hint="agents-emu ai fault add --help")
        try:
            value = json.loads(rule)
        except ValueError as error:
            raise UsageError("E205", f"the fault is no JSON: {error}", hint="agents-emu ai fault add --help") from None
        if not isinstance(value, dict):
            raise UsageError("E205", 'a fault is {"when": {...}, "do": {...}}', hint="agents-emu ai fault add --help")
        return value
    if not actions:
        raise UsageError("E205", "say what shall happen: --do NAME=VALUE", hint="agents-emu ai fault add --do status=500")
    return {"when": dict(map(_pair, conditions)), "do": dict(map(_pair, actions))}


def _pair(text: str) -> tuple[str, Any]:
    """`NAME=VALUE`, the value as JSON or else as text; `NAME` alone is true."""
    name, equals, value = text.partition("=")
    if not equals:
        return name, True
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _words(fields: dict[str, Any]) -> str:
    return " ".join(f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in fields.items())
