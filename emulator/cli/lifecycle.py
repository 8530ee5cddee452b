"""What `evict` and `hibernate` share: one verb of the control API, for one object or for all."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

import click

from emulator.cli.objects import list_objects
from emulator.cli.server import control, find_target
from emulator.errors import UsageError
from emulator.gateway.ready import RunningServer

DONE = {"evict": "evicted", "hibernate": "hibernated"}


def send(server: RunningServer, verb: str, target: str | None, everything: bool, as_json: bool) -> None:
    """Send `verb` to the target, or to every object, and print what became of each. Raises UsageError E205 without either."""
    if (target is None) != everything:
        raise UsageError("E205", "name an object, or give --all", hint=f"agents-emu {verb} Chat/me")
    done = asyncio.run(_send(server, verb, target))
    if as_json:
        click.echo(json.dumps({"v": 1, "verb": verb, "objects": done}))
        return
    for name in done:
        click.echo(f"{name}  {DONE[verb]}")
    if not done:
        click.echo("no object is awake")


async def _send(server: RunningServer, verb: str, target: str | None) -> list[str]:
    from emulator.cli.agent_connection import new_session

    if target is None:
        awake = [row for row in await list_objects(server) if row["state"] in ("active", "idle")]
        paths = [(f"{row['class']}/{row.get('name') or row['id']}", _path(row, verb)) for row in awake]
    else:
        agent = find_target(server, target)
        paths = [(str(agent), agent.control_path(verb))]
    async with new_session() as session:
        for _, path in paths:
            await control(session, server, "POST", path)
    return [name for name, _ in paths]


def _path(row: dict[str, Any], verb: str) -> str:
    return f"objects/{quote(row['class'], safe='')}/{quote(row.get('name') or row['id'], safe='')}/{verb}"
