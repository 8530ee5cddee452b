"""Models over WebSocket: `run(model, inputs, {websocket: true})` of user code, answered by the model layer (ai-binding.md 1.1).

The conversation is a body of frames (ai/frames.py). Under the exchange's id it becomes a socket of the link, whose far side is the model.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus

from emulator.core import sockets as rules
from emulator.gateway.ai.cassettes.frames import Inbox, Lines, message_of
from emulator.gateway.exchange import Request, Response
from emulator.gateway.failures import NetworkFailure
from emulator.gateway.services import error_object
from emulator.gateway.sockets import SocketBook
from emulator.wire import frames
from emulator.wire.exchange import Incoming
from emulator.wire.frames import Frame, Kind

CLOSE_WITHIN_S = 10.0
NORMAL = 1000

Converse = Callable[[Request, Inbox], Awaitable[Response]]
"""Begins a conversation: an answer of status 101 has frames as its body."""


class ModelSockets:
    """Opens them."""

    def __init__(self, book: SocketBook, converse: Converse) -> None:
        self._book = book
        self._converse = converse

    def open(self, incoming: Incoming) -> None:
        """Answer this REQUEST with a socket or an error, then carry frames."""
        task = incoming.link.spawn(self._carry(incoming))
        incoming.on_cancel = lambda reason: _cancel(task)

    async def _carry(self, incoming: Incoming) -> None:
        head = incoming.head
        assert head is not None
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers]
        inbox = Inbox()
        try:
            response = await self._converse(Request(head.method, head.url, headers), inbox)
        except Exception as error:
            incoming.fail(error_object(error))
            return
        body = response.body
        raw = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in response.headers]
        if response.status != HTTPStatus.SWITCHING_PROTOCOLS or isinstance(body, bytes):
            incoming.respond(response.status, HTTPStatus(response.status).phrase.encode(), raw, body)
            return
        socket = ModelSocket(self._book, incoming, inbox)
        incoming.upgrade([(b"upgrade", b"websocket"), *((name, value) for name, value in raw if name != b"content-type")])
        await socket.run(body)


class ModelSocket:
    """One conversation: an OutgoingSocket of the book."""

    def __init__(self, book: SocketBook, incoming: Incoming, inbox: Inbox) -> None:
        self._book = book
        self._link = incoming.link
        self._inbox = inbox
        self.id = incoming.id
        self._credit = frames.SOCKET_WINDOW
        self._may_send = asyncio.Event()
        self._may_send.set()
        self._close: bytes | None = None
        book.outgoing[self.id] = self

    async def run(self, body: AsyncIterator[bytes]) -> None:
        """Carry frames until one side has ended. User code's Close ends a replay at once; a model is let come to its own end."""
        speaking = asyncio.create_task(self._speak(body))
        closing = asyncio.create_task(self._inbox.closed.wait())
        try:
            await asyncio.wait((speaking, closing), return_when=asyncio.FIRST_COMPLETED)
            if not speaking.done() and not self._inbox.replayed:
                await asyncio.wait((speaking,), timeout=CLOSE_WITHIN_S)
            clean = not speaking.done() or speaking.result()
            payload = frames.write_close(NORMAL, "") if self._close is None else self._close
            if clean:
                self._link.send(Kind.CLOSE, self.id, payload, frames.CLEAN)
                await asyncio.wait((closing,), timeout=CLOSE_WITHIN_S)
            else:
                self._link.send(Kind.CLOSE, self.id, frames.write_close(rules.ABNORMAL, rules.ABNORMAL_REASON))
        finally:
            for task in (speaking, closing):
                task.cancel()
            await asyncio.gather(speaking, closing, return_exceptions=True)
            close = getattr(body, "aclose", None)
            if close is not None:
                await close()
            self._book.outgoing.pop(self.id, None)
            self._link.send(Kind.GONE, self.id)

    async def _speak(self, body: AsyncIterator[bytes]) -> bool:
        """Send what the model says; False when the connection to it broke."""
        lines, sent = Lines(), 0
        try:
            async for chunk in body:
                for frame in lines.feed(chunk):
                    if frame.get("dir") == "out":
                        sent += 1
                        if not await self._inbox.heard(sent):
                            return True
                        continue
                    await self._may_send.wait()
                    message = message_of(frame)
                    data = message.encode("utf-8", "replace") if isinstance(message, str) else message
                    self._link.send(Kind.TEXT if isinstance(message, str) else Kind.BINARY, self.id, data)
                    self._credit -= len(data)
                    if self._credit <= 0:
                        self._may_send.clear()
        except (NetworkFailure, ValueError):
            return False
        return True

    def take(self, frame: Frame) -> None:
        """A frame from the host."""
        if frame.kind == Kind.CREDIT:
            self._credit += frames.read_credit(frame.payload)
            if self._credit > 0:
                self._may_send.set()
        elif frame.kind == Kind.TEXT:
            self._inbox.put(bytes(frame.payload).decode("utf-8", "replace"))
        elif frame.kind == Kind.BINARY:
            self._inbox.put(bytes(frame.payload))
        elif frame.kind == Kind.CLOSE:
            self._close = bytes(frame.payload)
            self._inbox.close()

    def host_lost(self) -> None:
        """The task ends with the link's other tasks."""
        self._inbox.close()


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
