"""`agents-emu completion`: a script that makes the shell complete commands, options and agents."""

from __future__ import annotations

import json

import click
from click.shell_completion import get_completion_class

EPILOG = """\b
Examples:
  eval "$(agents-emu completion bash)"          in ~/.bashrc
  eval "$(agents-emu completion zsh)"           in ~/.zshrc
  agents-emu completion fish > ~/.config/fish/completions/agents-emu.fish"""


@click.command(epilog=EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def completion(ctx: click.Context, shell: str, as_json: bool) -> None:
    """Print a completion script for SHELL."""
    script_class = get_completion_class(shell)
    assert script_class is not None  # the choices above are click's own
    script = script_class(ctx.find_root().command, {}, "agents-emu", "_AGENTS_EMU_COMPLETE").source()
    click.echo(json.dumps({"shell": shell, "script": script}) if as_json else script)
