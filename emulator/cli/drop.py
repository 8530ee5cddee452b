"""`agents-emu drop`: cuts clients off, in the ways networks do (design 4.5)."""

from __future__ import annotations

import json
from typing import Any

import click

from emulator.cli.completing import complete_target
from emulator.cli.server import ask, find_target, server_options
from emulator.cli.spans import counted
from emulator.errors import UsageError
from emulator.gateway.ready import RunningServer

EPILOG = """\b
Examples:
  agents-emu drop Chat/me                        a Close frame, code 1001
  agents-emu drop Chat/me --mode reset           a TCP reset: the client hears nothing
  agents-emu drop Chat/me --mode reset --after-chunks 7
  agents-emu drop Chat/me --next --after-frames 3
  agents-emu drop Chat/me --mode stall           nothing goes through ...
  agents-emu drop Chat/me --resume               ... until now
  agents-emu drop 12 --code 4001 --reason moved
  agents-emu drop --all --clear                  what waits for its moment shall not happen"""


@click.command(epilog=EPILOG)
@click.argument("target", required=False, shell_complete=complete_target)
@click.option("--all", "everything", is_flag=True, help="Every open socket.")
@click.option("--mode", type=click.Choice(["close", "reset", "stall"]), help="A Close frame (default), a TCP reset, or silence.")
@click.option("--code", type=int, help="Of the Close frame; 1001 unless given.")
@click.option("--reason", help="Of the Close frame.")
@click.option("--after-frames", type=click.IntRange(0), metavar="N", help="Not before N more messages went to the client.")
@click.option("--after-chunks", type=click.IntRange(0), metavar="N", help="Not before N more chunks of model answers went to the object.")
@click.option("--next", "coming", is_flag=True, help="The next socket that the object accepts, not those that are open.")
@click.option("--resume", is_flag=True, help="Let what waits in stalled sockets through.")
@click.option("--clear", is_flag=True, help="Forget drops that wait for their moment.")
@server_options
def drop(
    server: RunningServer, target: str | None, everything: bool, coming: bool, resume: bool, clear: bool, as_json: bool, **fields: Any
) -> None:
    """Cut TARGET's clients off: an object such as Chat/me, or one socket by its number in `agents-emu sockets`."""
    if (target is None) != everything:
        raise UsageError("E205", "name an object or a socket, or give --all", hint="agents-emu drop Chat/me")
    is_socket = target is not None and target.isascii() and target.isdigit()
    if coming and (is_socket or everything):
        raise UsageError("E205", "--next is about an object", hint="agents-emu drop Chat/me --next")
    if clear and not everything and not is_socket:
        raise UsageError("E205", "--clear is for --all or for one socket", hint="agents-emu drop --all --clear")
    body = {name: value for name, value in fields.items() if value is not None}
    if (resume or clear) and (body or coming or (resume and clear)):
        raise UsageError("E205", "--resume and --clear stand alone", hint="agents-emu drop --help")
    path = "sockets" if everything else f"sockets/{target}" if is_socket else find_target(server, str(target)).control_path("")[:-1]
    if resume:
        answer = ask(server, "POST", f"{path}/resume")
    elif clear:
        answer = ask(server, "DELETE", f"{path}/drop")
    else:
        answer = ask(server, "POST", f"{path}/drop", {**body, **({"next": True} if coming else {})})
    click.echo(json.dumps({"v": 1, **answer}) if as_json else _words(answer, "stalled" if body.get("mode") == "stall" else "dropped"))


def _words(answer: dict[str, Any], done: str) -> str:
    """`done`: what happens to those that are dropped, in the mode asked for."""
    words = {"dropped": done, "resumed": "resumed", "disarmed": "disarmed"}
    parts = [f"{counted(len(answer[key]), 'socket')} {word}" for key, word in words.items() if answer.get(key)]
    if answer.get("armed"):
        parts.append(f"{counted(len(answer['armed']), 'socket')} will be {done} when the moment comes")
    if isinstance(answer.get("next"), str):
        parts.append(f"the next socket of {answer['next']} will be {done}")
    elif answer.get("next"):
        parts.append(f"{counted(answer['next'], 'drop')} for sockets to come disarmed")
    return ", ".join(parts) or "nothing to do"
