"""`agents-emu ai export`: recordings for other tools and other machines."""

from __future__ import annotations

import json
from pathlib import Path

import click

from emulator.cli.ai.fixtures import Fixtures, complete_recording, fixtures_options
from emulator.cli.ai.outcome import say
from emulator.config.document import shown
from emulator.errors import UsageError

EPILOG = """\b
Examples:
  agents-emu ai export --jsonl > recordings.jsonl      agents-emu ai import jsonl takes it back
  agents-emu ai export --har -o session.har            for browsers' tools and proxies
  agents-emu ai export --har 3fa9 81bc"""


@click.command(epilog=EPILOG)
@click.argument("recordings", nargs=-1, shell_complete=complete_recording)
@click.option("--jsonl", is_flag=True, help="One recording on each line, with its blobs.")
@click.option("--har", is_flag=True, help="HAR 1.2.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write this file instead of standard output.")
@fixtures_options
def export(fixtures: Fixtures, recordings: tuple[str, ...], jsonl: bool, har: bool, output: Path | None, as_json: bool) -> None:
    """Export RECORDINGS, or all of them. With --json, what was exported is told as JSON; it needs --output then."""
    from emulator.gateway.ai.curation import exporting

    if jsonl == har:
        raise UsageError("E205", "one of --jsonl and --har is needed", hint="agents-emu ai export --jsonl")
    if as_json and output is None:
        raise UsageError("E205", "--json tells what was exported, so --output is needed", hint="agents-emu ai export --har --json -o FILE")
    inventory = fixtures.inventory()
    entries = [inventory.find(words) for words in recordings] or list(inventory.entries)
    if jsonl:
        lines = list(exporting.jsonl_lines(entries))
        text, count = "".join(f"{line}\n" for line in lines), len(lines)
        broken = [entry for entry in entries if entry.recording is None]
        notes = [(str(entry.path), "left out, it is broken: agents-emu ai lint") for entry in broken]
    else:
        document, found = exporting.har(entries)
        text, count = exporting.json_text(document, 2) + "\n", len(document["log"]["entries"])
        notes = [(note.place, note.what) for note in found]
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, "utf-8")
    if as_json:
        rows = [{"place": place, "what": what} for place, what in notes]
        click.echo(json.dumps({"exported": count, "file": str(output), "notes": rows}))
        return
    for place, what in notes:
        say(f"note  {place}: {what}", err=True)
    if output is not None:
        say(f"{shown(output)}: {count} recordings")
