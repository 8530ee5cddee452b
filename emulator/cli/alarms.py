"""`agents-emu alarms`: what is set for later, run or removed by hand (design 4.5)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from emulator.cli.completing import complete_target
from emulator.cli.objects import WIDTH_OF_FILES
from emulator.cli.server import ask, find_target, server_options
from emulator.cli.spans import from_now
from emulator.cli.verb_group import begin, group_options
from emulator.gateway.ready import RunningServer

EPILOG = """\b
Examples:
  agents-emu alarms list                 times absolute and from now, also on a virtual clock
  agents-emu alarms fire Chat/me         run it now
  agents-emu alarms skip Chat/me         remove it without a run

\b
An SDK's schedule is a row in its own table; the alarm only wakes it. So `fire` runs the rows that are due by the clock and no others: to
run one early, move the clock (agents-emu clock). And `skip` leaves the rows without anything that wakes them: the SDK sets its alarm
anew when a schedule is next set or cancelled (a restart alone does not), and then runs late what is overdue."""


@click.group(epilog=EPILOG, invoke_without_command=True)
@group_options
@click.pass_context
def alarms(ctx: click.Context, directory: Path, as_json: bool) -> None:
    """List the alarms that are pending, run one now, or remove one."""
    begin(ctx, alarms, directory, as_json)


@alarms.command("list", epilog="\b\nExamples:\n  agents-emu alarms list\n  agents-emu alarms list --json")
@server_options
def list_alarms(server: RunningServer, as_json: bool) -> None:
    """Every pending alarm, the next one first. Looking wakes nobody."""
    answer = ask(server, "GET", "alarms")
    if as_json:
        click.echo(json.dumps({"v": 1, **answer}))
    elif not answer["alarms"]:
        click.echo("no alarm is pending")
    else:
        _print(answer["alarms"], answer["now_ms"])


@alarms.command(epilog="\b\nExamples:\n  agents-emu alarms fire Chat/me\n  agents-emu alarms fire Chat/me --json")
@click.argument("target", shell_complete=complete_target)
@server_options
def fire(server: RunningServer, target: str, as_json: bool) -> None:
    """Run the alarm of TARGET now, whatever its time. Of an SDK's schedules it runs those that are due."""
    agent = find_target(server, target)
    ask(server, "POST", agent.control_path("fire").replace("objects/", "alarms/", 1))
    click.echo(json.dumps({"v": 1, "fired": str(agent)}) if as_json else f"{agent}  its alarm runs")


@alarms.command(epilog="\b\nExamples:\n  agents-emu alarms skip Chat/me\n  agents-emu alarms skip Chat/me --json")
@click.argument("target", shell_complete=complete_target)
@server_options
def skip(server: RunningServer, target: str, as_json: bool) -> None:
    """Remove the alarm of TARGET without running it, as deleteAlarm() would. An SDK's schedule keeps its row, and waits."""
    agent = find_target(server, target)
    answer = ask(server, "POST", agent.control_path("skip").replace("objects/", "alarms/", 1))
    if as_json:
        click.echo(json.dumps({"v": 1, "skipped": str(agent), "time_ms": answer["time_ms"]}))
        return
    click.echo(f"{agent}  has no alarm any more")
    click.echo(
        "rows of the SDK's schedules stay, and wait: it sets its alarm anew when one is next set or cancelled, and runs the overdue late"
    )


def _print(rows: list[dict[str, Any]], now_ms: int) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("Object", no_wrap=True, overflow="ellipsis")
    table.add_column("When", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in rows:
        again = row.get("retry_ms")
        state = "runs now" if row["running"] else f"try {row['retry'] + 1}" if again is not None else ""
        table.add_row(f"{row['class']}/{row['name'] or row['id']}", from_now(row["time_ms"] if again is None else again, now_ms), state)
    Console(width=None if sys.stdout.isatty() else WIDTH_OF_FILES).print(table)
