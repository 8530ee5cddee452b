"""`agents-emu ai status`: who answers model calls now, from what, and what came of it."""

from __future__ import annotations

import json
from typing import Any

import click

from emulator.cli.ai.tables import print_table
from emulator.cli.server import ask, server_options
from emulator.cli.session_words import count, names, session_lines
from emulator.gateway.ready import RunningServer


@click.command(epilog="\b\nExamples:\n  agents-emu ai status\n  agents-emu ai status --json")
@server_options
def status(server: RunningServer, as_json: bool) -> None:
    """Show mode, speed, cassettes, routes (and whether their key is there), and the score of this session."""
    state = ask(server, "GET", "ai/session")
    if as_json:
        click.echo(json.dumps(state))
        return
    for line in state_lines(state):
        click.echo(line)
    if state["routes"]:
        print_table(("Models", "Answered by", "As", "Protocol", "Address", "Key"), [_route(row) for row in state["routes"]])
    for line in session_lines(state["summary"]):
        click.echo(line)


def state_lines(state: dict[str, Any]) -> list[str]:
    """What is in force, without the score."""
    strict = "  a request without a recording fails" if state["strict"] else ""
    where = state["cassette"] or names(state["cassettes"], 5) or "no cassettes"
    lines = [
        f"mode       {state['mode']}{strict}",
        f"speed      {state['speed']}",
        f"cassettes  {where}: {count(state['recordings'], 'recording')}, {count(len(state['unused']), 'unused', 'unused')} so far",
    ]
    if state["held"]:
        lines.append(f"held       by {state['held']['who']} since {state['held']['since']}")
    if state["stale"]:
        lines.append(f"stale      {names([row['recording'] for row in state['stale']])}: agents-emu ai refresh --stale")
    lines += [f"unusable   {row['where']}: {row['code']} {row['what']}" for row in state["broken"]]
    return lines


def _route(row: dict[str, Any]) -> tuple[Any, ...]:
    key = {True: "present", False: "missing"}.get(row.get("key_present"), "-")  # type: ignore[arg-type]
    return row.get("match"), row.get("to"), row.get("model"), row.get("type"), row.get("base_url"), key
