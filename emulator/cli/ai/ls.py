"""`agents-emu ai ls`: what is recorded."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Container
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emulator.cli.ai.fixtures import Fixtures, fixtures_options
from emulator.cli.ai.outcome import say

if TYPE_CHECKING:
    from emulator.gateway.ai.cassettes.inventory import Entry, Inventory

WIDTH_OF_FILES = 200
"""Columns when the output is no terminal, so that nothing is cut."""

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@click.command(epilog="\b\nExamples:\n  agents-emu ai ls\n  agents-emu ai ls --cassette checkout\n  agents-emu ai ls --json")
@fixtures_options
def ls(fixtures: Fixtures, as_json: bool) -> None:
    """List recordings: id, kind, model, age, size, and whether they are stale, edited or broken."""
    found = fixtures.inventory()
    stale = stale_in(found, fixtures.options.ai.max_age_days)
    rows = [row_of(entry, time.time(), stale) for entry in found.entries]
    if as_json:
        click.echo(json.dumps(rows))
    elif not rows:
        say(f"no recordings in {found.folder / 'ai'}")
    else:
        _print_table(rows)


def stale_in(found: Inventory, max_age_days: int) -> frozenset[Path]:
    """The files of recordings that are too old now."""
    from emulator.gateway.ai.cassettes.staleness import why_stale

    now = datetime.now(UTC)
    return frozenset(
        recording.file
        for cassette in found.cassettes
        for recording in cassette.recordings
        if why_stale(recording, cassette.manifest, now, max_age_days) is not None
    )


def row_of(entry: Entry, now_s: float, stale: Container[Path]) -> dict[str, Any]:
    """One line of the list. `age_s` counts from when it was recorded, or from the last change of a hand-written one."""
    from emulator.gateway.ai.faults.dialects import model_named

    document = entry.document or {}
    recording = entry.recording
    marks = ["broken"] if recording is None else []
    if entry.edited:
        marks.append("edited")
    if entry.path in stale:
        marks.append("stale")
    recorded = (document.get("recorded") or {}).get("at") if recording else None
    return {
        "id": entry.id,
        "cassette": entry.cassette,
        "file": str(entry.path),
        "source": document.get("source"),
        "kind": str(recording.request.kind) if recording else None,
        "target": recording.request.target if recording else None,
        "model": model_named(recording.request) if recording else None,
        "recorded_at": recorded,
        "age_s": max(0, round(now_s - (_since_1970(recorded) or entry.modified_s))),
        "bytes": entry.size,
        "marks": marks,
        "problem": entry.error.what if entry.error else None,
    }


def _since_1970(text: Any) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def short_age(seconds: float) -> str:
    """`3d`, `2h`, `12min`."""
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), _UNITS[-1])
    return f"{int(seconds // size)}{unit}"


def short_size(count: int) -> str:
    """`512 B`, `1.4 kB`, `2.0 MB`."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


def _what(row: dict[str, Any]) -> str:
    """The model, and where it is asked when that is no matter of course."""
    if row["target"] is None:
        return str(row["problem"] or "")
    return str(row["target"] if row["model"] == row["target"] else f"{row['model']}  {row['target']}")


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("Recording", no_wrap=True, overflow="ellipsis")
    table.add_column("Kind", no_wrap=True)
    table.add_column("Model or address", no_wrap=True, overflow="ellipsis")
    for heading in ("Age", "Size"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in rows:
        name = Text(f"{row['cassette']}/{row['id']}")
        target = Text(_what(row))
        table.add_row(name, row["kind"] or "-", target, short_age(row["age_s"]), short_size(row["bytes"]), " ".join(row["marks"]))
    Console(width=None if sys.stdout.isatty() else WIDTH_OF_FILES).print(table)
