"""`agents-emu scenario sweep`: a fault at every point of a scenario, and which of them change what comes of it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from emulator.cli.colours import Colour, Paint, wants_colour
from emulator.cli.scenario.run import FAULTS
from emulator.clock.idle_loop import IdleLoop
from emulator.config.document import shown
from emulator.scenarios import document
from emulator.scenarios.sweep import EVERY, Report, Sweep, Verdict, kinds_of

SHOWN = 12
"""How many points are told of as text."""

EPILOG = """\b
Examples:
  agents-emu scenario sweep refund.yaml                      a crash at every point
  agents-emu scenario sweep refund.yaml --at commit,request  only there
  agents-emu scenario sweep refund.yaml --fault drop         clients are cut off instead
  agents-emu scenario run refund.yaml --trap 41:crash        one of them again, to look at it

\b
Kinds of points: turn (an event is about to run), end (it has), commit, frame (sent to a client), request (to others or a model),
answer (it came), chunk (a piece of it), respond (to an HTTP client).
Exit codes: 0 no point changes anything, 1 some do or could not be reached, 2 the file is wrong."""


@click.command(epilog=EPILOG)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--at", "kinds", default=EVERY, show_default=True, metavar="KINDS", help="Kinds of points, separated by commas.")
@click.option("--fault", type=click.Choice(FAULTS), default="crash", show_default=True, help="What happens there.")
@click.option("--jobs", type=click.IntRange(1, 64), default=None, help="Servers side by side; one for each core if left out.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
def sweep(file: Path, kinds: str, fault: str, jobs: int | None, as_json: bool) -> int:
    """Run the scenario in FILE without a fault, then once for each of its points with a fault there, and tell what changes."""
    from emulator.scenarios.pool import project_of

    found = document.read(file)
    progress = _Progress(sys.stderr.isatty() and not as_json)
    task = Sweep(found, fault, kinds_of(kinds), progress.show)
    with asyncio.Runner(loop_factory=IdleLoop) as loop:
        try:
            report = loop.run(task.run(project_of(found), os.environ, jobs or os.cpu_count() or 1))
        finally:
            progress.clear()
    if as_json:
        click.echo(json.dumps(_data(report, file)))
    else:
        _tell(report, file)
    raise click.exceptions.Exit(1 if report.differing or report.unreached else 0)


class _Progress:
    """One line on a terminal that says how far it is."""

    def __init__(self, on: bool) -> None:
        self._on = on

    def show(self, done: int, count: int, differing: int) -> None:
        """Write it anew."""
        if self._on:
            text = f"{done} of {count} points" + (f", {differing} differ" if differing else "")
            click.echo(f"\r{text[: shutil.get_terminal_size().columns - 1]}\x1b[K", nl=False, err=True)

    def clear(self) -> None:
        """Take it away."""
        if self._on:
            click.echo("\r\x1b[K", nl=False, err=True)


def _tell(report: Report, file: Path) -> None:
    paint = Paint(wants_colour(sys.stdout, os.environ))
    differing, unreached = report.differing, report.unreached
    same = len(report.verdicts) - len(differing) - len(unreached)
    counts = [f"{len(report.verdicts)} {report.fault} points", f"{same} same result"]
    counts += [paint(f"{len(differing)} differ", Colour.BAD)] if differing else []
    counts += [paint(f"{len(unreached)} not reached", Colour.CARE)] if unreached else []
    click.echo("  ".join([*counts, f"{report.seconds:.1f} s"]))
    told = [*differing, *unreached]
    for verdict in told[:SHOWN]:
        for number, line in enumerate(_lines(verdict, report)):
            click.echo(f"  {line}" if number == 0 else f"      {line}")
    if len(told) > SHOWN:
        click.echo(f"  and {len(told) - SHOWN} more; --json has all")
    first = next(iter(differing), None)
    if first is not None:
        click.echo(f"replay  agents-emu scenario run {shown(file)} --trap {first.point.n}:{report.fault}")


def _lines(verdict: Verdict, report: Report) -> list[str]:
    from emulator.scenarios.point_words import place_words

    where = f"#{verdict.point.n} {place_words(verdict.point, report.passed)}"
    if verdict.unreached is not None:
        return [f"{where}: not reached, {verdict.unreached}"]
    first, *rest = verdict.differences
    return [f"{where}: {first}", *rest]


def _data(report: Report, file: Path) -> dict[str, Any]:
    return {
        "v": 1,
        "file": str(file),
        "fault": report.fault,
        "points": len(report.verdicts),
        "passed": len(report.passed),
        "same": len(report.verdicts) - len(report.differing) - len(report.unreached),
        "differ": [_verdict(verdict, report, file) for verdict in report.differing],
        "unreached": [_verdict(verdict, report, file) for verdict in report.unreached],
        "seconds": round(report.seconds, 3),
    }


def _verdict(verdict: Verdict, report: Report, file: Path) -> dict[str, Any]:
    from emulator.scenarios.point_words import place_words

    point = verdict.point
    return {
        "n": point.n,
        "what": point.what,
        "label": point.label,
        "object": point.about or None,
        "where": place_words(point, report.passed),
        "differences": list(verdict.differences),
        "unreached": verdict.unreached,
        "replay": f"agents-emu scenario run {file} --trap {point.n}:{report.fault}",
    }
