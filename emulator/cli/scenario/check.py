"""`agents-emu scenario check`: is what stands in the files a scenario?"""

from __future__ import annotations

import json
from pathlib import Path

import click

from emulator.cli.json_lines import error_data
from emulator.cli.session_words import count
from emulator.config.document import shown
from emulator.errors import UsageError
from emulator.scenarios import document, steps

EPILOG = """\b
Examples:
  agents-emu scenario check tests/scenarios/*.yaml
  agents-emu scenario check bug.yaml --json"""


@click.command(epilog=EPILOG)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
def check(files: tuple[Path, ...], as_json: bool) -> int:
    """Read FILES and say all that is wrong with them. Exit code 2 when anything is."""
    rows = []
    for file in files:
        errors = document.errors(file)
        found = None if errors else document.read(file)
        rows.append(
            {
                "file": shown(file),
                "name": found.name if found else None,
                "steps": len(list(steps.every(found.steps))) if found else None,
                "errors": [error_data(error) for error in errors],
            }
        )
        if as_json:
            continue
        if found is not None:
            click.echo(f"{shown(file)}  {count(len(list(steps.every(found.steps))), 'step')}  {found.name}")
        for error in errors:
            click.echo(error.render(), err=True)
    if as_json:
        click.echo(json.dumps({"v": 1, "files": rows}))
    return UsageError.exit_code if any(row["errors"] for row in rows) else 0
