"""`agents-emu crash`: kills the host process (design 4.5)."""

from __future__ import annotations

import json

import click

from emulator.cli.server import ask, server_options
from emulator.gateway.ready import RunningServer


@click.command(epilog="\b\nExamples:\n  agents-emu crash\n  agents-emu crash --sockets cut\n  agents-emu crash --json")
@click.option("--sockets", type=click.Choice(["keep", "cut"]), help="Whether clients hear of it. [as --reload says]")
@server_options
def crash(server: RunningServer, as_json: bool, sockets: str | None) -> None:
    """Kill the process that runs your code, as a crash would. It is started again at once; what was not committed is lost."""
    kind = server.hosts[0]
    pid = ask(server, "POST", f"hosts/{kind}/crash", {"sockets": sockets} if sockets else None)["killed"]
    click.echo(json.dumps({"v": 1, "host": kind, "killed": pid}) if as_json else f"killed process {pid} of the {kind} host; another starts")
