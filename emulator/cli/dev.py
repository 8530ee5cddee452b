"""`agents-emu dev`: reads the configuration and hands over to the gateway."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import click

from emulator.cli.terminal import Terminal
from emulator.config import Notice, Project, Redactor, load_options, load_project
from emulator.config.options import DECLARATIONS
from emulator.core.routing import SCHEDULED
from emulator.errors import UsageError
from emulator.gateway.console import Caution, Note

EPILOG = """\b
Examples:
  agents-emu dev                                serve the project in this folder
  agents-emu dev sample_agents/chat_py --ai replay
  agents-emu dev --port 0 --ready-file ready.json --log-format json
  agents-emu dev -e staging --var DEBUG:1"""


def emulator_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds a flag for every option that is declared in config/options.py; the command gets them as typed, None when absent."""
    for name, declaration in reversed(DECLARATIONS.items()):
        words = declaration.flags.split()
        metavar = declaration.metavar or ("|".join(declaration.choices) or None)
        add = click.option(*words, name, is_flag=declaration.switch, default=None, help=declaration.help, metavar=metavar)
        command = add(command)
    return command


@click.command(epilog=EPILOG)
@click.argument("directory", default=".", type=click.Path(path_type=Path))
@click.option("-c", "--config", type=click.Path(path_type=Path), help="The wrangler file, when it is not in DIRECTORY.")
@click.option("-e", "--env", "environment", help="The environment: env.<name> of the wrangler file.")
@click.option("--env-file", "env_files", multiple=True, type=click.Path(path_type=Path), help="Read this instead of .dev.vars and .env.")
@click.option("--var", "variables", multiple=True, metavar="KEY:VALUE", help="A variable on top of all others.")
@click.option("--json", "as_json", is_flag=True, help="The same as --log-format json.")
@emulator_options
def dev(
    directory: Path,
    config: Path | None,
    environment: str | None,
    env_files: tuple[Path, ...],
    variables: tuple[str, ...],
    as_json: bool,
    **flags: Any,
) -> int:
    """Serve the project in DIRECTORY (default: here), reloading it as you edit."""
    values = dict(_variable(text) for text in variables)

    def read() -> Project:
        return load_project(directory, config=config, environment=environment, env_files=env_files, variables=values, environ=os.environ)

    def reread() -> Project:
        again = read()
        redact.learn(again.secrets)
        return again

    project = read()
    redact = Redactor(project.secrets)
    if as_json:
        flags["log_format"] = "json"
    options, option_notices = load_options(project.root, flags, environ=os.environ, cwd=Path.cwd())
    terminal = Terminal(options.log_format, options.log_level, environ=os.environ, redact=redact, stdin=sys.stdin)
    for notice in (*project.notices, *option_notices, *_unsupported(project)):
        terminal.show(Caution(notice))
    if project.crons:
        how = f"when you ask for {SCHEDULED}?cron={quote_plus(project.crons[0], safe='*/')}"
        when = "as the virtual clock comes to their times" if options.clock.virtual else how
        terminal.show(Note("crons", f"crons ({', '.join(project.crons)}) run {when}"))

    from emulator.gateway.main import run  # late: what it imports must not delay a message about the configuration

    try:
        return run(project, options, terminal, reread=reread)
    finally:
        terminal.close()


def _variable(text: str) -> tuple[str, str]:
    """`KEY:VALUE` as wrangler has it, or `KEY=VALUE`, whichever sign comes first."""
    cut = min((position for sign in ":=" if (position := text.find(sign)) > 0), default=0)
    if cut == 0:
        raise UsageError("E203", f'--var "{text}" makes no sense: KEY:VALUE is expected', hint="agents-emu dev --var DEBUG:1")
    return text[:cut], text[cut + 1 :]


def _unsupported(project: Project) -> list[Notice]:
    return [
        Notice(f"{binding.kind} is not emulated yet: env.{binding.name} is missing", str(project.config_path.name))
        for binding in project.unsupported
    ]
