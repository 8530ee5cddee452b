"""Connections to an agent of the running server: the WebSocket that SDK clients use, and its two HTTP helpers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import aiohttp
from aiohttp import ClientSession, ClientTimeout, ClientWebSocketResponse, ClientWSTimeout, WSMsgType
from yarl import URL

from emulator.errors import UserCodeError

Frame = dict[str, Any]
CONNECT_WITHIN_S = 10.0
CLOSE_WITHIN_S = 1.0


class Closed(Exception):
    """The connection ended; what was underway may go on at the agent."""


class Refused(Exception):
    """The Worker answered the upgrade with a plain response."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


class Connection:
    """One open socket to an agent. Frames are JSON objects; anything else that arrives is not for us."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send(self, frame: Frame) -> None:
        """Send one frame. Raises Closed."""
        try:
            await self._socket.send_str(json.dumps(frame))
        except (aiohttp.ClientError, OSError) as error:
            raise Closed from error

    async def receive(self, within_s: float | None) -> Frame:
        """The next frame. Raises Closed, or TimeoutError when none comes in time (None: no limit)."""
        async with asyncio.timeout(within_s):
            while True:
                message = await self._socket.receive()
                if message.type is WSMsgType.TEXT:
                    try:
                        frame = json.loads(message.data)
                    except ValueError:
                        continue
                    if isinstance(frame, dict):
                        return frame
                elif message.type is not WSMsgType.BINARY:
                    raise Closed


def new_session() -> ClientSession:
    """A client without overall time limits: every wait here has its own."""
    return ClientSession(timeout=ClientTimeout(total=None, sock_connect=CONNECT_WITHIN_S))


@asynccontextmanager
async def connected(session: ClientSession, url: str, connection_id: str) -> AsyncIterator[Connection]:
    """Connect to the agent at `url` (http form). `connection_id` stays the same when the client reconnects.

    Raises Refused when the Worker does not upgrade, Closed when there is nobody to connect to.
    """
    address = URL(f"ws{url.removeprefix('http')}?_pk={connection_id}", encoded=True)
    try:
        async with asyncio.timeout(CONNECT_WITHIN_S):
            socket = await session.ws_connect(address, max_msg_size=0, timeout=ClientWSTimeout(ws_close=CLOSE_WITHIN_S))
    except aiohttp.WSServerHandshakeError as error:
        raise Refused(error.status) from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise Closed(str(error)) from error
    try:
        yield Connection(socket)
    finally:
        await socket.close()


async def transcript(session: ClientSession, url: str) -> list[Any]:
    """Stored messages of a chat agent (agents-protocol.md 8.2): anything but a list of messages counts as none, as in SDK clients."""
    async with session.get(URL(f"{url}/get-messages", encoded=True)) as response:
        text = await response.text()
    try:
        messages = json.loads(text) if response.ok and text else []
    except ValueError:
        return []
    return [message for message in messages if isinstance(message, dict)] if isinstance(messages, list) else []


def new_id() -> str:
    """An id that no other client has."""
    return str(uuid4())


def refusal(refused: Refused, what: str) -> UserCodeError:
    """E452: the Worker does not let clients in to this agent."""
    if refused.status == 503:
        hint = "the Worker's code does not load: the terminal of agents-emu dev says why"
    else:
        hint = "does the Worker's fetch call routeAgentRequest, and is the binding's name right?"
    return UserCodeError("E452", f"the Worker answered {refused.status} to the connection", where=what, hint=hint)
