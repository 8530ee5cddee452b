"""`agents-emu ai scan`: are there secrets in committed recordings?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from emulator.cli.ai.fixtures import Fixtures, fixtures_options
from emulator.cli.ai.outcome import as_json_object, say
from emulator.config.document import shown
from emulator.errors import RecordingError

if TYPE_CHECKING:
    from emulator.gateway.ai.curation.scanning import Leak

EPILOG = """\b
Examples:
  agents-emu ai scan
  agents-emu ai scan --json

As a hook of git, in .git/hooks/pre-commit:
  agents-emu ai scan || exit 1

Known values come from .dev.vars, .env and the keys of agents-emu.toml; unknown ones are told by their form. Values are never shown."""


@click.command(epilog=EPILOG)
@fixtures_options
def scan(fixtures: Fixtures, as_json: bool) -> int:
    """Look for secrets in every recording and blob, also in the broken ones."""
    from emulator.gateway.ai.curation.scanning import scanned

    inventory = fixtures.inventory()
    found = scanned(inventory, fixtures.redaction())
    error = _failure(inventory.folder, found)
    if as_json:
        rows = [{"file": str(leak.file), "path": leak.path, "what": leak.what} for leak in found]
        return as_json_object({"recordings": len(inventory.entries), "secrets": rows}, error)
    for leak in found:
        say(f"{shown(leak.file)} {leak.path}\n  {leak.what}")
    if error is not None:
        raise error
    say(f"{len(inventory.entries)} recordings, no secrets found")
    return 0


def _failure(folder: Path, found: list[Leak]) -> RecordingError | None:
    if not found:
        return None
    files = len({leak.file for leak in found})
    hint = (
        "is it published already? then make the secret invalid first\n"
        "put its value into .dev.vars and record again, or replace it in the file\n"
        "is it none? an [[ai.redact]] rule in agents-emu.toml replaces what it finds"
    )
    what = f"{len(found)} secret{'' if len(found) == 1 else 's'} in {files} file{'' if files == 1 else 's'}"
    error = RecordingError("E533", what, where=str(folder / "ai"), hint=hint)
    error.reason = "secrets in recordings"
    return error
