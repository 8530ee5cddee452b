"""What the file verbs print: one JSON object with the error in it, or lines, of which any terminal can show every character."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from emulator.errors import EmuError


def as_json_object(data: Mapping[str, Any], error: EmuError | None) -> int:
    """Print `data` with `error` (null when all is well) as one JSON object. Returns the exit code."""
    from emulator.cli.json_lines import error_data

    click.echo(json.dumps({**data, "error": error_data(error) if error else None}))
    return error.exit_code if error else 0


def say(line: str, *, err: bool = False) -> None:
    """Print a line that may hold anything that files hold; half of a surrogate pair is shown as `?`."""
    click.echo(printable(line), err=err)


def printable(text: str) -> str:
    """The text as UTF-8 can say it."""
    return text.encode("utf-8", "replace").decode()
