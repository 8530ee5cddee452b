"""`agents-emu ai models`: the models that the emulator knows by name."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from emulator.cli.ai.tables import print_table
from emulator.cli.session_words import count
from emulator.config import load_options, load_project
from emulator.config.ai_sections import WELL_KNOWN
from emulator.config.wrangler import find_config
from emulator.errors import BackendError, ConfigError, UsageError

if TYPE_CHECKING:
    from aiohttp import ClientSession

    from emulator.gateway.ai.model_cache import ModelCache

EPILOG = """\b
Examples:
  agents-emu ai models list
  agents-emu ai models list --task "Text Embeddings" --json
  agents-emu ai models schema @cf/meta/llama-3.1-8b-instruct

A model that is not listed works as well: its name suggests its task, else it generates text. Each verb has --json."""

_ALL = "1000"
_PAGE = 100
_MOST_PAGES = 50
_WITHIN_S = 30


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
    cache = _kept()
    if cache is not None:
        click.echo(f"as of {cache.fetched}, from {cache.source}", err=True)
        rows = [row for row in cache.models if _fits(row, task, search)]
    if as_json:
        click.echo(json.dumps(rows))
    elif not rows:
        click.echo("no model fits")
    else:
        print_table(("Model", "Task"), [(str(row["name"]), str(row["task"]["name"])) for row in rows])  # type: ignore[index]


def _fits(row: dict[str, Any], task: str | None, search: str | None) -> bool:
    named = str((row.get("task") or {}).get("name", ""))
    return (task is None or named.lower() == task.lower()) and (search or "").lower() in str(row.get("name", "")).lower()


def _kept() -> ModelCache | None:
    """What `update` fetched for the project here, if there is one."""
    from emulator.gateway.ai.model_cache import read_cache

    try:
        return read_cache(find_config(Path.cwd()).parent)
    except (ConfigError, UsageError):
        return None


@models.command(epilog="\b\nExamples:\n  agents-emu ai models schema @cf/baai/bge-m3 --json")
@click.argument("model", metavar="MODEL")
@click.option("--json", "as_json", is_flag=True, help="On one line.")
def schema(model: str, as_json: bool) -> None:
    """Print what MODEL takes, as JSON Schema: what calls are checked against."""
    from emulator.gateway.ai.catalogue import catalogue, model_info
    from emulator.gateway.ai.inputs.schemas import input_schema

    cache = _kept()
    if cache is not None and model in cache.schemas:
        click.echo(f"as of {cache.fetched}, from {cache.source}", err=True)
        click.echo(json.dumps(cache.schemas[model], indent=None if as_json else 2))
        return
    if model not in catalogue():
        part = [name for name in catalogue() if model.lower() in name]
        close = (part or get_close_matches(model.lower(), catalogue(), cutoff=0.4))[:3]
        hint = f"did you mean {' or '.join(close)}?" if close else "agents-emu ai models list"
        raise UsageError("E212", f"no model of the catalogue is called {model}", hint=hint)
    click.echo(json.dumps(input_schema(model_info(model).task), indent=None if as_json else 2))


@models.command(epilog="\b\nExamples:\n  agents-emu ai models update\n  agents-emu ai models update @cf/zai-org/glm-4.7-flash --json")
@click.argument("names", nargs=-1, metavar="[MODEL]...")
@click.option("-C", "--dir", "directory", default=".", type=click.Path(path_type=Path), help="The project's folder.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
def update(names: tuple[str, ...], directory: Path, as_json: bool) -> None:
    """Fetch the account's list of models, and the schema of each MODEL, into .agents-emu/models.json."""
    root = find_config(directory).parent
    cache = asyncio.run(_fetched(root, names))
    path = cache.write(root)
    if as_json:
        click.echo(
            json.dumps({"v": 1, "file": str(path), "source": cache.source, "models": len(cache.models), "schemas": sorted(cache.schemas)})
        )
    else:
        click.echo(f"{count(len(cache.models), 'model')} and {count(len(cache.schemas), 'schema')} from {cache.source}")


async def _fetched(root: Path, names: tuple[str, ...]) -> ModelCache:
    from emulator.cli.agent_connection import new_session
    from emulator.gateway.ai.model_cache import ModelCache

    base, token = _account(root)
    async with new_session() as session:

        async def get(path: str, **query: str) -> Any:
            return await _result(session, f"{base}/{path}", query, token)

        rows: list[dict[str, Any]] = []
        for page in range(1, _MOST_PAGES + 1):
            more = await get("models/search", per_page=str(_PAGE), page=str(page))
            rows += more
            if len(more) < _PAGE:
                break
        schemas = {name: await get("models/schema", model=name) for name in names}
    return ModelCache(datetime.now(UTC).date().isoformat(), base, rows, schemas)


def _account(root: Path) -> tuple[str, str]:
    """Where the account's models are, and its token. Raises UsageError E211."""
    project = load_project(root, environ=os.environ)
    options, _ = load_options(root, {}, environ=os.environ, cwd=Path.cwd())
    backend = options.ai.backends.get("cloudflare") or WELL_KNOWN["cloudflare"]
    found = []
    for credential in (backend.account, backend.key):
        assert credential is not None, "this backend has both, declared or not"
        value = credential.text if credential.env is None else project.secrets.get(credential.env) or os.environ.get(credential.env)
        if not value:
            what = f"the list of models is an account's, and {credential.env} is not set"
            hint = "put it into .dev.vars; without it the models that come with agents-emu are used, and others by their names"
            raise UsageError("E211", what, hint=hint)
        found.append(value)
    base = (backend.base_url or "https://api.cloudflare.com/client/v4").rstrip("/")
    return f"{base}/accounts/{quote(found[0], safe='')}/ai", found[1]


async def _result(session: ClientSession, url: str, query: dict[str, str], token: str) -> Any:
    import aiohttp

    try:
        async with asyncio.timeout(_WITHIN_S), session.get(url, params=query, headers={"authorization": f"Bearer {token}"}) as response:
            answer = await response.json(content_type=None)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise BackendError("E548", f"the list of models could not be fetched: {error or type(error).__name__}", where=url) from error
    if not isinstance(answer, dict) or not answer.get("success"):
        raise BackendError("E548", f"the list of models could not be fetched: {_said(answer) or f'status {response.status}'}", where=url)
    return answer["result"]


def _said(answer: Any) -> str | None:
    """The first error's words."""
    errors = answer.get("errors") if isinstance(answer, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else None
    return str(first.get("message")) if isinstance(first, dict) else None
