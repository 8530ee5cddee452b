"""`agents-emu ai import`: recordings from other tools."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterator, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emulator.cli.ai.fixtures import Fixtures, fixtures_options
from emulator.cli.ai.outcome import as_json_object, printable, say
from emulator.config.document import shown
from emulator.errors import RecordingError, UsageError

if TYPE_CHECKING:
    from emulator.gateway.ai.curation.importing import Found, Note
    from emulator.gateway.ai.curation.importing.writing import Written

FORMATS = {"vcr": (".yaml", ".yml", ".json"), "har": (".har", ".json"), "aimock": (".json",), "jsonl": (".jsonl", ".ndjson")}
"""What a folder is searched for."""
DIALECTS = ["chat", "responses", "anthropic"]
_SHOWN = 20

EPILOG = """\b
Examples:
  agents-emu ai import vcr tests/cassettes/*.yaml
  agents-emu ai import aimock fixtures/ --dialect chat --cassette greetings
  agents-emu ai import har session.har --url 'https://api.openai.com/*'
  agents-emu ai import jsonl recordings.jsonl

vcr: cassettes of vcrpy, pytest-recording and Ruby's VCR. har: HAR 1.2. jsonl: ai export --jsonl.
Nothing that is there is changed, and what is there already is not written twice. Secrets are replaced or stop an entry."""


@click.command("import", epilog=EPILOG)
@click.argument("format_", metavar="FORMAT", type=click.Choice(list(FORMATS)))
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--url", "pattern", metavar="PATTERN", help="vcr, har: only requests to this address; * and ? are wildcards.")
@click.option("--dialect", "dialects", multiple=True, type=click.Choice(DIALECTS), help="aimock: whose answers to write; repeatable.")
@click.option("--dry-run", is_flag=True, help="Say what would be imported, and write nothing.")
@fixtures_options
def import_(
    fixtures: Fixtures,
    format_: str,
    files: tuple[Path, ...],
    pattern: str | None,
    dialects: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> int:
    """Import recordings of another tool from FILES (or folders) into the cassette `imported`, or the one that --cassette names."""
    from emulator.gateway.ai.curation.importing import Exchange
    from emulator.gateway.ai.curation.importing.writing import Import

    found = _found(format_, list(_files(files, FORMATS[format_])), set(files), dialects)
    items = [item for item in found.items if pattern is None or (isinstance(item, Exchange) and fnmatchcase(item.url, pattern))]
    if dry_run:
        _tell_dry(len(items), found.notes, as_json)
        return 0
    work = Import(fixtures.folder, fixtures.cassette, fixtures.redaction(), lambda: datetime.now(UTC))
    for item in items:
        work.add(item)
    done = work.finish()
    done.notes[:0] = found.notes
    error = _failure(done, files, pattern)
    if as_json:
        notes = [{"place": note.place, "what": note.what} for note in done.notes]
        return as_json_object({"written": [str(path) for path in done.written], "same": done.same, "notes": notes}, error)
    _tell(done)
    if error is not None:
        raise error
    return 0


def _failure(done: Written, files: Sequence[Path], pattern: str | None) -> RecordingError | None:
    if done.blocked:
        first = done.blocked[0]
        more = f"\nand {len(done.blocked) - 1} more entries" if len(done.blocked) > 1 else ""
        return RecordingError("E507", first.what.replace("not recorded", "not imported"), where=f"{first.where}{more}", hint=first.hint)
    if not done.written and not done.same:
        return RecordingError("E538", "nothing was imported", where=", ".join(shown(file) for file in files), hint=_hint(done, pattern))
    return None


def _found(format_: str, files: Sequence[Path], named: Container[Path], dialects: Sequence[str]) -> Found:
    """What all files hold. One that is of another format is an error when it was named, and a note when it only lay in a folder."""
    from emulator.gateway.ai.curation.importing import Found, Note

    found = Found()
    read = _reader(format_, dialects)
    for file in files:
        try:
            one = read(file)
        except RecordingError as error:
            if file in named or error.code != "E534":
                raise
            found.notes.append(Note(error.where or str(file), f"left out, {error.what.partition(': ')[2]}"))
            continue
        found.items += one.items
        found.notes += one.notes
    return found


def _reader(format_: str, dialects: Sequence[str]) -> Callable[[Path], Found]:
    if format_ == "vcr":
        from emulator.gateway.ai.curation.importing.vcr import read_vcr

        return read_vcr
    if format_ == "har":
        from emulator.gateway.ai.curation.importing.har import read_har

        return read_har
    if format_ == "jsonl":
        from emulator.gateway.ai.curation.importing.jsonl import read_jsonl

        return read_jsonl
    from emulator.gateway.ai.curation.importing.aimock import Pool
    from emulator.gateway.ai.curation.importing.spoken import Dialect

    return Pool([Dialect(name) for name in dialects]).read


def _files(given: Sequence[Path], suffixes: Sequence[str]) -> Iterator[Path]:
    """Files as named; of folders, all files of the format's suffixes, deeper ones last."""
    for path in given:
        if path.is_dir():
            yield from sorted((one for one in path.rglob("*") if one.suffix in suffixes), key=lambda one: (len(one.parts), str(one)))
        elif path.exists():
            yield path
        else:
            raise UsageError("E205", f"the file {shown(path)} does not exist", hint="agents-emu ai import --help")


def _tell_dry(count: int, notes: Sequence[Note], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"would_import": count, "notes": [{"place": note.place, "what": note.what} for note in notes]}))
        return
    say(f"{count} recordings would be written")
    _tell_notes(notes)


def _tell(done: Written) -> None:
    for path in done.written[:_SHOWN]:
        say(f"  {shown(path)}")
    if len(done.written) > _SHOWN:
        say(f"  and {len(done.written) - _SHOWN} more")
    same = f", {done.same} were there already" if done.same else ""
    say(f"{len(done.written)} recordings imported{same}")
    _tell_notes(done.notes)


def _tell_notes(notes: Sequence[Note]) -> None:
    for note in notes[:_SHOWN]:
        say(f"note  {note.place}: {note.what}", err=True)
    if len(notes) > _SHOWN:
        say(f"note  and {len(notes) - _SHOWN} more", err=True)


def _hint(done: Written, pattern: str | None) -> str:
    if done.notes:
        return printable(f"{done.notes[0].place}: {done.notes[0].what}")
    return f"no request goes to {pattern}" if pattern else "the files hold no entries"
