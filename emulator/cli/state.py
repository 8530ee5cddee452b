"""`agents-emu state`: snapshots of what objects have stored (docs/state.md)."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from emulator.cli.completing import complete_snapshot, complete_target
from emulator.cli.objects import WIDTH_OF_FILES
from emulator.cli.spans import counted
from emulator.cli.state_of import State, state_of
from emulator.cli.verb_group import begin, group_options
from emulator.config.document import shown
from emulator.config.instants import iso
from emulator.errors import UsageError

EPILOG = """\b
Examples:
  agents-emu state save before-refund             every object, into fixtures/state/before-refund
  agents-emu state save alice --object Chat/alice
  agents-emu state list
  agents-emu state load before-refund             all of it
  agents-emu state load before-refund --class Chat
  agents-emu state reset --object Chat/alice      as if it had never been there

\b
With a running server, of one instant and with everything that its objects have committed; objects that are loaded or reset leave memory,
and their clients are cut off as by a deploy. Without one, on the files."""


def with_state(command: Callable[..., Any]) -> Callable[..., Any]:
    """Hands the verb the project's state as its first argument."""

    @click.option("-C", "--dir", "directory", default=".", type=click.Path(path_type=Path), help="The project's folder.")
    @click.option("-e", "--env", "environment", help="The environment, when no server runs.")
    @click.option("--persist-to", type=click.Path(path_type=Path), help="Work on the files of this state folder.")
    @click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
    @functools.wraps(command)
    def with_it(*arguments: Any, directory: Path, environment: str | None, persist_to: Path | None, **options: Any) -> Any:
        return command(state_of(directory, environment, persist_to), *arguments, **options)

    return with_it


def narrowing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--class` and `--object`."""
    command = click.option("--object", "target", metavar="CLASS/NAME", shell_complete=complete_target, help="Only this object.")(command)
    return click.option("--class", "class_name", metavar="CLASS", help="Only the objects of this class.")(command)


@click.group(epilog=EPILOG, invoke_without_command=True)
@group_options
@click.pass_context
def state(ctx: click.Context, directory: Path, as_json: bool) -> None:
    """Save what your objects have stored, load it again, or start from nothing."""
    begin(ctx, state, directory, as_json)


@state.command(epilog="\b\nExamples:\n  agents-emu state save before-refund\n  agents-emu state save alice --object Chat/alice --json")
@click.argument("name")
@narrowing
@click.option("--replace", is_flag=True, help="A snapshot of this name may be replaced.")
@with_state
def save(state: State, name: str, class_name: str | None, target: str | None, replace: bool, as_json: bool) -> None:
    """Save a snapshot into fixtures/state/NAME, to be committed with your tests."""
    answer = state.save(name, class_name, target, replace=replace)
    if as_json:
        click.echo(json.dumps({"v": 1, **answer}))
        return
    alarms = f", {counted(answer['alarms'], 'alarm')}" if answer["alarms"] else ""
    click.echo(
        f"saved {name}: {counted(answer['objects'], 'object')}{alarms}, {_size(answer['bytes'])}, in {shown(Path(answer['folder']))}"
    )
    for class_name in answer["left_out"]:
        click.echo(f"left out: objects of {class_name}, a class that the project does not have any more")


@state.command(epilog="\b\nExamples:\n  agents-emu state load before-refund\n  agents-emu state load before-refund --object Chat/alice")
@click.argument("name", shell_complete=complete_snapshot)
@narrowing
@with_state
def load(state: State, name: str, class_name: str | None, target: str | None, as_json: bool) -> None:
    """Exchange what is stored for the snapshot NAME, all or nothing. What is not in it is gone; so save first what you need."""
    answer = state.load(name, class_name, target)
    if as_json:
        click.echo(json.dumps({"v": 1, **answer}))
        return
    click.echo(f"loaded {name}: {_exchanged(answer)}")
    clock = answer["clock"]
    if clock is not None and clock["saved_ms"] != clock["now_ms"]:
        click.echo(f"it was saved at {iso(clock['saved_ms'])}, and it is {iso(clock['now_ms'])} here: agents-emu clock to ...")


@state.command("list", epilog="\b\nExamples:\n  agents-emu state list\n  agents-emu state list before-refund --json")
@click.argument("name", required=False, shell_complete=complete_snapshot)
@with_state
def list_snapshots(state: State, name: str | None, as_json: bool) -> None:
    """List the snapshots, or what is in the one with this NAME."""
    answer = state.list() if name is None else state.show(name)
    if as_json:
        click.echo(json.dumps({"v": 1, **answer}))
    elif name is not None:
        _print_objects(answer)
    elif answer["snapshots"]:
        _print_snapshots(answer["snapshots"])
    else:
        click.echo(f"no snapshots in {shown(Path(answer['folder']))}; agents-emu state save NAME makes one")


@state.command(epilog="\b\nExamples:\n  agents-emu state reset\n  agents-emu state reset --class Chat --yes")
@narrowing
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_state
def reset(state: State, class_name: str | None, target: str | None, yes: bool, as_json: bool) -> None:
    """Remove objects with all they have stored, alarms included, as if they had never been there."""
    if not yes:
        what = target or (f"the objects of {class_name}" if class_name else "every object")
        if as_json or not sys.stdin.isatty():
            raise UsageError("E205", f"this removes {what}: --yes is needed where nobody can be asked", hint="the same again with --yes")
        click.confirm(f"remove {what}, with all that is stored?", abort=True)
    answer = state.reset(class_name, target)
    click.echo(json.dumps({"v": 1, **answer}) if as_json else f"reset {answer['reset']}: {_exchanged(answer)}")


def _exchanged(answer: dict[str, Any]) -> str:
    parts = [f"{counted(answer['removed'], 'object')} gone"]
    if answer["objects"] or "loaded" in answer:
        parts.append(f"{counted(answer['objects'], 'object')} there")
    if answer["alarms"]:
        parts.append(counted(answer["alarms"], "alarm"))
    if answer["sockets"]:
        parts.append(f"{counted(answer['sockets'], 'client')} cut off")
    return f"{', '.join(parts)} ({answer['ms']} ms)"


def _print_snapshots(rows: list[dict[str, Any]]) -> None:
    table = _table("Snapshot", "Saved", "Objects", "Alarms", "Size", "Of")
    for row in rows:
        scope = row["scope"]
        of = f"{scope['class']}/{scope['object']}" if scope["object"] else scope["class"] or "everything"
        saved = iso(row["saved_ms"]) if row["saved_ms"] is not None else "-"
        table.add_row(row["name"], saved, str(row["objects"]), str(row["alarms"]), _size(row["bytes"]), of)
    _console().print(table)
    for row in rows:
        if row["problem"] is not None:
            click.echo(f"{row['name']} cannot be loaded: {row['problem']['code']} {row['problem']['what']}")


def _print_objects(answer: dict[str, Any]) -> None:
    table = _table("Object", "Alarm", "Size", "Facets")
    for row in answer["rows"]:
        alarm = iso(row["alarm_ms"]) if row["alarm_ms"] is not None else "-"
        table.add_row(f"{row['class']}/{row['name'] or row['id']}", alarm, _size(row["bytes"]), str(row["facets"] or "-"))
    _console().print(table)
    if answer["problem"] is not None:
        click.echo(f"it cannot be loaded: {answer['problem']['code']} {answer['problem']['what']}")


def _table(*headings: str) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, no_wrap=True, overflow="ellipsis")
    return table


def _console() -> Any:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else WIDTH_OF_FILES)


def _size(count: int) -> str:
    return f"{count} bytes" if count < 1_000 else f"{count / 1_000:.0f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"
