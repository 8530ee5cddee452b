"""A client of a scenario: one WebSocket at a time, everything that happens on it in order, and a barrier.

The barrier is a ping: frames are answered in order, so when its pong is here, the server has read all that we sent, and we have all that
it sent before.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import ClientSession, ClientTimeout, ClientWebSocketResponse, ClientWSTimeout, TCPConnector, WSMsgType
from yarl import URL

from emulator.errors import BackendError
from emulator.scenarios.document import ClientPlan

PONG_WITHIN_S = 10.0
CONNECT_WITHIN_S = 60.0
"""An upgrade is answered when the agent's `onConnect` has ended."""
CLOSE_WITHIN_S = 1.0
ABNORMAL = 1006
_NO_STATUS = 1005


@dataclass(frozen=True, slots=True)
class Event:
    """`kind` is `in` or `out` with a frame's data (text, or bytes), `end` with (code, reason), or `reconnect` with the path."""

    kind: str
    data: Any


@dataclass(frozen=True, slots=True)
class Refused:
    """The Worker answered the upgrade with a plain response."""

    status: int


class Client:
    """`url` is the WebSocket's address. `on_event` is called when something has arrived, before anybody looks at it."""

    def __init__(self, plan: ClientPlan, url: str, on_event: Callable[[Client, Event], None]) -> None:
        self.plan = plan
        self.url = url
        self.stalled = False
        self._on_event = on_event
        self._session: ClientSession | None = None
        self._socket: ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._pongs: dict[bytes, asyncio.Future[None]] = {}
        self._pings = 0
        self._leaving = False

    @property
    def name(self) -> str:
        """Its name in the scenario."""
        return self.plan.name

    @property
    def is_open(self) -> bool:
        """Whether its WebSocket is open."""
        return self._reader is not None and not self._reader.done()

    async def connect(self) -> Refused | None:
        """Open the WebSocket; Refused when the Worker does not upgrade. Raises BackendError E651 when there is no server."""
        await self._release()
        # A connector of its own: closing it closes this client's connection and no other.
        session = self._session = ClientSession(
            connector=TCPConnector(force_close=True), timeout=ClientTimeout(total=None, sock_connect=CONNECT_WITHIN_S)
        )
        self.stalled = self._leaving = False
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                self._socket = await session.ws_connect(
                    URL(self.url, encoded=True),
                    protocols=self.plan.protocols,
                    headers=self.plan.headers,
                    autoping=False,
                    autoclose=False,
                    max_msg_size=0,
                    timeout=ClientWSTimeout(ws_close=CLOSE_WITHIN_S),
                )
        except aiohttp.WSServerHandshakeError as error:
            await self._release()
            return Refused(error.status)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            await self._release()
            reason = str(error).replace(" ssl:default", "") or type(error).__name__
            raise BackendError("E651", f"the client {self.name} cannot connect: {reason}", where=self.url) from error
        self._reader = asyncio.create_task(self._read(self._socket), name=f"client {self.name}")
        return None

    async def send(self, data: Any) -> None:
        """Send a frame: bytes as binary, anything else as text."""
        if self._socket is None:
            return  # it broke before: nobody hears what is said into it
        self._on_event(self, Event("out", data))
        with contextlib.suppress(aiohttp.ClientError, OSError):  # it breaks just now: the reader says so
            await (self._socket.send_bytes(data) if isinstance(data, bytes) else self._socket.send_str(data))

    async def barrier(self) -> None:
        """Wait until all that was sent by either side has arrived. Raises BackendError E651 when the server does not answer a ping."""
        if not self.is_open or self.stalled or self._socket is None:
            return
        self._pings += 1
        payload = struct.pack("!I", self._pings)
        pong = self._pongs[payload] = asyncio.get_running_loop().create_future()
        try:
            await self._socket.ping(payload)
            async with asyncio.timeout(PONG_WITHIN_S):
                await pong
        except TimeoutError:
            raise BackendError("E651", f"the server does not answer a ping of the client {self.name}", where=self.url) from None
        except (aiohttp.ClientError, OSError):
            pass  # it broke just now: the reader says so
        finally:
            self._pongs.pop(payload, None)

    async def close(self, code: int, reason: str) -> None:
        """Leave with a Close frame."""
        if self._socket is not None and self.is_open:
            self._leaving = True
            await self._socket.close(code=code, message=reason.encode())
            self._on_event(self, Event("end", (self._socket.close_code or ABNORMAL, "")))
            await self._ended()

    async def abort(self) -> None:
        """Leave by a TCP reset."""
        if self._socket is None or not self.is_open:
            return
        raw = self._socket.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert self._session is not None and self._session.connector is not None
        await self._session.connector.close()
        await self._ended()

    async def dispose(self) -> None:
        """Give everything back, whatever its state."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait({self._reader})
        await self._release()

    async def _ended(self) -> None:
        if self._reader is not None:
            await asyncio.wait({self._reader}, timeout=CLOSE_WITHIN_S)
            self._reader.cancel()
            await asyncio.wait({self._reader})
        await self._release()

    async def _release(self) -> None:
        websocket, session = self._socket, self._session
        self._socket = self._session = None
        if websocket is not None:
            websocket._response.close()  # else aiohttp tells that we left without a Close frame
        if session is not None:
            await session.close()

    async def _read(self, websocket: ClientWebSocketResponse) -> None:
        code, reason = ABNORMAL, ""
        try:
            while True:
                message = await websocket.receive()
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    self._on_event(self, Event("in", message.data))
                elif message.type is WSMsgType.PING:
                    await websocket.pong(message.data)
                elif message.type is WSMsgType.PONG:
                    self._answered(bytes(message.data))
                elif message.type is WSMsgType.CLOSE:
                    code, reason = message.data or _NO_STATUS, message.extra or ""
                    await websocket.close(code=code if code != _NO_STATUS else 1000)
                    return
                else:
                    code = websocket.close_code or ABNORMAL
                    return
        except (aiohttp.ClientError, OSError):
            return
        finally:
            for pong in self._pongs.values():
                if not pong.done():
                    pong.set_result(None)
            if not self._leaving:
                self._on_event(self, Event("end", (code, reason)))

    def _answered(self, payload: bytes) -> None:
        pong = self._pongs.get(payload)
        if pong is not None and not pong.done():
            pong.set_result(None)


def frame_text(data: Any) -> str:
    """A value as the text of a frame."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
