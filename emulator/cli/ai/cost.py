"""`agents-emu ai cost`: what model calls cost, and what replay saved."""

from __future__ import annotations

import json

import click

from emulator.cli.ai.tables import print_table
from emulator.cli.server import ask, server_options
from emulator.cli.session_words import count, money
from emulator.gateway.ready import RunningServer


@click.command(epilog="\b\nExamples:\n  agents-emu ai cost\n  agents-emu ai cost --json")
@server_options
def cost(server: RunningServer, as_json: bool) -> None:
    """Show what this session spent on models and what recordings saved, at list prices or those of [ai.prices], for each model."""
    spent = ask(server, "GET", "ai/cost")
    if as_json:
        click.echo(json.dumps(spent))
        return
    click.echo(f"spent {money(spent['spent_usd'])}, replay saved {money(spent['saved_usd'])} in this session (mode {spent['mode']})")
    headings = ("Model", "Calls", "Replayed", "Tokens in", "Tokens out", "Spent", "Saved")
    rows = [
        (row["model"], row["calls"], row["replayed"], row["tokens_in"], row["tokens_out"], money(row["spent_usd"]), money(row["saved_usd"]))
        for row in spent["models"]
    ]
    if rows:
        print_table(headings, rows, right=headings[1:])
    if spent["unpriced"]:
        click.echo(f"{count(spent['unpriced'], 'call')} of models without a known price: [ai.prices] in agents-emu.toml")
