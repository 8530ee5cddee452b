"""A conversation with a model of a real server, by aiohttp's WebSocket client; imported when one begins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import WSMsgType

from emulator.core import sockets as rules
from emulator.gateway.ai.cassettes.frames import Inbox, line
from emulator.gateway.exchange import Headers
from emulator.gateway.failures import NetworkFailure

CONNECT_WITHIN_S = 30.0


class Refusal(Exception):
    """The server answers with a status instead of a WebSocket."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


async def conversation(url: str, headers: Headers, inbox: Inbox) -> AsyncIterator[bytes]:
    """The frames both ways, once the connection stands. Raises Refusal or NetworkFailure; the frames raise NetworkFailure when the
    connection breaks."""
    session = aiohttp.ClientSession()
    try:
        async with asyncio.timeout(CONNECT_WITHIN_S):
            far = await session.ws_connect(url, headers=headers, max_msg_size=rules.MAX_MESSAGE_RAISED)
    except aiohttp.WSServerHandshakeError as error:
        await session.close()
        raise Refusal(error.status, error.message) from None
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        await session.close()
        raise NetworkFailure.lost(f"no WebSocket to {url.split('?', 1)[0]}: {error or type(error).__name__}") from error
    except BaseException:
        await session.close()
        raise
    return _frames(session, far, inbox)


async def _frames(session: aiohttp.ClientSession, far: aiohttp.ClientWebSocketResponse, inbox: Inbox) -> AsyncIterator[bytes]:
    lines: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=64)
    sending = asyncio.create_task(_send(far, inbox, lines))
    receiving = asyncio.create_task(_receive(far, lines))
    try:
        while (one := await lines.get()) is not None:
            yield one
        if receiving.done() and not receiving.cancelled() and far.close_code in (None, rules.ABNORMAL):
            raise NetworkFailure.lost("the model's WebSocket broke")
    finally:
        for task in (sending, receiving):
            task.cancel()
        await asyncio.gather(sending, receiving, return_exceptions=True)
        await far.close()
        await session.close()


async def _send(far: aiohttp.ClientWebSocketResponse, inbox: Inbox, lines: asyncio.Queue[bytes | None]) -> None:
    while (message := await inbox.next()) is not None:
        await lines.put(line("out", message))
        if isinstance(message, bytes):
            await far.send_bytes(message)
        else:
            await far.send_str(message)
    await far.close()


async def _receive(far: aiohttp.ClientWebSocketResponse, lines: asyncio.Queue[bytes | None]) -> None:
    while True:
        message = await far.receive()
        if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            await lines.put(None)
            return
        await lines.put(line("in", message.data))
