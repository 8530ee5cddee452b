"""`agents-emu scenario run`: scenarios on a server of their own, held to what they expect and to their golden transcripts."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from emulator.cli.colours import Colour, Paint, wants_colour
from emulator.cli.json_lines import error_data
from emulator.cli.server import find_server
from emulator.clock.idle_loop import IdleLoop
from emulator.config.document import shown
from emulator.errors import EmuError, UsageError
from emulator.scenarios import document, explaining, golden, transcript
from emulator.scenarios.document import Document
from emulator.scenarios.failures import TranscriptDiffers
from emulator.scenarios.runner import BOUND_S, Run, Trap

EPILOG = """\b
Examples:
  agents-emu scenario run bug.yaml
  agents-emu scenario run bug.yaml --update          what happens now is golden
  agents-emu scenario run tests/scenarios/*.yaml     one server, rewound in between
  agents-emu scenario run bug.yaml --server          on the running server
  agents-emu scenario run bug.yaml --trap 41:crash   with a crash at point 41
  agents-emu scenario run --explain E480

\b
Exit codes: 0 all went as expected, 1 something did not, 2 a file is wrong, 3 a recording is missing,
4 the transcript is not the golden one."""

FAULTS = ("crash", "evict", "drop", "deploy")
WIDTH_OF_FILES = 120
"""How wide differences are when the output is no terminal."""


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """One file's end. `compared` is same, differs, none, updated, or "" when there was nothing to compare."""

    file: Path
    run: Run | None
    error: EmuError | None
    compared: str = ""
    rows: tuple[golden.Row, ...] = ()


@click.command(epilog=EPILOG)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--update", is_flag=True, help="Write the golden transcript anew.")
@click.option("--server", "on_running", is_flag=True, help="Use the running server of the project, as it is.")
@click.option("--keep-server", is_flag=True, help="Leave the server running at the end, to look at it.")
@click.option("--trap", metavar="N:FAULT", help="A fault (crash, evict, drop, deploy) at the point N, as a sweep names it.")
@click.option("--clock", help="Another clock than the file's: real, virtual or virtual@INSTANT.")
@click.option("--seed", type=int, help="Another seed than the file's.")
@click.option("--bound", "bound_s", default=BOUND_S, show_default=True, metavar="S", help="End a scenario after so many real seconds.")
@click.option("--quiet", "-q", is_flag=True, help="Only how each file went.")
@click.option("--explain", "code", metavar="CODE", help="Say what an error code means, and run nothing.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
def run(
    files: tuple[Path, ...],
    update: bool,
    on_running: bool,
    keep_server: bool,
    trap: str | None,
    clock: str | None,
    seed: int | None,
    bound_s: float,
    quiet: bool,
    code: str | None,
    as_json: bool,
) -> int:
    """Run the scenarios in FILES. Each file gets a fresh state, a virtual clock and recorded model calls, unless it says otherwise."""
    if code is not None:
        click.echo(explaining.explanation(code))
        return 0
    if not files:
        raise UsageError("E205", "which scenario?", hint="agents-emu scenario run bug.yaml")
    documents = [_with(document.read(file), clock, seed) for file in files]
    session = _Session(
        _trap(trap), update=update, on_running=on_running, keep=keep_server, bound_s=bound_s, quiet=quiet or len(files) > 1, as_json=as_json
    )
    with asyncio.Runner(loop_factory=IdleLoop) as loop:
        results = loop.run(session.all(documents))
    return _end(results, as_json)


def _with(found: Document, clock: str | None, seed: int | None) -> Document:
    settings = found.settings
    if clock is not None:
        settings = dataclasses.replace(settings, clock=clock)
    if seed is not None:
        settings = dataclasses.replace(settings, seed=seed)
    return dataclasses.replace(found, settings=settings)


def _trap(text: str | None) -> Trap | None:
    if text is None:
        return None
    number, _, fault = text.partition(":")
    if not number.isdigit() or int(number) < 1 or fault not in FAULTS:
        what = f'--trap "{text}" makes no sense: N:FAULT is expected'
        raise UsageError("E203", what, hint=f"for example --trap 41:crash; there is {', '.join(FAULTS)}")
    return Trap(int(number), fault)


class _Session:
    """Runs files one after the other and shows how they go."""

    def __init__(
        self, trap: Trap | None, *, update: bool, on_running: bool, keep: bool, bound_s: float, quiet: bool, as_json: bool
    ) -> None:
        self._trap = trap
        self._update = update
        self._on_running = on_running
        self._keep = keep
        self._bound_s = bound_s
        self._quiet = quiet
        self._as_json = as_json
        self._paint = Paint(wants_colour(sys.stdout, os.environ))
        self._width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None

    async def all(self, documents: Sequence[Document]) -> list[Result]:
        """Run each; one that fails does not stop the others."""
        from emulator.scenarios.pool import ServerPool

        results = []
        async with ServerPool(os.environ, keep=self._keep) as pool:
            for found in documents:
                result = await self._one(found, pool)
                results.append(result)
                if not self._as_json:
                    self._show(result)
        return results

    async def _one(self, found: Document, pool: Any) -> Result:
        from emulator.scenarios import runner
        from emulator.scenarios.pool import project_of
        from emulator.scenarios.server import place_of

        try:
            root = project_of(found)
            if self._on_running:
                server = find_server(root)
                bindings = [{"name": row.name, "kind": row.kind, "class": row.class_name} for row in server.bindings]
                place = place_of({"url": server.url, "hosts": server.hosts, "bindings": bindings})
            else:
                place = await pool.server_for(root, found.settings)
                if self._keep:
                    click.echo(f"the server stays at {place.url}", err=True)
            tell = runner.silent if self._quiet or self._as_json else self._tell
            went = await runner.run(found, place, tell=tell, bound_s=self._bound_s, trap=self._trap)
            _store(root, found, went)
            return self._compared(found, went)
        except EmuError as error:
            return Result(found.path, None, error)

    def _compared(self, found: Document, went: Run) -> Result:
        if went.failure is not None or not went.virtual or self._trap is not None:
            return Result(found.path, went, went.failure)
        path = golden.path_of(found.path)
        if self._update:
            path.write_text(went.transcript, "utf-8")
            return Result(found.path, went, None, "updated")
        before = golden.read(path, found.path)
        if before is None:
            return Result(found.path, went, None, "none")
        rows = golden.differences(before, went.transcript)
        if not rows:
            return Result(found.path, went, None, "same")
        hint = f"if this is right: agents-emu scenario run {shown(found.path)} --update"
        error = TranscriptDiffers("E487", "what happened is not what the golden transcript has", where=shown(path), hint=hint)
        return Result(found.path, went, error, "differs", tuple(rows))

    def _tell(self, line: transcript.Line) -> None:
        text = transcript.shown(line)
        if self._width is not None and len(text) > self._width:
            text = f"{text[: self._width - 3]}..."
        colour = {"check": Colour.DIM, "note": Colour.TITLE, "server": Colour.CARE}.get(line.who)
        click.echo(self._paint(text, colour) if colour else text)

    def _show(self, result: Result) -> None:
        for line in golden.columns(list(result.rows), self._width or WIDTH_OF_FILES) if result.rows else ():
            click.echo(line)
        if result.error is not None:
            click.echo(result.error.render(), err=True)
        mark = self._paint("ok", Colour.GOOD) if result.error is None else self._paint("failed", Colour.BAD)
        words = [mark, shown(result.file)]
        if result.run is not None:
            words += [result.run.name] if result.run.name != result.file.stem else []
            words += [f"{transcript.offset(result.run.virtual_ms)} s virtual"] if result.run.virtual else []
            words += [f"{result.run.seconds:.2f} s"]
        if result.compared == "none":
            words.append(f"no golden transcript yet: --update writes {golden.path_of(result.file).name}")
        elif result.compared == "updated":
            words.append(f"wrote {golden.path_of(result.file).name}")
        elif result.compared == "same":
            words.append("as golden")
        click.echo("  ".join(words))


def _store(root: Path, found: Document, went: Run) -> None:
    """What happened last, beside the project's other working files: to look at, and to compare by hand."""
    folder = root / ".agents-emu" / "scenarios"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{found.path.stem}{transcript.SUFFIX}").write_text(went.transcript, "utf-8")


def _end(results: Sequence[Result], as_json: bool) -> int:
    failed = [result.error for result in results if result.error is not None]
    if as_json:
        click.echo(json.dumps({"v": 1, "runs": [_data(result) for result in results]}))
    elif len(results) > 1:
        click.echo(f"{len(results) - len(failed)} of {len(results)} scenarios as expected")
    return failed[0].exit_code if failed else 0


def _data(result: Result) -> dict[str, Any]:
    went = result.run
    return {
        "file": str(result.file),
        "ok": result.error is None,
        "error": error_data(result.error) if result.error is not None else None,
        "golden": result.compared or None,
        "name": went.name if went else None,
        "seconds": round(went.seconds, 3) if went else None,
        "virtual_ms": went.virtual_ms if went and went.virtual else None,
        "outcome": went.outcome if went else None,
        "trap": went.trap if went else None,
        "transcript": went.transcript.splitlines() if went else None,
    }
