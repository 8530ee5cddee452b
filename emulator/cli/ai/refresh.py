"""`agents-emu ai refresh`: ask the models again, and record their answers anew."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import click

from emulator.cli.ai.server_for import a_server
from emulator.cli.ai.tables import print_table
from emulator.cli.server import control
from emulator.cli.session_words import count
from emulator.config.wrangler import find_config
from emulator.errors import RecordingError, UsageError

EPILOG = """\b
Examples:
  agents-emu ai refresh --stale                     all that are too old
  agents-emu ai refresh 'checkout/*'
  agents-emu ai refresh default/00-binding.run-glm-4.7-flash-3fa9c1d2 --json

The stored request is sent again, so no test has to run; what was redacted in it cannot be sent, and is recorded by a test."""


@click.command(epilog=EPILOG)
@click.argument("pattern", required=False, metavar="[CASSETTE/ID]")
@click.option("--stale", is_flag=True, help="Only recordings that are too old.")
@click.option("-C", "--dir", "directory", default=".", type=click.Path(path_type=Path), help="The project's folder.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
def refresh(pattern: str | None, stale: bool, directory: Path, as_json: bool) -> None:
    """Record anew what CASSETTE/ID names (wildcards allowed), or what is --stale. The server of the project does it, or one for this."""
    if pattern is None and not stale:
        raise UsageError("E205", "name recordings, or give --stale", hint="all of them: agents-emu ai refresh '*'")
    rows = asyncio.run(_refresh(find_config(directory).parent, {"pattern": pattern or "*", "stale": stale}))
    if not rows and not stale:
        raise UsageError("E530", f"no recording is named {pattern}", hint="agents-emu ai ls")
    if as_json:
        click.echo(json.dumps({"v": 1, "recordings": rows}))
    elif not rows:
        click.echo("no recording is stale")
    else:
        print_table(("Recording", "Outcome", "Why"), [(row["recording"], row["outcome"], row["why"]) for row in rows])
        outcomes = Counter(row["outcome"] for row in rows)
        click.echo(", ".join(f"{number} {outcome}" for outcome, number in outcomes.items()))
    failed = [row for row in rows if row["outcome"] == "failed"]
    if failed:
        what = f"{count(len(failed), 'recording')} could not be recorded anew"
        raise RecordingError("E543", what, where=failed[0]["recording"], hint=failed[0]["why"])


async def _refresh(root: Path, body: dict[str, Any]) -> list[dict[str, Any]]:
    from emulator.cli.agent_connection import new_session

    async with a_server(root) as server, new_session() as client:
        answer = await control(client, server, "POST", "ai/refresh", body)
    return list(answer["recordings"])
