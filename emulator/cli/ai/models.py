"""`agents-emu ai models`: the models that the emulator knows by name."""

from __future__ import annotations

import json
from difflib import get_close_matches

import click

from emulator.cli.ai.tables import print_table
from emulator.errors import UsageError

EPILOG = """\b
Examples:
  agents-emu ai models list
  agents-emu ai models list --task "Text Embeddings" --json
  agents-emu ai models schema @cf/meta/llama-3.1-8b-instruct

A model that is not listed works as well: its name suggests its task, else it generates text. Each verb has --json."""

_ALL = "1000"


@click.group(epilog=EPILOG, no_args_is_help=True)
def models() -> None:
    """List the models of Workers AI that the emulator knows."""


@models.command("list", epilog="\b\nExamples:\n  agents-emu ai models list\n  agents-emu ai models list --search llama --json")
@click.option("--task", metavar="TASK", help="Only models of this task, such as 'Text Generation'.")
@click.option("--search", metavar="TEXT", help="Only models whose id has TEXT.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of text, as env.AI.models() gives it.")
def list_(task: str | None, search: str | None, as_json: bool) -> None:
    """List models: id and task."""
    from emulator.gateway.ai.catalogue import search_models

    wanted = {name: value for name, value in (("task", task), ("search", search)) if value}
    rows = search_models({**wanted, "per_page": _ALL})
    if as_json:
        click.echo(json.dumps(rows))
    elif not rows:
        click.echo("no model fits")
    else:
        print_table(("Model", "Task"), [(row["id"], row["task"]["name"]) for row in rows])  # type: ignore[index]


@models.command(epilog="\b\nExamples:\n  agents-emu ai models schema @cf/baai/bge-m3 --json")
@click.argument("model", metavar="MODEL")
@click.option("--json", "as_json", is_flag=True, help="On one line.")
def schema(model: str, as_json: bool) -> None:
    """Print what MODEL takes, as JSON Schema: what calls are checked against."""
    from emulator.gateway.ai.catalogue import catalogue, model_info
    from emulator.gateway.ai.inputs.schemas import input_schema

    if model not in catalogue():
        part = [name for name in catalogue() if model.lower() in name]
        close = (part or get_close_matches(model.lower(), catalogue(), cutoff=0.4))[:3]
        hint = f"did you mean {' or '.join(close)}?" if close else "agents-emu ai models list"
        raise UsageError("E212", f"no model of the catalogue is called {model}", hint=hint)
    click.echo(json.dumps(input_schema(model_info(model).task), indent=None if as_json else 2))


@models.command(epilog="\b\nExamples:\n  agents-emu ai models update --json")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
def update(as_json: bool) -> None:
    """Fetch the current list from an account: not part of this version."""
    raise UsageError(
        "E211",
        "the list of models is part of this version and cannot be updated: the current one needs a Cloudflare account and the network",
        hint="install a newer agents-emu; models that it does not list work all the same, by their names",
    )
