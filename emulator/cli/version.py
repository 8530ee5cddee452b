"""`agents-emu version`."""

from __future__ import annotations

import json
import platform

import click

from emulator import __version__


@click.command(epilog="\b\nExamples:\n  agents-emu version\n  agents-emu version --json")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def version(as_json: bool) -> None:
    """Print the version, and the Python that runs it."""
    python = platform.python_version()
    click.echo(json.dumps({"version": __version__, "python": python}) if as_json else f"agents-emu {__version__} (Python {python})")
