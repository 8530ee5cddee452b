"""`agents-emu abort`: resets an object as `ctx.abort()` would (design 4.5)."""

from __future__ import annotations

import json

import click

from emulator.cli.completing import complete_target
from emulator.cli.server import ask, find_target, server_options
from emulator.gateway.ready import RunningServer


@click.command(epilog="\b\nExamples:\n  agents-emu abort Chat/me\n  agents-emu abort Chat/me --reason 'out of memory' --json")
@click.argument("target", shell_complete=complete_target)
@click.option("--reason", help="What callers are told.")
@server_options
def abort(server: RunningServer, target: str, reason: str | None, as_json: bool) -> None:
    """Reset TARGET where it stands, as ctx.abort() would: its turns end with an error, what was not committed is lost."""
    agent = find_target(server, target)
    ask(server, "POST", agent.control_path("abort"), {} if reason is None else {"reason": reason})
    click.echo(json.dumps({"v": 1, "aborted": str(agent)}) if as_json else f"{agent}  reset")
