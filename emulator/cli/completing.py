"""What the shell may complete beyond words of ours: classes, objects and snapshots of the project."""

from __future__ import annotations

from pathlib import Path

import click

from emulator.cli.server import ask, find_server
from emulator.errors import EmuError


def complete_target(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """`Chat/` and then the objects there are; nothing when no server runs."""
    try:
        server = find_server(ctx.params.get("directory") or Path())
        if "/" not in incomplete:
            offers = [f"{binding.class_name}/" for binding in server.bindings if binding.class_name]
        else:
            rows = ask(server, "GET", "objects")["objects"]
            offers = [f"{row['class']}/{row['name']}" for row in rows if row.get("name")]
    except EmuError:
        return []
    return [offer for offer in offers if offer.startswith(incomplete)]


def complete_snapshot(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Names of snapshots, whether or not a server runs."""
    from emulator.cli.state_of import state_of

    try:
        state = state_of(ctx.params.get("directory") or Path(), ctx.params.get("environment"), ctx.params.get("persist_to"))
        return [row["name"] for row in state.list()["snapshots"] if row["name"].startswith(incomplete)]
    except EmuError:
        return []
