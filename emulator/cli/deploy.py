"""`agents-emu deploy`: what a deploy in production does to objects and clients (design 4.5)."""

from __future__ import annotations

import click

from emulator.cli.server import ask, server_options
from emulator.cli.swapping import tell
from emulator.gateway.ready import RunningServer


@click.command(epilog="\b\nExamples:\n  agents-emu deploy\n  agents-emu deploy --json")
@server_options
def deploy(server: RunningServer, as_json: bool) -> None:
    """Do what a deploy in production does: new code, every object reset in the middle of what it does, every client cut off without a
    Close frame."""
    tell("deployed", ask(server, "POST", "deploy"), as_json)
