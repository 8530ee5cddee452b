"""`agents-emu ai mode`: switch a running server to another mode."""

from __future__ import annotations

import json

import click

from emulator.cli.ai.status import state_lines
from emulator.cli.server import ask, server_options
from emulator.cli.session_words import session_lines
from emulator.config import AiMode
from emulator.gateway.ready import RunningServer

EPILOG = """\b
Modes:
  auto      replay what is recorded, ask for the rest and record it
  replay    recordings alone; a request without one fails
  record    ask for everything, and record it when the session ends
  new       replay what is recorded, record the rest when the session ends
  once      as new until the cassette exists, then as replay
  check     replay, ask the models too, and compare
  live      ask for everything, record nothing
  stub      the stub answers

\b
Examples:
  agents-emu ai mode new                            record what is not recorded yet
  agents-emu ai mode replay --cassette checkout --speed 4x
  agents-emu ai mode live --discard                 throw away what this session recorded"""


@click.command(epilog=EPILOG)
@click.argument("mode", metavar="MODE", type=click.Choice([member.value for member in AiMode]))
@click.option("--cassette", metavar="NAME", help="Search and record this folder alone; without it, all.")
@click.option("--speed", metavar="S", help="Pace of replayed answers: instant, 1x, 20x.")
@click.option("--discard", is_flag=True, help="Throw away what the session until now recorded.")
@click.option("--force", is_flag=True, help="Also end the session of an `ai record` that runs; what it recorded is thrown away.")
@server_options
def mode(server: RunningServer, mode: str, cassette: str | None, speed: str | None, discard: bool, force: bool, as_json: bool) -> None:
    """Switch the running server to MODE. The score begins at zero."""
    body = {"mode": mode, "cassette": cassette, "speed": speed, "commit": not discard, "force": force}
    state = ask(server, "POST", "ai/session", body)
    if as_json:
        click.echo(json.dumps(state))
        return
    ended = state["ended"]
    lines = session_lines(ended) if ended["calls"] or ended["hits"] or ended["misses"] else []
    for line in [*lines, *state_lines(state)]:
        click.echo(line)
