"""`agents-emu scenario record`: a scenario of what clients do to the running server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emulator.cli.server import server_options
from emulator.cli.session_words import count
from emulator.config.document import shown
from emulator.config.wrangler import find_config
from emulator.errors import UsageError
from emulator.gateway.ready import RunningServer

if TYPE_CHECKING:
    from emulator.scenarios.recorder import Recorded

EPILOG = """\b
Examples:
  agents-emu scenario record bug.yaml              until Ctrl-C
  agents-emu scenario record bug.yaml --turns 1    until the agent has answered once
  agents-emu scenario record bug.yaml --for 60     for a minute
  agents-emu scenario run bug.yaml                 then make it happen again"""


@click.command(epilog=EPILOG)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--for", "seconds", type=click.FloatRange(min=0.1), metavar="S", help="Stop after so many seconds.")
@click.option("--turns", type=click.IntRange(min=1), metavar="N", help="Stop when so many chat turns have ended.")
@click.option("--force", is_flag=True, help="Write over a file that exists.")
@server_options
def record(server: RunningServer, file: Path, seconds: float | None, turns: int | None, force: bool, as_json: bool) -> None:
    """Watch what clients do to the running server, whatever they are, and write it into FILE as a scenario. Ctrl-C ends it."""
    if not file.parent.is_dir():
        raise UsageError("E285", f"there is no folder {shown(file.parent)}", where=shown(file), hint="make it first")
    if file.exists() and not force:
        raise UsageError("E285", f"{shown(file)} exists already", where=shown(file), hint="another name, or --force")
    recorded = asyncio.run(_record(server, file, seconds, turns, as_json))
    file.write_text(recorded.text, "utf-8")
    if as_json:
        answer = {"v": 1, "file": str(file), "steps": recorded.steps, "model_calls": recorded.sources, "state": recorded.state}
        click.echo(json.dumps(answer))
        return
    click.echo(f"wrote {shown(file)}: {count(recorded.steps, 'step')}")
    if recorded.state is not None:
        click.echo(f"it begins with what the agents knew: the state {recorded.state}")
    others = {source: number for source, number in recorded.sources.items() if source not in ("recording", "stub")}
    if others:
        answered = ", ".join(f"{number} by {source}" for source, number in sorted(others.items()))
        click.echo(f"model calls were answered {answered}: the file says how to record them")
    click.echo(f"run it: agents-emu scenario run {shown(file)}")


async def _record(server: RunningServer, file: Path, seconds: float | None, turns: int | None, as_json: bool) -> Recorded:
    from emulator.scenarios.recorder import Recorder

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    if seconds is not None:
        loop.call_later(seconds, stop.set)

    # A file or a pipe wants no line that is written anew.
    shows = not as_json and sys.stderr.isatty()

    def heard(steps: int) -> None:
        if shows:
            click.echo(f"\r{count(steps, 'step')} ", nl=False, err=True)

    if not as_json:
        click.echo(f"recording what clients do to {server.url}; Ctrl-C ends it", err=True)
    with _stopped_by_signals(stop):
        recorded = await Recorder(server.url, file, _project(server), heard).record(stop, turns=turns)
    if shows:
        click.echo(err=True)
    return recorded


def _project(server: RunningServer) -> Path:
    """The project's folder: where the command was pointed at."""
    directory = click.get_current_context().params.get("directory") or Path()
    return find_config(Path(directory)).parent


@contextlib.contextmanager
def _stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
