"""Where a case is played: a running server, a name of the case's own, and the case's sockets."""

from __future__ import annotations

import asyncio
import json
import struct
import urllib.parse
from typing import Any

import aiohttp
from harness.server import Server

from playbook.programs import Program
from playbook.steps import Case, reset


class Stage:
    """`name` addresses objects that no other case uses; `{peer}` in programs is `peer`, a server that objects may call; `{host}` in
    verbs is `host`, the kind of host that plays.
    """

    def __init__(self, server: Server, name: str, host: str, peer: str, idle_s: float) -> None:
        self._server = server
        self._host = host
        self._peer = peer
        self.name = name
        self.idle_s = idle_s
        self.sockets: dict[str, aiohttp.ClientWebSocketResponse] = {}
        self.remembered: dict[str, Any] = {}

    @property
    def can_look(self) -> bool:
        """Whether states of objects can be asked for; elsewhere one can only wait."""
        return isinstance(self._server, Server)

    @property
    def session(self) -> aiohttp.ClientSession:
        assert self._server.session is not None
        return self._server.session

    def url(self, path: str, program: Program = None) -> str:
        query = {"me": self.name} if program is None else {"me": self.name, "p": self._text(program)}
        own_path = path.replace("{me}", urllib.parse.quote(self.name, safe=""))
        return f"{self._server.origin}{own_path}{'&' if '?' in path else '?'}{urllib.parse.urlencode(query)}"

    def _text(self, program: Program) -> str:
        return json.dumps(program).replace("{peer}", self._peer)

    async def run(self, program: Program) -> dict[str, Any]:
        """The outcome of a program in the Worker: `{value}`, `{error}`, or `{status, text}` when there was no Worker to run it."""
        async with self.session.post(self._server.origin + "/run", params={"me": self.name}, data=self._text(program)) as response:
            text = await response.text()
        if response.status != 200:
            return {"status": response.status, "text": text[:2000]}
        outcome: dict[str, Any] = json.loads(text)
        return outcome

    async def state(self, class_name: str) -> str:
        """Where the case's object is in its life; asking does not wake it."""
        listed = await self._server.control("GET", "objects")
        mine = [row for row in listed["objects"] if row["class"] == class_name and row["name"] == self.name]
        return mine[0]["state"] if mine else "inactive"

    async def control(self, path: str, body: dict[str, Any]) -> Any:
        """A verb of the control API."""
        own_path = path.replace("{me}", urllib.parse.quote(self.name, safe="")).replace("{host}", self._host)
        return await self._server.control("POST", own_path, json=body)

    async def restart(self, down_ms: int, *, kill: bool) -> None:
        if kill:
            await self._server.kill()
        else:
            await self._server.stop()
        await asyncio.sleep(down_ms / 1000)
        await self._server.restart()

    async def close_socket(self, name: str, code: int | None, reason: str) -> None:
        """Send a Close frame without waiting for the answer."""
        payload = b"" if code is None else struct.pack(">H", code) + reason.encode()
        await self.sockets[name].send_frame(payload, aiohttp.WSMsgType.CLOSE)

    def reset_socket(self, name: str) -> None:
        """End the TCP connection with a reset, unless it has ended: no Close frame, no FIN."""
        connection = self.sockets[name]._response.connection
        if connection is None or connection.transport is None:
            return
        reset(connection.transport)

    def address(self) -> tuple[str, int]:
        """Where the server listens, for clients that do without a library."""
        host, port = self._server.host.rsplit(":", 1)
        return host, int(port)

    def output(self) -> list[dict[str, Any]]:
        """What the server has printed, line by line."""
        return [json.loads(line) for line in self._server.output().splitlines() if line.startswith("{")]

    async def leave(self) -> None:
        """The case is over."""
        for name in self.sockets:
            self.reset_socket(name)


async def play(case: Case, server: Server, host: str, peer: str, idle_ms: int) -> None:
    """Play one case under a name of its own."""
    stage = Stage(server, f"{case.statement} {case.title}"[:80], host, peer, idle_ms / 1000)
    try:
        await case.play(stage)
    finally:
        await stage.leave()
