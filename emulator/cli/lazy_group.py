"""Groups of commands that import a command when it is named: `agents-emu version` must not wait for what `dev` needs."""

from __future__ import annotations

import importlib
import keyword
from collections.abc import Mapping, Sequence
from typing import Any

import click

from emulator.errors import UsageError


class LazyGroup(click.Group):
    """A group whose commands are the modules of `package`, each with a function of its own name (`import_` for `import`).

    `table` has one line of help for each command, in the order of `--help`; nothing is imported to print it.
    """

    def __init__(self, *arguments: Any, package: str, table: Mapping[str, str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.package = package
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One command, or None."""
        if cmd_name not in self.table:
            return None
        name = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        command = getattr(importlib.import_module(f"{self.package}.{name}"), name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments start with. Raises UsageError E204, naming the nearest right one."""
        if args and not args[0].startswith("-") and args[0] not in self.table and not ctx.resilient_parsing:
            path = ctx.command_path
            what = f'there is no command "{" ".join([*path.split()[1:], args[0]])}"'
            raise UsageError("E204", what, hint=nearest_or(args[0], list(self.table), f"{path} --help"))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`, without importing the commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.table.items()))

    def make_context(self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any) -> click.Context:
        """Like click's; what is preset for a group (`agents-emu -C DIR ai`) is preset for each of its commands."""
        if info_name is not None and parent is not None and parent.default_map and info_name in parent.default_map:
            extra["default_map"] = dict.fromkeys(self.table, parent.default_map[info_name])
        return super().make_context(info_name, args, parent, **extra)


def nearest_or(word: str, known: Sequence[str], otherwise: str) -> str:
    """A hint: the known word that `word` comes near, or `otherwise`."""
    from emulator.config.shape import nearest

    close = nearest(word, known)
    return f"did you mean {close}?" if close else otherwise
