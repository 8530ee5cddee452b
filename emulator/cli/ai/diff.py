"""`agents-emu ai diff`: how two recordings differ, or one and what its model says now."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emulator.cli.ai.fixtures import Fixtures, complete_recording, fixtures_options
from emulator.cli.ai.outcome import say
from emulator.cli.colours import Colour, Paint, wants_colour
from emulator.cli.server import control
from emulator.errors import UsageError

if TYPE_CHECKING:
    from emulator.gateway.ai.cassettes.inventory import Entry

WIDTH = 160

EPILOG = """\b
Examples:
  agents-emu ai diff 3fa9 81bc
  agents-emu ai diff 00-http-gpt-4o-3fa9c1d2 01-http-gpt-4o-3fa9c1d2 --events
  agents-emu ai diff 3fa9 81bc --exit-code    exit with 4 when they differ
  agents-emu ai diff 3fa9 --live              with what the model answers now; nothing is recorded"""


@click.command(epilog=EPILOG)
@click.argument("first", shell_complete=complete_recording)
@click.argument("second", required=False, shell_complete=complete_recording)
@click.option("--live", is_flag=True, help="Compare FIRST with what its model answers now.")
@click.option("--events", is_flag=True, help="Compare answers event by event, with times, instead of what they say.")
@click.option("--exit-code", is_flag=True, help="Exit with 4 when they differ.")
@fixtures_options
def diff(fixtures: Fixtures, first: str, second: str | None, live: bool, events: bool, exit_code: bool, as_json: bool) -> int:
    """Show where the recordings FIRST and SECOND differ, by JSON path: what they ask, and what they answer."""
    from emulator.gateway.ai.curation.comparing import as_data, compared

    if live is (second is not None):
        raise UsageError("E205", "one recording is compared with another one, or --live with its model", hint="agents-emu ai diff --help")
    inventory = fixtures.inventory()
    entry = inventory.find(first)
    left = _document(entry)
    right = _document(inventory.find(second)) if second is not None else asyncio.run(_asked_now(fixtures.root, entry.name))
    found = compared(left, right, events=events)
    if as_json:
        click.echo(json.dumps({"first": left["id"], "second": right["id"], "differences": [as_data(one) for one in found]}))
    else:
        paint = Paint(wants_colour(sys.stdout, os.environ))
        for one in found:
            before, after = _around(_text(one.left, one.missing == "left"), _text(one.right, one.missing == "right"))
            say(f"{one.path}\n  {paint('-', Colour.BAD)} {before}\n  {paint('+', Colour.GOOD)} {after}")
        if not found:
            say("they ask and answer the same")
    return 4 if found and exit_code else 0


async def _asked_now(root: Path, name: str) -> dict[str, Any]:
    """The recording that its model's answer would make now, asked by the project's server, or by one for this."""
    from emulator.cli.agent_connection import new_session
    from emulator.cli.ai.server_for import a_server

    async with a_server(root) as server, new_session() as client:
        answer = await control(client, server, "POST", "ai/preview", {"recording": name})
    document: dict[str, Any] = answer["document"]
    return document


def _document(entry: Entry) -> dict[str, Any]:
    if entry.recording is None or entry.document is None:
        assert entry.error is not None  # an entry without a recording says why
        raise entry.error
    return entry.document


def _text(value: Any, missing: bool) -> str:
    return "(absent)" if missing else json.dumps(value, ensure_ascii=False)


def _around(left: str, right: str) -> tuple[str, str]:
    """Both texts, cut so that the place where they part can be seen."""
    if max(len(left), len(right)) <= WIDTH:
        return left, right
    same = next((at for at, (one, other) in enumerate(zip(left, right, strict=False)) if one != other), min(len(left), len(right)))
    start = 0 if same < WIDTH // 2 else same - WIDTH // 4
    cut = [("..." if start else "") + text[start : start + WIDTH] + ("..." if start + WIDTH < len(text) else "") for text in (left, right)]
    return cut[0], cut[1]
