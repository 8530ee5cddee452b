"""Scenarios 86 to 88: an MCP server in an object, over both of its transports, and an agent that is its client."""

from __future__ import annotations

import json
import re
from typing import Any

from playing.stage import Stage, scenario

_SESSION = re.compile(r"sessionId=[\w-]+")
_HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "parity", "version": "1"}}


def asks(method: str, id: int | None = 1, **parameters: Any) -> dict[str, Any]:
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": parameters}
    return message if id is None else message | {"id": id}


def uses(tool: str, **input: Any) -> dict[str, Any]:
    return asks("tools/call", 2, name=tool, arguments=input)


def events(body: str) -> list[Any]:
    """The lines of an event stream, each as `{field: value}`; an event's id without its number. What is no such line stays as it is."""
    return [_line(line) for line in body.splitlines() if line]


def _line(line: str) -> Any:
    field, colon, value = line.partition(": ")
    if not colon or field not in ("id", "event", "data"):
        return line
    return {field: value.rpartition(":")[0] if field == "id" else _SESSION.sub("sessionId=<session>", value)}


class Session:
    """A client over streamable HTTP. What it sends and hears is written down."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._headers = dict(_HEADERS)

    async def post(self, message: dict[str, Any] | str, **headers: str) -> None:
        body = message if isinstance(message, str) else json.dumps(message)
        await self._send("POST", body, headers)

    async def end(self) -> None:
        await self._send("DELETE", None, {})

    async def _send(self, method: str, body: str | None, headers: dict[str, str]) -> None:
        stage = self._stage
        stage.note("client", method, body)
        async with stage.session.request(method, f"{stage.server.origin}/mcp", data=body, headers=self._headers | headers) as answer:
            if session := answer.headers.get("mcp-session-id"):
                self._headers["mcp-session-id"] = session
            stage.note("server", "answers", answer.status, answer.headers.get("content-type"), events(await answer.text()))


@scenario(86, "MCP over streamable HTTP")
async def streamable_http(stage: Stage) -> None:
    client = Session(stage)
    await client.post("nonsense")
    await client.post(asks("tools/list"))
    await client.post(asks("initialize", **HELLO), Accept="text/plain")
    await client.post(asks("initialize", **HELLO))
    await client.post(asks("notifications/initialized", None))
    await client.post(asks("tools/list"))
    for message in (uses("add", a=1, b=2), uses("add", a=3, b=4), uses("fail"), uses("report"), uses("add", a="x"), uses("nope")):
        await client.post(message)
    await client.end()
    await client.post(asks("tools/list"))
    await stage.http("OPTIONS", "/mcp", "Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers")


@scenario(87, "MCP over server-sent events")
async def server_sent_events(stage: Stage) -> None:
    async with stage.session.get(f"{stage.server.origin}/sse", headers={"Accept": "text/event-stream"}) as stream:

        async def event() -> list[str]:
            lines = [await stream.content.readline()]
            while lines[-1].strip():
                lines.append(await stream.content.readline())
            return [line.decode().rstrip("\n") for line in lines[:-1]]

        stage.note("stream", "is", stream.status, stream.headers["content-type"])
        first = await event()
        stage.note("stream", "says", events("\n".join(first)))
        endpoint = first[1].removeprefix("data: ")
        for message in (asks("initialize", **HELLO), asks("notifications/initialized", None), uses("add", a=1, b=2), uses("fail")):
            async with stage.session.post(stage.server.origin + endpoint, data=json.dumps(message), headers=_HEADERS) as answer:
                stage.note("server", "answers", answer.status, await answer.text())
            if "id" in message:
                stage.note("stream", "says", events("\n".join(await event())))


@scenario(88, "An agent uses the tools of another")
async def agent_as_client(stage: Stage) -> None:
    a = await stage.connect("A", "tool-user")
    await a.call("joinObject")
    await a.call("tools")
    await a.call("use", "add", {"a": 1, "b": 2})
    await a.call("use", "fail", {})
    await a.goes()
    again = await stage.connect("A", "tool-user", f"{stage.name}-far")
    await again.fence()
    stage.note("A", "joins the server's own address", await again.asks("joinAddress", f"{stage.server.origin}/mcp"))
    await stage.eventually(lambda: again.asks("tools"), lambda tools: len(tools) == 3)
    await again.call("use", "add", {"a": 3, "b": 4})
