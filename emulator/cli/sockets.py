"""`agents-emu sockets`: the clients' open WebSockets (design 4.5)."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from emulator.cli.objects import WIDTH_OF_FILES
from emulator.cli.server import ask, server_options
from emulator.gateway.ready import RunningServer


@click.command(epilog="\b\nExamples:\n  agents-emu sockets\n  agents-emu sockets --json")
@server_options
def sockets(server: RunningServer, as_json: bool) -> None:
    """List the open sockets: their number for `drop`, whose they are, whether they hibernate, what is armed for them."""
    answer = ask(server, "GET", "sockets")
    if as_json:
        click.echo(json.dumps({"v": 1, **answer}))
    elif not answer["sockets"]:
        click.echo("no open sockets")
    else:
        _print(answer["sockets"])
    if not as_json:
        for row in answer.get("next", ()):
            click.echo(f"the next socket of {row['class']}/{row['id']}: {_armed(row)}")


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("Socket", "Object", "Hibernates", "Tags", "Armed"):
        table.add_column(heading, no_wrap=True, overflow="ellipsis")
    for row in rows:
        whose = f"{row['class']}/{row['name'] or row['object_id']}" if row["class"] else "-"
        drop = row.get("drop")
        table.add_row(str(row["id"]), whose, "yes" if row["hibernatable"] else "no", " ".join(row["tags"]), _armed(drop) if drop else "-")
    Console(width=None if sys.stdout.isatty() else WIDTH_OF_FILES).print(table)


def _armed(drop: dict[str, Any]) -> str:
    """A drop that waits, in words."""
    for field, noun in (("after_frames", "frames"), ("after_chunks", "chunks")):
        if drop.get(field) is not None:
            return f"{drop['mode']} after {drop[field]} {noun}"
    return str(drop["mode"])
