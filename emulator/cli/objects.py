"""`agents-emu objects`: what exists, without waking any of it."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime
from typing import Any

import click

from emulator.cli.server import control, server_options
from emulator.gateway.ready import RunningServer

WIDTH_OF_FILES = 200
"""Columns when the output is no terminal, so that nothing is cut."""


@click.command(epilog="\b\nExamples:\n  agents-emu objects\n  agents-emu objects --json")
@server_options
def objects(server: RunningServer, as_json: bool) -> None:
    """List the objects of the running server: class, name, state, sockets, next alarm. Looking wakes none of them."""
    found = asyncio.run(list_objects(server))
    if as_json:
        click.echo(json.dumps(found))
    elif not found:
        click.echo("no objects yet")
    else:
        _print_table(found)


async def list_objects(server: RunningServer) -> list[dict[str, Any]]:
    """Rows of the control API's `GET objects` (design 4.5). Raises BackendError E651."""
    from emulator.cli.agent_connection import new_session

    async with new_session() as session:
        answer = await control(session, server, "GET", "objects")
    rows = answer["objects"] if isinstance(answer, dict) else answer
    return list(rows)


def _print_table(found: list[dict[str, Any]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("Object", no_wrap=True, overflow="ellipsis")
    table.add_column("State", no_wrap=True)
    for heading in ("Sockets", "Generation"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Next alarm", no_wrap=True)
    for row in sorted(found, key=lambda row: (row["class"], str(row.get("name")))):
        alarm = row.get("alarm_ms")
        when = datetime.fromtimestamp(alarm / 1000).isoformat(sep=" ", timespec="seconds") if alarm is not None else "-"
        name = row.get("name") or row["id"]
        table.add_row(f"{row['class']}/{name}", row["state"], str(row.get("sockets", 0)), str(row.get("generation", "-")), when)
    Console(width=None if sys.stdout.isatty() else WIDTH_OF_FILES).print(table)
