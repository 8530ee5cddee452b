"""The recordings that a verb is about: where they are, and the options by which every verb is told."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emulator.config import Options, load_options, load_project
from emulator.config.wrangler import find_config
from emulator.errors import ConfigError, EmuError

if TYPE_CHECKING:
    from emulator.gateway.ai.cassettes.inventory import Inventory
    from emulator.gateway.ai.recorder.redaction import Redaction


@dataclass(frozen=True, slots=True)
class Fixtures:
    """A project's recordings. `folder` holds `ai/<cassette>/`; `cassette` is the one that the verb is limited to."""

    root: Path
    options: Options
    cassette: str | None

    @property
    def folder(self) -> Path:
        """The fixtures folder, absolute."""
        return self.options.fixtures

    def inventory(self) -> Inventory:
        """Every file. Raises UsageError E243 or RecordingError E535."""
        from emulator.gateway.ai.cassettes.inventory import read_inventory

        return read_inventory(self.folder, self.cassette)

    def redaction(self) -> Redaction:
        """What must not stand in a recording: the project's secrets, the keys of its backends, its own rules."""
        from emulator.gateway.ai.recorder.known_secrets import known_secrets
        from emulator.gateway.ai.recorder.redaction import Redaction

        try:
            project: Mapping[str, str] = load_project(self.root, environ=os.environ).secrets
        except ConfigError:
            project = {}  # recordings may be checked without the project that they belong to
        known = known_secrets(project, self.options.ai, os.environ)
        return Redaction(lambda: known, self.options.ai.redact)


def fixtures_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--dir`, `--fixtures`, `--cassette` and `--json`, and hands the command its Fixtures as first argument."""

    @click.option("-C", "--dir", "directory", default=".", type=click.Path(path_type=Path), help="The project's folder.")
    @click.option("--fixtures", type=click.Path(), metavar="DIR", help="Where recordings are; default fixtures/.")
    @click.option("--cassette", metavar="NAME", help="Only this folder of recordings.", shell_complete=complete_cassette)
    @click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
    @functools.wraps(command)
    def with_fixtures(*arguments: Any, directory: Path, fixtures: str | None, cassette: str | None, **options: Any) -> Any:
        return command(find_fixtures(directory, fixtures, cassette), *arguments, **options)

    return with_fixtures


def find_fixtures(directory: Path, fixtures: str | None, cassette: str | None) -> Fixtures:
    """The recordings of the project in `directory`. A folder without a wrangler file will do when it has recordings, or when
    `fixtures` names them. Raises ConfigError, UsageError."""
    try:
        root = find_config(directory).parent
    except ConfigError:
        if fixtures is None and not (directory / "fixtures" / "ai").is_dir():
            raise
        root = directory.resolve()
    options, _ = load_options(root, {"fixtures": fixtures}, environ=os.environ, cwd=Path.cwd())
    return Fixtures(root, options, cassette)


def complete_cassette(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Cassettes, for the shell's completion."""
    return [name for name in _offered(ctx, lambda entry: entry.cassette) if name.startswith(incomplete)]


def complete_recording(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Ids of recordings, for the shell's completion; with their cassette once a slash is typed."""
    return [name for name in _offered(ctx, lambda entry: entry.name if "/" in incomplete else entry.id) if name.startswith(incomplete)]


def _offered(ctx: click.Context, word: Callable[[Any], str]) -> list[str]:
    given = ctx.params
    try:
        found = find_fixtures(given.get("directory") or Path(), given.get("fixtures"), given.get("cassette"))
        return list(dict.fromkeys(word(entry) for entry in found.inventory().entries))
    except EmuError:
        return []  # nothing recorded, so there is nothing to offer
