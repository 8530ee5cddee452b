"""`agents-emu ai prune`: recordings that nothing uses any more."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emulator.cli.ai.fixtures import Fixtures, fixtures_options
from emulator.cli.ai.outcome import say
from emulator.config.document import shown
from emulator.errors import RecordingError
from emulator.gateway.ai import run_record

if TYPE_CHECKING:
    from emulator.gateway.ai.curation.pruning import Unused
    from emulator.gateway.ai.run_record import Run

FULL_RUN = "agents-emu ai replay --full -- <the command that runs all tests>"
DEVELOPMENT = frozenset({"auto", "live", "stub"})
"""Modes of a server that somebody works with: such a session is no run of tests, and does not make an earlier one doubtful."""

EPILOG = """\b
Examples:
  agents-emu ai replay --full -- pytest    first run everything
  agents-emu ai prune                      what did it not use?
  agents-emu ai prune --apply              remove that, with its blobs

After a run of only some tests it refuses: what they did not use may well be used by the others."""


@click.command(epilog=EPILOG)
@click.option("--apply", "do_it", is_flag=True, help="Remove the files.")
@click.option("--manual", is_flag=True, help="Hand-written recordings too.")
@fixtures_options
def prune(fixtures: Fixtures, do_it: bool, manual: bool, as_json: bool) -> None:
    """List recordings that the last full run did not use; with --apply, remove them."""
    from emulator.gateway.ai.curation.pruning import unused_in

    run = trusted_run(fixtures)
    found = unused_in(fixtures.inventory(), run, manual=manual)
    if do_it:
        _remove(found)
    if as_json:
        rows = [{"recording": entry.name, "file": str(entry.path)} for entry in found.entries]
        kept = [{"recording": entry.name, "why": why} for entry, why in found.kept]
        blobs = [str(path) for path in found.blobs]
        click.echo(json.dumps({"run": run.id, "ended": run.ended, "unused": rows, "blobs": blobs, "kept": kept, "removed": do_it}))
        return
    for path in [*(entry.path for entry in found.entries), *found.blobs]:
        say(f"  {shown(path)}")
    for entry, why in found.kept:
        say(f"  {entry.name} was not used and stays: {why}", err=True)
    if not found.entries and not found.blobs:
        say(f"the full run of {run.ended} used every recording")
        return
    what = f"{_count(len(found.entries), 'recording')} and {_count(len(found.blobs), 'blob')}"
    say(f"removed {what}" if do_it else f"{what} unused in the full run of {run.ended}; remove: agents-emu ai prune --apply")


def trusted_run(fixtures: Fixtures) -> Run:
    """The last full run of these recordings. Raises RecordingError E531 when there is none, or when tests ran since that were not all."""
    full = run_record.newest_full_run(fixtures.root, fixtures.folder)
    if full is None:
        raise RecordingError("E531", "no full run is known, so nobody can tell what is unused", where=str(fixtures.folder), hint=FULL_RUN)
    for run in run_record.runs_after(fixtures.root, fixtures.folder, full):
        if not set(run.modes) <= DEVELOPMENT:
            what = f"the last run ({', '.join(run.modes)}, {run.ended}) was not a full one that ended well"
            raise RecordingError("E531", what, where=f"the last full run ended at {full.ended}", hint=FULL_RUN)
    return full


def _remove(found: Unused) -> None:
    for path in [*(entry.path for entry in found.entries), *found.blobs]:
        path.unlink(missing_ok=True)
    for folder in {path.parent for path in found.blobs}:
        _remove_if_empty(folder)
    for folder in {entry.path.parent for entry in found.entries}:
        _remove_if_empty(folder)


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # something else lies there
        folder.rmdir()


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
