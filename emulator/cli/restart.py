"""`agents-emu restart`: a new host process (design 4.5)."""

from __future__ import annotations

import click

from emulator.cli.server import ask, server_options
from emulator.cli.swapping import tell
from emulator.gateway.ready import RunningServer


@click.command(epilog="\b\nExamples:\n  agents-emu restart\n  agents-emu restart --json")
@server_options
def restart(server: RunningServer, as_json: bool) -> None:
    """Start the process that runs your code anew, with the code as it is now. Sockets stay open; turns get a moment to end."""
    tell("restarted", ask(server, "POST", f"hosts/{server.hosts[0]}/restart"), as_json)
