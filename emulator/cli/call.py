"""`agents-emu call`: a method of an agent, as SDK clients call it, or of any Durable Object through the control API."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import click

from emulator.cli.completing import complete_target
from emulator.cli.server import Target, control, find_target, server_options, unreachable
from emulator.errors import UsageError, UserCodeError
from emulator.gateway.ready import RunningServer

if TYPE_CHECKING:
    from aiohttp import ClientSession

    from emulator.cli.agent_connection import Connection

EPILOG = """\b
Examples:
  agents-emu call Counter/a add 1
  agents-emu call Counter/a configure '{"step": 2}' --json
  agents-emu call Files/a rename "old name" new      what is no JSON is a string"""

HANDSHAKE_WITHIN_S = 2.0
"""An agent of the SDK speaks first, at once (agents-protocol.md 2.1); an object that stays silent is none."""


@click.command(epilog=EPILOG, context_settings={"ignore_unknown_options": True})
@click.argument("target", shell_complete=complete_target)
@click.argument("method")
@click.argument("arguments", nargs=-1)
@click.option("--timeout", "timeout_s", default=30.0, show_default=True, metavar="S", help="Give up on an answer after this long.")
@server_options
def call(server: RunningServer, target: str, method: str, arguments: tuple[str, ...], timeout_s: float, as_json: bool) -> None:
    """Call METHOD of TARGET, such as Counter/a, with ARGUMENTS: each is JSON, or else a string. Prints the result."""
    agent = find_target(server, target)
    values = [_value(text) for text in arguments]
    results = asyncio.run(_call(server, agent, method, values, timeout_s, None if as_json else _print))
    if as_json:
        chunks, final = results
        click.echo(json.dumps({"v": 1, "object": str(agent), "method": method, "result": final, "chunks": chunks}))


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        pass
    if text.startswith("--"):
        raise UsageError("E205", f"there is no option {text}", hint=f"as an argument of the method, quote it: '\"{text}\"'")
    return text


def _print(result: Any) -> None:
    if result is not None:
        click.echo(result if isinstance(result, str) else json.dumps(result, ensure_ascii=False))


async def _call(
    server: RunningServer, agent: Target, method: str, arguments: list[Any], timeout_s: float, show: Any
) -> tuple[list[Any], Any]:
    """Chunks and final result, each shown as it comes. Raises UserCodeError E451 (the method failed), E452, E454; BackendError E651."""
    from emulator.cli.agent_connection import Closed, Refused, connected, new_id, new_session

    async with new_session() as session:
        try:
            async with connected(session, agent.agent_url(server), new_id()) as connection:
                if await _speaks_agents_protocol(connection):
                    return await _call_agent(connection, agent, method, arguments, timeout_s, show)
        except Refused:
            pass  # an object without WebSockets is called through the control API
        except Closed as closed:
            raise unreachable(server, closed) from closed
        try:
            async with asyncio.timeout(timeout_s):
                return await _call_object(session, server, agent, method, arguments, show)
        except TimeoutError:
            raise _no_answer(agent, method, timeout_s) from None


async def _speaks_agents_protocol(connection: Connection) -> bool:
    from emulator.cli.agent_connection import Closed

    try:
        frame = await connection.receive(HANDSHAKE_WITHIN_S)
    except (TimeoutError, Closed):
        return False
    return str(frame.get("type", "")).startswith("cf_agent")


async def _call_agent(
    connection: Connection, agent: Target, method: str, arguments: list[Any], timeout_s: float, show: Any
) -> tuple[list[Any], Any]:
    from emulator.cli.agent_connection import new_id

    request = new_id()
    await connection.send({"type": "rpc", "id": request, "method": method, "args": arguments})
    chunks: list[Any] = []
    within_s: float | None = timeout_s
    while True:
        try:
            frame = await connection.receive(within_s)
        except TimeoutError:
            raise _no_answer(agent, method, timeout_s) from None
        if frame.get("type") != "rpc" or frame.get("id") != request:
            continue
        if not frame.get("success"):
            error = str(frame.get("error"))
            hint = "mark the method with @callable" if error.endswith("is not callable") else None
            raise UserCodeError("E451", error, where=f"{agent} {method}", hint=hint)
        if show:
            show(frame.get("result"))
        if frame.get("done", True):
            return chunks, frame.get("result")
        chunks.append(frame.get("result"))
        within_s = None  # a stream may pause for as long as it likes


def _no_answer(agent: Target, method: str, timeout_s: float) -> UserCodeError:
    what = f"{agent} did not answer {method} within {timeout_s:g} s"
    return UserCodeError("E454", what, hint="look at the server's terminal; --timeout waits longer")


async def _call_object(
    session: ClientSession, server: RunningServer, agent: Target, method: str, arguments: list[Any], show: Any
) -> tuple[list[Any], Any]:
    answer = await control(session, server, "POST", agent.control_path("call"), {"method": method, "args": arguments})
    result = answer.get("result") if isinstance(answer, dict) else None
    if show:
        show(result)
    return [], result
