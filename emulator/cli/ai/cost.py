"""`agents-emu ai cost`: what model calls cost, and what replay saved."""

from __future__ import annotations

import json
from pathlib import Path

import click

from emulator.cli.ai.fixtures import find_fixtures
from emulator.cli.ai.tables import print_table
from emulator.cli.server import ask, find_server, server_of
from emulator.cli.session_words import count, money
from emulator.config.wrangler import find_config
from emulator.gateway.ai.run_record import Run, newest_run


@click.command(epilog="\b\nExamples:\n  agents-emu ai cost\n  agents-emu ai cost --json")
@click.option("-C", "--dir", "directory", default=".", type=click.Path(path_type=Path), help="The project's folder.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
def cost(directory: Path, as_json: bool) -> None:
    """Show what this session spent on models and what recordings saved, at list prices or those of [ai.prices], for each model; when no
    server runs, what the last run did."""
    root = find_config(directory).parent
    server = server_of(root)
    run = newest_run(root, find_fixtures(directory, None, None).folder) if server is None else None
    if run is not None:
        _last_run(run, as_json)
        return
    spent = ask(server or find_server(directory), "GET", "ai/cost")
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


def _last_run(run: Run, as_json: bool) -> None:
    if as_json:
        shown = {"run": run.id, "ended": run.ended, "mode": ", ".join(run.modes), "calls": run.calls}
        click.echo(json.dumps({**shown, "spent_usd": run.spent_usd, "saved_usd": run.saved_usd}))
        return
    click.echo(f"no server is running; the last run ended {run.ended} (mode {', '.join(run.modes)}, {count(run.calls, 'model call')})")
    click.echo(f"spent {money(run.spent_usd)}, replay saved {money(run.saved_usd)}")
