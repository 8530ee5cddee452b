"""What `evict` and `hibernate` share: one verb of the control API, for one object or for all."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

import click

from emulator.cli.objects import list_objects
from emulator.cli.server import control, find_target
from emulator.errors import UsageError, UserCodeError
from emulator.gateway.ready import RunningServer

DONE = {"evict": "evicted", "hibernate": "hibernated"}


def send(server: RunningServer, verb: str, target: str | None, everything: bool, as_json: bool) -> None:
    """Send `verb` to the target, or to every object, and print what became of each. Ends with exit 1 when one of them was kept. Raises
    UsageError E205 without either."""
    if (target is None) != everything:
        raise UsageError("E205", "name an object, or give --all", hint=f"agents-emu {verb} Chat/me")
    answers = asyncio.run(_send(server, verb, target))
    kept = {name: answer.get("why") for name, answer in answers.items() if not answer["evicted"]}
    if as_json:
        click.echo(json.dumps({"v": 1, "verb": verb, "objects": [name for name in answers if name not in kept], "kept": kept}))
        raise click.exceptions.Exit(1 if kept else 0)
    for name in answers:
        if name not in kept:
            click.echo(f"{name}  {DONE[verb]}")
    if not answers:
        click.echo("no object is awake")
    if kept:
        what = "; ".join(f"{name} was not {DONE[verb]}: {why}" for name, why in kept.items())
        raise UserCodeError("E406", what, hint="agents-emu objects shows what is in memory")


async def _send(server: RunningServer, verb: str, target: str | None) -> dict[str, dict[str, Any]]:
    """The answer for each object, by its name. All at once: each waits up to 30 s for its turns to end."""
    from emulator.cli.agent_connection import new_session

    if target is None:
        awake = [row for row in await list_objects(server) if row["state"] in ("active", "idle")]
        paths = [(f"{row['class']}/{row.get('name') or row['id']}", _path(row, verb)) for row in awake]
    else:
        agent = find_target(server, target)
        paths = [(str(agent), agent.control_path(verb))]
    async with new_session() as session:
        answers = await asyncio.gather(*(control(session, server, "POST", path) for _, path in paths))
    return {name: answer for (name, _), answer in zip(paths, answers, strict=True)}


def _path(row: dict[str, Any], verb: str) -> str:
    return f"objects/{quote(row['class'], safe='')}/{quote(row.get('name') or row['id'], safe='')}/{verb}"
