"""`agents-emu evict`: drops an instance (design 4.5)."""

from __future__ import annotations

import click

from emulator.cli.completing import complete_target
from emulator.cli.lifecycle import send
from emulator.cli.server import server_options
from emulator.gateway.ready import RunningServer


@click.command(epilog="\b\nExamples:\n  agents-emu evict Chat/me\n  agents-emu evict --all --json")
@click.argument("target", required=False, shell_complete=complete_target)
@click.option("--all", "everything", is_flag=True, help="Every object that is awake.")
@server_options
def evict(server: RunningServer, target: str | None, everything: bool, as_json: bool) -> None:
    """Drop the instance of TARGET, such as Chat/me. Its sockets stay open; the next event constructs it anew."""
    send(server, "evict", target, everything, as_json)
