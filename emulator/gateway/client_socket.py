"""One client's WebSocket after its handshake: an asyncio protocol without a task, so that an idle socket costs next to nothing.

It turns bytes into messages and back, answers pings, and knows which side has said Close (durable-objects.md 5.4). What an object
hears of it, and who the object is, is SocketBook's business. It can be interrupted from outside (drops.py) between any two messages.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket as sockets
import struct
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from emulator.core import sockets as rules
from emulator.gateway import rfc6455
from emulator.gateway.drops import Drop, Mode
from emulator.gateway.rfc6455 import MessageReader, Opcode, ProtocolError
from emulator.wire import frames
from emulator.wire.frames import Kind

if TYPE_CHECKING:
    from emulator.gateway.sockets import ObjectRef, SocketBook

_TEXT, _BINARY, _CLOSE, _PING = int(Opcode.TEXT), int(Opcode.BINARY), int(Opcode.CLOSE), int(Opcode.PING)
_TO_HOST = {_TEXT: int(Kind.TEXT), _BINARY: int(Kind.BINARY)}

MAX_UNREAD = 64 * 1024 * 1024
"""Bytes that may wait for a client that does not read; more, and it is dropped."""
LINGER_S = 2.0
"""How long a client that broke the protocol may go on sending before it is cut: cutting at once would destroy the Close frame."""
CLOSE_WITHIN_S = 30.0
"""How long a client may leave our Close unanswered before it is cut."""
FLUSH_WITHIN_S = 0.25
"""How long a reset waits for what was sent before it to be on its way: a client that does not read does not hold it up."""
_FLUSH_EVERY_S = 0.001
_SIOCOUTQNSD = 0x894B
"""Linux: bytes that TCP has not sent at all (linux/sockios.h)."""


class ClientSocket(asyncio.Protocol):
    """Frames that the host sends before the handshake is over wait in `early`. `object` is None until it is accepted for
    hibernation; only then does the socket survive its host."""

    __slots__ = (
        "answered_ms",
        "attachment",
        "book",
        "client_closed",
        "credit",
        "drop",
        "early",
        "ended",
        "faulted",
        "held",
        "id",
        "lingering",
        "object",
        "opened_ms",
        "paused",
        "reader",
        "sealed",
        "server_closed",
        "tags",
        "transport",
        "unheard",
        "url",
    )

    def __init__(self, book: SocketBook, ident: int, url: str, opened_ms: int) -> None:
        self.book = book
        self.id = ident
        self.url = url
        self.opened_ms = opened_ms
        self.reader = MessageReader(book.max_message)
        self.transport: asyncio.Transport | None = None
        self.early: list[tuple[int, bytes]] | None = []
        self.object: ObjectRef | None = None
        self.tags: list[str] = []
        self.attachment: bytes | None = None
        self.answered_ms: int | None = None
        self.credit = frames.SOCKET_WINDOW
        self.paused = False
        self.client_closed = False
        self.server_closed = False
        self.faulted = False
        self.ended = False
        self.lingering: asyncio.TimerHandle | None = None
        self.drop: Drop | None = None
        """How it will be interrupted; None when nothing is armed."""
        self.held: bytearray | None = None
        """What is kept from the client while the connection is stalled; None when it is not."""
        self.unheard = b""
        """What the client has sent meanwhile."""
        self.sealed = False
        """It is being reset: nothing more goes out, nothing more is heard."""

    # -- from the client

    def open(self, transport: asyncio.Transport, handshake: bytes, tail: bytes) -> None:
        """Take the connection over: answer the handshake, then deliver what the host sent early and read what the client sent."""
        self.transport = transport
        transport.set_protocol(self)
        transport.write(handshake)
        early, self.early = self.early or [], None
        if self.drop is not None and self.drop.due:
            self.strike()
        for opcode, payload in early:
            if opcode == _CLOSE:
                self.close(*frames.read_close(payload))
            else:
                self.send(opcode, payload)
        if tail:
            self.data_received(tail)

    def data_received(self, data: bytes) -> None:
        if self.held is not None:
            self.unheard += data
            if len(self.unheard) > frames.SOCKET_WINDOW:
                self.hold()
            return
        if self.client_closed or self.faulted or self.sealed:
            return
        try:
            for opcode, payload in self.reader.receive(data):
                if opcode <= _BINARY:
                    self.book.deliver(self, _TO_HOST[opcode], payload)
                elif opcode == _PING:
                    self._write(rfc6455.frame(Opcode.PONG, payload))
                elif opcode == _CLOSE:
                    self._client_close(payload)
                    return
        except ProtocolError as error:
            self._fault(error)

    def eof_received(self) -> bool | None:
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        self.transport = None
        if self.lingering is not None:
            self.lingering.cancel()
        if not self.client_closed and not self.faulted:
            self.book.closed(self, rules.ABNORMAL, rules.ABNORMAL_REASON, clean=False)
        self.book.gone(self)

    def _client_close(self, payload: bytes) -> None:
        code, reason = rfc6455.read_close(payload)
        self.client_closed = True
        self.book.closed(self, code, reason, clean=True)
        if self.server_closed:
            self._end()

    def _fault(self, error: ProtocolError) -> None:
        self.faulted = True
        if not self.server_closed:
            self.server_closed = True
            self._write(rfc6455.close_frame(error.code, error.text))
        self.book.faulted(self, error.text)
        self._linger(LINGER_S, self._end)

    # -- to the client

    def send(self, opcode: int, payload: bytes) -> None:
        """One message. After a Close nothing more may follow."""
        if self.early is not None:
            self.early.append((opcode, payload))
        elif not self.server_closed:
            if not self.sealed:
                self.book.journal.frame(self.id, self.object, True, opcode == _BINARY, payload)
            self._write(rfc6455.frame(opcode, payload))
            if self.drop is not None and self.drop.frame_sent():
                self.strike()

    def close(self, code: int | None, reason: str) -> None:
        """The object's Close; with the client's Close before it the connection is over."""
        if self.early is not None:
            self.early.append((_CLOSE, frames.write_close(code, reason)))
            return
        if not self.server_closed:
            self.server_closed = True
            self._write(rfc6455.close_frame(code, reason))
        if self.client_closed:
            self._end()
        elif not self.ended and not self.faulted:
            self._linger(CLOSE_WITHIN_S, self.cut)

    def cut(self) -> None:
        """End the connection without a Close frame."""
        if self.transport is not None:
            self.transport.abort()

    # -- interruptions

    def strike(self) -> None:
        """Do what the drop that is armed says; nothing is armed afterwards."""
        drop = self.drop
        if drop is None or self.early is not None:
            return
        self.book.struck(self, drop)
        if drop.mode is Mode.CLOSE:
            self.close(drop.code, drop.reason)
        elif drop.mode is Mode.RESET:
            self.reset()
        elif self.held is None and not self.ended:
            self.held = bytearray()

    def resume(self) -> bool:
        """End a stall: what waited goes through, in order. Whether there was one."""
        held, self.held = self.held, None
        if held is None:
            return False
        if held:
            self._write(bytes(held))
        unheard, self.unheard = self.unheard, b""
        self.go_on()
        if unheard:
            self.data_received(unheard)
        return True

    def reset(self) -> None:
        """End the connection by a TCP reset. What was sent before it reaches a client that reads; nothing comes behind it."""
        transport = self.transport
        if transport is None or self.sealed:
            return
        self.sealed = True
        self.held, self.unheard = None, b""
        self._reset_when_sent(asyncio.get_running_loop().time() + FLUSH_WITHIN_S)

    def _reset_when_sent(self, give_up: float) -> None:
        transport, loop = self.transport, asyncio.get_running_loop()
        if transport is None:
            return
        # The kernel throws away what it has not sent when a connection is reset.
        if _unsent(transport) and loop.time() < give_up:
            loop.call_later(_FLUSH_EVERY_S, self._reset_when_sent, give_up)
            return
        tcp = transport.get_extra_info("socket")
        tcp.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()

    # -- flow

    def spend(self, size: int) -> None:
        """A message of `size` bytes went to the host; without credit this client is not read from."""
        self.credit -= size
        if self.credit <= 0:
            self.hold()

    def grant(self, size: int) -> None:
        """The host has taken `size` bytes."""
        self.credit += size
        self.go_on()

    def hold(self) -> None:
        """Do not read from this client for now, whatever its credit; `go_on` ends it."""
        if not self.paused and self.transport is not None:
            self.paused = True
            self.transport.pause_reading()

    def go_on(self) -> None:
        """Read again if there is credit, and no stall."""
        if self.credit > 0 and self.paused and self.held is None:
            self.paused = False
            if self.transport is not None:
                self.transport.resume_reading()

    def _write(self, data: bytes) -> None:
        transport = self.transport
        if transport is None or self.sealed:
            return
        if self.held is not None:
            self.held += data
            if len(self.held) > MAX_UNREAD:
                transport.abort()
            return
        transport.write(data)
        if transport.get_write_buffer_size() > MAX_UNREAD:
            transport.abort()

    def _linger(self, bound_s: float, then: Callable[[], None]) -> None:
        if self.lingering is not None:
            self.lingering.cancel()
        self.lingering = asyncio.get_running_loop().call_later(bound_s, then)

    def _end(self) -> None:
        if self.transport is not None:
            self.transport.close()


def _unsent(transport: asyncio.Transport) -> int:
    """Bytes that have not left this machine; where the kernel does not tell, those that it has not taken."""
    waiting = transport.get_write_buffer_size()
    if waiting or sys.platform != "linux":
        return waiting
    answer = fcntl.ioctl(transport.get_extra_info("socket").fileno(), _SIOCOUTQNSD, bytes(4))
    return int(struct.unpack("i", answer)[0])
