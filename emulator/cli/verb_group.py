"""Groups of verbs that stand in one module: `agents-emu alarms` alone is `agents-emu alarms list`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def group_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--dir` and `--json` to a group."""
    command = click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")(command)
    return click.option("-C", "--dir", "directory", default=".", type=click.Path(path_type=Path), help="The project's folder.")(command)


def begin(ctx: click.Context, group: click.Group, directory: Path, as_json: bool) -> None:
    """What was given to the group holds for its verbs; without one, `list` is meant."""
    given = {"directory": directory, "as_json": as_json}
    ctx.default_map = dict.fromkeys(group.commands, given)
    if ctx.invoked_subcommand is None:
        ctx.invoke(group.commands["list"], **given)
