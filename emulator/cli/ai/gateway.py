"""`agents-emu ai gateway`: the local AI Gateway's logs and state."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import click

from emulator.cli.ai.tables import print_table
from emulator.cli.server import ask, server_options
from emulator.cli.session_words import money
from emulator.gateway.ready import RunningServer

EPILOG = """\b
Examples:
  agents-emu ai gateway list
  agents-emu ai gateway logs my-gateway
  agents-emu ai gateway log my-gateway 01HXYZ... --json
  agents-emu ai gateway reset my-gateway         its cache, counters and logs

Each verb has --json."""


@click.group(epilog=EPILOG, no_args_is_help=True)
def gateway() -> None:
    """Look at AI gateways on this machine: requests, cache hits, cost, log entries."""


@gateway.command("list", epilog="\b\nExamples:\n  agents-emu ai gateway list\n  agents-emu ai gateway list --json")
@server_options
def list_(server: RunningServer, as_json: bool) -> None:
    """List the gateways that are configured or were used."""
    rows = ask(server, "GET", "ai/gateways")["gateways"]
    if as_json:
        click.echo(json.dumps(rows))
        return
    shown = [(row["gateway"], row["requests"], row["cached"], row["cache_entries"], row["logs"], money(row["cost_usd"])) for row in rows]
    headings = ("Gateway", "Requests", "From cache", "Cache entries", "Logs", "Cost")
    print_table(headings, shown, right=headings[1:]) if shown else click.echo("no gateways")


@gateway.command(epilog="\b\nExamples:\n  agents-emu ai gateway logs\n  agents-emu ai gateway logs my-gateway --limit 200 --json")
@click.argument("name", default="*", metavar="[GATEWAY]")
@click.option("--limit", default=50, show_default=True, help="How many entries at most.")
@server_options
def logs(server: RunningServer, name: str, limit: int, as_json: bool) -> None:
    """List the last log entries of GATEWAY, or of all, newest first."""
    rows = ask(server, "GET", f"ai/gateways/{quote(name, safe='')}/logs?limit={limit}")["logs"]
    if as_json:
        click.echo(json.dumps(rows))
    elif not rows:
        click.echo("no log entries")
    else:
        headings = ("Log", "Gateway", "Model", "Status", "ms", "Tokens in", "Tokens out", "Cost", "Cache")
        print_table(headings, [_row(row) for row in rows], right=("Status", "ms", "Tokens in", "Tokens out", "Cost"))


@gateway.command(epilog="\b\nExamples:\n  agents-emu ai gateway log my-gateway 01HXYZ... --json")
@click.argument("name", metavar="GATEWAY")
@click.argument("entry", metavar="LOG")
@server_options
def log(server: RunningServer, name: str, entry: str, as_json: bool) -> None:
    """Show one log entry, as getLog gives it."""
    found = ask(server, "GET", f"ai/gateways/{quote(name, safe='')}/logs/{quote(entry, safe='')}")
    click.echo(json.dumps(found, indent=None if as_json else 2, ensure_ascii=as_json))


@gateway.command(epilog="\b\nExamples:\n  agents-emu ai gateway reset\n  agents-emu ai gateway reset my-gateway --json")
@click.argument("name", default="*", metavar="[GATEWAY]")
@server_options
def reset(server: RunningServer, name: str, as_json: bool) -> None:
    """Forget cache, counters and logs of GATEWAY, or of all."""
    answer = ask(server, "POST", f"ai/gateways/{quote(name, safe='')}/reset")
    click.echo(json.dumps(answer) if as_json else f"{'all gateways' if name == '*' else name}  reset")


def _row(row: dict[str, Any]) -> tuple[Any, ...]:
    cost = row.get("cost")
    return (
        row.get("id"),
        row.get("gateway"),
        row.get("model"),
        row.get("status_code"),
        row.get("duration"),
        row.get("tokens_in"),
        row.get("tokens_out"),
        money(cost) if isinstance(cost, int | float) else None,
        "hit" if row.get("cached") else None,
    )
