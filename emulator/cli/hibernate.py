"""`agents-emu hibernate`: lets an idle object hibernate (design 4.5)."""

from __future__ import annotations

import click

from emulator.cli.completing import complete_target
from emulator.cli.lifecycle import send
from emulator.cli.server import server_options
from emulator.gateway.ready import RunningServer


@click.command(epilog="\b\nExamples:\n  agents-emu hibernate Chat/me\n  agents-emu hibernate --all --json")
@click.argument("target", required=False, shell_complete=complete_target)
@click.option("--all", "everything", is_flag=True, help="Every object that is awake.")
@server_options
def hibernate(server: RunningServer, target: str | None, everything: bool, as_json: bool) -> None:
    """Let TARGET hibernate now if it is idle, as it would by itself after a while. Its sockets stay open."""
    send(server, "hibernate", target, everything, as_json)
