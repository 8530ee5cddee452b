"""The running server of a project, as the other verbs see it: where it is, what it serves, and its control API (design 4.5)."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from emulator.config.document import shown
from emulator.config.shape import nearest
from emulator.config.wrangler import find_config
from emulator.core.routing import CONTROL, kebab
from emulator.errors import BackendError, EmuError, RecordingError, UsageError, UserCodeError
from emulator.gateway import ready
from emulator.gateway.ready import RunningServer

if TYPE_CHECKING:
    from aiohttp import ClientSession

TOKEN_VARIABLE = "AGENTS_EMU_TOKEN"


@dataclass(frozen=True, slots=True)
class Target:
    """An object on the command line: `Chat/me`. `binding` is its name in `env`."""

    class_name: str
    binding: str
    name: str

    def __str__(self) -> str:
        return f"{self.class_name}/{self.name}"

    def agent_url(self, server: RunningServer) -> str:
        """Where `routeAgentRequest` finds it (agents-protocol.md 1.1): the object's name stands there percent-encoded."""
        return f"{server.url.rstrip('/')}/agents/{kebab(self.binding)}/{quote(self.name, safe='')}"

    def control_path(self, verb: str) -> str:
        """Its path in the control API."""
        return f"objects/{quote(self.class_name, safe='')}/{quote(self.name, safe='')}/{verb}"


def find_server(directory: Path) -> RunningServer:
    """The server of the project in `directory`. Raises UsageError E206 when none runs, ConfigError E101 when there is no project."""
    root = find_config(directory).parent
    server = server_of(root)
    if server is None:
        left = "the one that ran last was stopped" if ready.default_path(root).exists() else None
        hint = f"start it: agents-emu dev {shown(root)}" if root != Path.cwd() else "start it: agents-emu dev"
        raise UsageError("E206", "no server is running for this project", where=left or str(root), hint=hint)
    return server


def server_of(root: Path) -> RunningServer | None:
    """The server of the project whose wrangler file is in `root`, if one runs."""
    return ready.read(ready.default_path(root))


def find_target(server: RunningServer, words: str) -> Target:
    """`Class/name` or `BINDING/name`. Raises UsageError E207 (no such class) or E208 (not of that form)."""
    first, slash, name = words.partition("/")
    objects = [binding for binding in server.bindings if binding.kind == "durable_object" and binding.class_name]
    if not slash or not first or not name:
        example = f"{objects[0].class_name}/me" if objects else "Chat/me"
        raise UsageError("E208", f'"{words}" names no object: CLASS/NAME is expected', hint=f"for example {example}")
    for binding in objects:
        if first in (binding.class_name, binding.name):
            return Target(binding.class_name or binding.name, binding.name, name)
    known = sorted({binding.class_name or "" for binding in objects})
    close = nearest(first, known)
    hint = f"did you mean {close}/{name}?" if close else f"there is {', '.join(known)}" if known else "the project binds no objects"
    raise UsageError("E207", f'there is no agent "{first}"', where=server.url, hint=hint)


async def control(session: ClientSession, server: RunningServer, method: str, path: str, body: Any = None) -> Any:
    """One request to the control API. Returns its JSON. Raises UserCodeError E451 or UsageError E209 for a refusal, BackendError E651
    when the server cannot be reached."""
    import aiohttp

    url = server.url.rstrip("/") + CONTROL + path
    try:
        async with session.request(method, url, json=body, headers=_authorization()) as response:
            data = await response.json(content_type=None)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise unreachable(server, error) from error
    if response.status < 400:
        return data
    raise _refusal(data, response.status, url)


async def stream(server: RunningServer, path: str) -> AsyncIterator[bytes]:
    """The lines of an answer of the control API, as they come, without their line feeds; they end with the server. Raises as `control`."""
    import aiohttp

    from emulator.cli.agent_connection import new_session

    url = server.url.rstrip("/") + CONTROL + path
    reading = False
    async with new_session() as session:
        try:
            async with session.get(url, headers=_authorization()) as response:
                if response.status >= 400:
                    raise _refusal(await response.json(content_type=None), response.status, url)
                reading, rest = True, b""
                async for data in response.content.iter_any():
                    *lines, rest = (rest + data).split(b"\n")
                    for line in lines:
                        yield line
        except (aiohttp.ClientError, OSError) as error:
            # Behind the head it is the server's end, however its connections are cut.
            if not reading:
                raise unreachable(server, error) from error


def ask(server: RunningServer, method: str, path: str, body: Any = None) -> Any:
    """One request to the control API by a verb that makes no other. Raises as `control`."""

    async def once() -> Any:
        from emulator.cli.agent_connection import new_session

        async with new_session() as session:
            return await control(session, server, method, path, body)

    return asyncio.run(once())


def _authorization() -> dict[str, str]:
    """A server that other machines can reach wants the token that it printed (design 4.3)."""
    token = os.environ.get(TOKEN_VARIABLE)
    return {"Authorization": f"Bearer {token}"} if token else {}


def unreachable(server: RunningServer, error: Exception) -> BackendError:
    """E651: the server is there by its file, and does not answer."""
    reason = str(error).replace(" ssl:default", "") or type(error).__name__  # aiohttp's word for "as usual"
    what = f"the server does not answer: {reason}"
    return BackendError("E651", what, where=server.url, hint="is it still running? agents-emu dev")


def _refusal(data: Any, status: int, url: str) -> EmuError:
    error = data.get("error") if isinstance(data, dict) else None
    fields = error if isinstance(error, dict) else {}
    what = fields.get("what") or fields.get("message") or (error if isinstance(error, str) else f"the server answered {status}")
    if status == 401:
        return UsageError("E209", "this server wants its token", where=url, hint=f"{TOKEN_VARIABLE}=... as the server printed it")
    if str(fields.get("code")).startswith("E5") and not fields.get("usage"):
        return RecordingError(fields["code"], what, where=fields.get("where"), hint=fields.get("hint"))
    if fields.get("culprit") == "user code" or status >= 500:
        return UserCodeError(fields.get("code") or "E451", what, where=fields.get("where"), hint=fields.get("hint"))
    return UsageError(fields.get("code") or "E209", what, where=fields.get("where") or url, hint=fields.get("hint"))


def server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--dir` and `--json`, and hands the command the running server as its first argument."""

    @click.option("-C", "--dir", "directory", default=".", type=click.Path(path_type=Path), help="The project's folder.")
    @click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
    @functools.wraps(command)
    def with_server(*arguments: Any, directory: Path, **options: Any) -> Any:
        return command(find_server(directory), *arguments, **options)

    return with_server
