"""`agents-emu awake`: why an object stays in memory (story: why is my bill growing)."""

from __future__ import annotations

import json
from typing import Any

import click

from emulator.cli.completing import complete_target
from emulator.cli.server import ask, find_target, server_options
from emulator.cli.spans import span
from emulator.gateway.ready import RunningServer


@click.command(epilog="\b\nExamples:\n  agents-emu awake Chat/me\n  agents-emu awake Chat/me --json")
@click.argument("target", shell_complete=complete_target)
@server_options
def awake(server: RunningServer, target: str, as_json: bool) -> None:
    """Say what keeps TARGET from hibernating, with the line of your code, and what would happen without it. Looking wakes nobody."""
    agent = find_target(server, target)
    reasons = ask(server, "GET", agent.control_path("awake"))
    if as_json:
        click.echo(json.dumps({"v": 1, "object": str(agent), "reasons": reasons}))
    elif reasons:
        _print(reasons)
    else:
        rows = ask(server, "GET", "objects")["objects"]
        states = [row["state"] for row in rows if row["class"] == agent.class_name and agent.name in (row.get("name"), row["id"])]
        click.echo(f"nothing keeps {agent} awake: it is {states[0]}" if states else f"there is no {agent}: nothing has woken it yet")


def _print(reasons: list[dict[str, Any]]) -> None:
    held = [reason["awake_ms"] for reason in reasons if reason.get("awake_ms") is not None]
    click.echo(f"awake{f' {span(max(held))}' if held else ''}, blocked from hibernating by:")
    rows = [(_words(reason), reason.get("where") or "") for reason in reasons]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for number, (row, reason) in enumerate(zip(rows, reasons, strict=True), 1):
        since = f"for {span(reason['awake_ms'])}" if reason.get("awake_ms") is not None else ""
        click.echo(f"  {number:2}  {row[0].ljust(widths[0])}  {row[1].ljust(widths[1])}  {since}".rstrip())
    for number, reason in enumerate(reasons, 1):
        click.echo(f"without {number}: {reason['without']}")


def _words(reason: dict[str, Any]) -> str:
    """`timer: setInterval 30000 ms`; a text that says its kind itself stands alone."""
    what, text = reason["what"], reason["text"]
    return text if what in text.lower() else f"{what}: {text}"
