"""`agents-emu ai edit`: another text in a recorded answer."""

from __future__ import annotations

import json
import sys

import click

from emulator.cli.ai.fixtures import Fixtures, complete_recording, fixtures_options
from emulator.config.document import shown
from emulator.errors import RecordingError

EPILOG = """\b
Examples:
  agents-emu ai edit 3fa9 --text "It will rain all day."
  echo "It will rain all day." | agents-emu ai edit 3fa9 --text -

The new text is said in the recorded rhythm, in pieces as large as the recorded ones. Tool calls, reasoning and tokens stay.
From then on the recording counts as edited: recording again does not replace it."""


@click.command(epilog=EPILOG)
@click.argument("recording", shell_complete=complete_recording)
@click.option("--text", required=True, help="The new text of the answer; - reads it from standard input.")
@fixtures_options
def edit(fixtures: Fixtures, recording: str, text: str, as_json: bool) -> None:
    """Give the answer of RECORDING another text."""
    from emulator.gateway.ai.cassettes.cassette_files import recording_text, write_atomically
    from emulator.gateway.ai.curation.editing import NoTextError, with_text

    entry = fixtures.inventory().find(recording)
    if entry.recording is None or entry.document is None:
        assert entry.error is not None  # an entry without a recording says why
        raise entry.error
    words = sys.stdin.read().removesuffix("\n") if text == "-" else text
    try:
        edited = with_text(entry.document, words)
    except NoTextError as error:
        raise RecordingError(
            "E536", f"its text cannot be replaced: {error}", where=f"{shown(entry.path)} $.response", hint="edit the file by hand"
        ) from None
    write_atomically(entry.path, recording_text(edited.document))
    if as_json:
        click.echo(json.dumps({"recording": entry.name, "file": str(entry.path), "before": edited.before, "after": edited.after}))
        return
    pieces = ""
    if "stream" in entry.document["response"]:
        pieces = f" in {edited.after} piece{'' if edited.after == 1 else 's'} (before: {edited.before})"
    click.echo(f"{shown(entry.path)}: the answer has the new text{pieces}")
