"""How a verb that finds something wrong ends: as one JSON object with the error in it, or by raising the error."""

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
