"""`agents-emu clock`: what time it is in the running server, and moving it on a virtual clock (design 4.7)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from emulator.cli.server import ask, find_server, server_options
from emulator.cli.spans import counted
from emulator.config.instants import iso, span_ms
from emulator.errors import UsageError
from emulator.gateway.ready import RunningServer

SHOWN = 8
"""How many deadlines are listed as text."""

EPILOG = """\b
Examples:
  agents-emu dev --clock virtual           time stands still until you move it
  agents-emu clock advance 1h              through every alarm, schedule and timer on the way
  agents-emu clock to 2026-12-24T09:00Z
  agents-emu clock step                    to the next deadline
  agents-emu clock run-until-idle          until nothing is pending, at most a day"""


@click.group(epilog=EPILOG, invoke_without_command=True)
@click.option("-C", "--dir", "directory", default=".", type=click.Path(path_type=Path), help="The project's folder.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
@click.pass_context
def clock(ctx: click.Context, directory: Path, as_json: bool) -> None:
    """Show the clock of the running server, or move it: with --clock virtual time stands still until you do."""
    # A verb without a folder of its own is about this one.
    ctx.default_map = {verb: {"directory": directory, "as_json": as_json, **_preset(ctx, verb)} for verb in clock.commands}
    if ctx.invoked_subcommand is None:
        _show(ask(find_server(directory), "GET", "clock"), as_json)


@clock.command()
@server_options
def show(server: RunningServer, as_json: bool) -> None:
    """The time and the next deadlines."""
    _show(ask(server, "GET", "clock"), as_json)


@clock.command()
@click.argument("span")
@server_options
def advance(server: RunningServer, span: str, as_json: bool) -> None:
    """Move on by SPAN: 1h, 90s, 1h30m, 2d; a number alone is milliseconds."""
    _moved(ask(server, "POST", "clock/advance", {"ms": _read(span_ms, span)}), as_json)


@clock.command()
@click.argument("instant")
@server_options
def to(server: RunningServer, instant: str, as_json: bool) -> None:
    """Move to INSTANT: 2026-12-24T09:00:00Z, 2026-12-24, or milliseconds since 1970."""
    _moved(ask(server, "POST", "clock", {"to": _instant(instant)}), as_json)


@clock.command()
@click.option("--until", metavar="INSTANT", help="Not beyond this instant.")
@server_options
def step(server: RunningServer, until: str | None, as_json: bool) -> None:
    """Move to the next deadline."""
    _moved(ask(server, "POST", "clock/step", {} if until is None else {"until_ms": _instant(until)}), as_json)


@clock.command()
@server_options
def settle(server: RunningServer, as_json: bool) -> None:
    """Wait until nothing is left to do now; time does not move."""
    _moved(ask(server, "POST", "clock/settle", {}), as_json)


@clock.command("run-until-idle")
@click.option("--limit", metavar="SPAN", default="1d", show_default=True, help="At most so far.")
@server_options
def run_until_idle(server: RunningServer, limit: str, as_json: bool) -> None:
    """Move from deadline to deadline until nothing is pending."""
    _moved(ask(server, "POST", "clock/run-until-idle", {"limit_ms": _read(span_ms, limit)}), as_json)


def _preset(ctx: click.Context, verb: str) -> dict[str, Any]:
    found = (ctx.default_map or {}).get(verb)
    return dict(found) if isinstance(found, dict) else {}


def _instant(text: str) -> int | str:
    """As the control API takes it: a number is milliseconds since 1970."""
    return int(text) if text.isascii() and text.isdigit() else text


def _read(read: Callable[[str], int], text: str) -> int:
    try:
        return read(text)
    except ValueError as error:
        raise UsageError("E251", f'"{text}" makes no sense: {error} is expected', hint="agents-emu clock --help") from None


def _moved(answer: dict[str, Any], as_json: bool) -> None:
    if not as_json:
        ran = [counted(answer[key], noun) for key, noun in (("alarms", "alarm"), ("crons", "cron trigger")) if answer[key]]
        click.echo(f"{counted(answer['steps'], 'deadline')} on the way{': ' if ran else ''}{', '.join(ran)}")
    _show(answer, as_json)


def _show(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"v": 1, **answer}))
        return
    click.echo(f"{answer['iso']}  {answer['mode']}")
    rows = answer["pending"]
    for row in rows[:SHOWN]:
        click.echo(f"  {iso(row['at_ms'])}  in {_words(row['at_ms'] - answer['now_ms'])}  {row['what']}")
    if len(rows) > SHOWN:
        click.echo(f"  and {len(rows) - SHOWN} more; --json has {'the first 100' if len(rows) == 100 else 'all'}")
    if not rows:
        click.echo("  nothing is pending")


def _words(ms: int) -> str:
    """A span in its two largest units, which are neighbours: `61d`, not `61d59m`."""
    if ms < 1_000:
        return f"{max(ms, 0)}ms"
    counts: list[tuple[int, str]] = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        count, ms = divmod(ms, size)
        if count or counts:
            counts.append((count, unit))
    return "".join(f"{count}{unit}" for count, unit in counts[:2] if count)
