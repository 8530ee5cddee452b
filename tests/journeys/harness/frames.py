"""Raw WebSocket clients: what was sent is what is read, in the order of the connection."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import struct
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode

import aiohttp

RECEIVE_BOUND_S = 10
UNTIL_BOUND_S = 20
Frame = dict[str, Any]


class Closed(AssertionError):
    """The connection ended where a frame was expected."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(f"closed with {code} {reason!r}")
        self.code = code
        self.reason = reason


class RawSocket:
    """One connection. Text that is a JSON object is read as such, everything else stays what it is."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._ws = ws
        self._numbers = itertools.count(1)

    async def send(self, frame: Frame | str | bytes) -> None:
        if isinstance(frame, bytes):
            await self._ws.send_bytes(frame)
        else:
            await self._ws.send_str(frame if isinstance(frame, str) else json.dumps(frame))

    async def receive(self) -> Any:
        """The next message. Raises Closed."""
        message = await self._ws.receive(timeout=RECEIVE_BOUND_S)
        match message.type:
            case aiohttp.WSMsgType.TEXT:
                try:
                    parsed = json.loads(message.data)
                except ValueError:
                    return message.data
                return parsed if isinstance(parsed, dict) else message.data
            case aiohttp.WSMsgType.BINARY:
                return message.data
            case aiohttp.WSMsgType.CLOSE:
                raise Closed(message.data, message.extra or "")
            case _:
                raise Closed(self._ws.close_code, "")

    async def until(self, wanted: Callable[[Any], bool]) -> list[Any]:
        """Everything up to and including the first message that is `wanted`."""
        frames: list[Any] = []
        try:
            async with asyncio.timeout(UNTIL_BOUND_S):
                while True:
                    frames.append(await self.receive())
                    if wanted(frames[-1]):
                        return frames
        except TimeoutError:
            raise AssertionError(f"what was waited for did not come; the last of {len(frames)} frames: {frames[-5:]}") from None

    async def closing(self) -> Closed:
        """Read on until the connection ends, and how it did."""
        try:
            await self.until(lambda frame: False)
        except Closed as end:
            return end
        raise AssertionError("unreachable")

    async def call(self, method: str, *arguments: Any) -> list[Frame]:
        """Call a `@callable` method: all frames up to and including its last answer."""
        number = f"call-{next(self._numbers)}"
        await self.send({"type": "rpc", "id": number, "method": method, "args": list(arguments)})
        return await self.until(lambda frame: is_type(frame, "rpc") and frame["id"] == number and frame.get("done") is not False)

    async def fence(self) -> list[Any]:
        """What had been sent to this connection by now, proved by the answer to a call that was sent after it.

        Instead of waiting for a silence: within one connection the order is exact, so whatever comes was sent before the answer.
        """
        return (await self.call("fence"))[:-1]

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._ws.close(code=code, message=reason.encode())

    async def leave(self, code: int = 1000) -> None:
        """Send a Close frame and go, without waiting for the answer."""
        writer = self._ws._writer
        await writer.close(code, b"")
        self._transport().close()

    def reset(self) -> None:
        """End the TCP connection with a reset: no Close frame, no FIN."""
        transport = self._transport()
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()

    def _transport(self) -> asyncio.Transport:
        connection = self._ws._response.connection
        assert connection is not None and connection.transport is not None
        return connection.transport


def is_type(frame: Any, *kinds: str) -> bool:
    """Whether this is a protocol frame of one of the kinds."""
    return isinstance(frame, dict) and frame.get("type") in kinds


def types(frames: Iterable[Any]) -> list[str]:
    """The kinds of the frames, for comparing sequences."""
    return [frame["type"] if isinstance(frame, dict) and "type" in frame else repr(frame) for frame in frames]


async def connect(session: aiohttp.ClientSession, origin: str, path: str, **query: str) -> RawSocket:
    """Open a socket; `_pk` and the like come as `query`. Raises aiohttp.WSServerHandshakeError when it is refused."""
    suffix = f"?{urlencode(query)}" if query else ""
    ws = await session.ws_connect(
        f"{origin}{path}{suffix}", autoclose=False, autoping=True, max_msg_size=64 << 20, timeout=aiohttp.ClientWSTimeout(ws_close=2)
    )
    return RawSocket(ws)
