"""`agents-emu journal`: what happened in the running server, or in the one that ran last."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlencode

import click

from emulator.cli.journal_words import Words
from emulator.cli.server import server_of, stream
from emulator.config.document import shown
from emulator.config.wrangler import find_config
from emulator.errors import UsageError
from emulator.gateway import ready

FILE = "journal.ndjson"

EPILOG = """\b
Examples:
  agents-emu journal --follow
  agents-emu journal --object Chat/me --kinds frame,turn,alarm.run
  agents-emu journal --since 1200 --json | jq .text"""


@click.command(epilog=EPILOG)
@click.option("--since", type=click.IntRange(min=0), default=0, metavar="N", help="Only entries after number N.")
@click.option("--object", "about", metavar="CLASS/NAME", help="Only entries about this object.")
@click.option("--kinds", metavar="A,B", help="Only entries of these kinds.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what happens, until Ctrl-C.")
@click.option("-C", "--dir", "directory", default=".", type=click.Path(path_type=Path), help="The project's folder.")
@click.option("--json", "as_json", is_flag=True, help="Entries as they are, one JSON object on each line.")
def journal(since: int, about: str | None, kinds: str | None, follow: bool, directory: Path, as_json: bool) -> None:
    """Show what happened: requests, frames, turns, alarms, model calls, everything in order. Without a running server it is read from the
    file that the last one left."""
    root = find_config(directory).parent
    server = server_of(root)
    words = None if as_json else Words(sys.stdout)
    if server is None:
        if follow:
            raise UsageError(
                "E206", "no server is running for this project, so there is nothing to follow", hint="start it: agents-emu dev"
            )
        for line in _from_file(root, since, about, kinds):
            _show(line, words)
        return
    asked = {"since": str(since), "object": about, "kinds": kinds, "follow": "1" if follow else None}
    path = f"journal?{urlencode({name: value for name, value in asked.items() if value is not None})}"
    try:
        asyncio.run(_print(stream(server, path), words))
    except KeyboardInterrupt:
        if not follow:
            raise


async def _print(lines: AsyncIterator[bytes], words: Words | None) -> None:
    some = False
    async for line in lines:
        _show(line, words)
        some = True
    if not some and words is not None:
        click.echo("no such entries", err=True)


def _show(line: bytes, words: Words | None) -> None:
    click.echo(line.decode() if words is None else words.line(line))


def _from_file(root: Path, since: int, about: str | None, kinds: str | None) -> Iterator[bytes]:
    from emulator.gateway.journal.file import lines_of
    from emulator.gateway.journal.reading import Wanted
    from emulator.gateway.journal.schema import kinds_of

    path = ready.default_path(root).with_name(FILE)
    wanted = Wanted(about, kinds_of(kinds) if kinds else None)
    if not path.exists():
        hint = "start a server: agents-emu dev"
        raise UsageError("E230", "no server is running for this project, and none has left a journal", where=shown(path), hint=hint)
    return (line for line in lines_of(path) if wanted.takes(line, since))
