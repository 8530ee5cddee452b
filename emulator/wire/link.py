"""One end of the link on asyncio: frames in and out, and the table of open exchanges (exchange.py). Both Python processes use it.

The protocol is wire/README.md. Every wait ends when the link is lost, because `connection_lost` fails all of them.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Container
from time import perf_counter
from typing import Any, Protocol, cast

from emulator.errors import WireError
from emulator.wire import frames
from emulator.wire.exchange import Body, Incoming, LinkLost, Outgoing, in_chunks
from emulator.wire.frames import Frame, Kind, RawHeaders

_REQUEST, _RESPONSE, _BODY, _CREDIT = int(Kind.REQUEST), int(Kind.RESPONSE), int(Kind.BODY), int(Kind.CREDIT)
_CANCEL, _BROKEN, _CALL, _RESULT, _ERROR = int(Kind.CANCEL), int(Kind.BROKEN), int(Kind.CALL), int(Kind.RESULT), int(Kind.ERROR)
_NOTE, _PING, _PONG = int(Kind.NOTE), int(Kind.PING), int(Kind.PONG)
_TURN, _POINT = int(Kind.TURN), int(Kind.POINT)
_FIRST_SOCKET = int(Kind.TEXT)
_FIRST_EXCHANGE = int(Kind.REQUEST)

_EMPTY = contextvars.Context()
"""Writing is nobody's code."""


GATHER_S = 0.000_12
"""How long a frame may wait for more to be written with it. One write for everything would be cheapest, and make the two processes take
turns: each would stand still while the other works through its whole batch."""

WRITE_BUFFER = 4 * 1024 * 1024
"""Bytes that may wait to be written before the link counts as congested."""


class Receiver(Protocol):
    """What a process does with frames that are not answers."""

    def on_request(self, incoming: Incoming) -> None:
        """A REQUEST arrived; answer it by `incoming.respond`, `.upgrade` or `.fail`, now or later."""

    def on_call(self, incoming: Incoming, call: dict[str, Any]) -> None:
        """A CALL arrived; answer it by `incoming.result` or `.fail`."""

    def on_note(self, note: dict[str, Any], now_ms: int) -> None:
        """A NOTE arrived."""

    def on_socket(self, frame: Frame) -> None:
        """A frame of a socket arrived: kinds 32 and up, CREDIT for a socket's id, and the RESPONSE that made a socket of an exchange
        which was cancelled meanwhile (it has to be told that its client is gone)."""

    def on_session(self, frame: Frame) -> None:
        """A frame of the session arrived (kinds below 16, PING and PONG aside), or a TURN or POINT."""

    def on_lost(self, error: Exception | None) -> None:
        """The link ended; everything that waited on it has failed already."""


class Link(asyncio.Protocol):
    """One end. `odd` is True on the gateway's end (ids are odd there); `clock` gives milliseconds since 1970; `taken` holds ids that
    must not be given to new exchanges, because sockets of an earlier link still carry them."""

    def __init__(self, receiver: Receiver, *, odd: bool, clock: Callable[[], int], taken: Container[int] = ()) -> None:
        self._receiver = receiver
        self._taken = taken
        self._parity = 1 if odd else 0
        self._next_id = 1 if odd else 2
        self._clock = clock
        self._decoder = frames.FrameDecoder()
        self._exchanges: dict[int, Outgoing | Incoming] = {}
        self._out: list[bytes] = []
        self._awaited = 0
        """Queued frames that somebody waits for."""
        self._take: Callable[[Frame], None] = self._dispatch
        self._reading = False
        self._queued_s = 0.0
        self._transport: asyncio.Transport | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pong: asyncio.Future[None] | None = None
        self.lost = False
        self.farewell = ""
        """What those who still wait are told when the link ends on purpose."""
        self.congested = False
        """The other side does not read as fast as we write; `on_drained` is called when it has caught up."""
        self.on_drained: Callable[[], None] | None = None

    # -- sending

    def send(self, kind: int, ident: int, payload: bytes = b"", flags: int = 0) -> None:
        """Queue one frame; the frames of one loop turn leave in one write. Frames sent after the loss go nowhere."""
        if self.lost or self._loop is None:
            return
        if not self._awaited:
            self._queued_s = perf_counter()
            if not self._reading:
                self._loop.call_soon(self.flush, context=_EMPTY)
        length = len(payload)
        if length > frames.MAX_PAYLOAD:
            raise WireError("E912", f"a frame of {length} bytes is over the limit of {frames.MAX_PAYLOAD}")
        self._out.append(frames.HEAD.pack(length, kind, flags, ident, self._clock()))
        if payload:
            self._out.append(payload)
        self._awaited += 1
        if self._awaited > 1 and perf_counter() - self._queued_s > GATHER_S:
            self.flush()

    def add(self, kind: int, payload: bytes) -> None:
        """Queue a frame of the session that nobody waits for: it leaves with the others, at the latest with the loop's turn."""
        if self.lost or self._loop is None:
            return
        if not self._out and not self._reading:
            self._loop.call_soon(self.flush, context=_EMPTY)
        self._out.append(frames.HEAD.pack(len(payload), kind, 0, 0, self._clock()) + payload)

    def flush(self) -> None:
        """Write what is queued now."""
        if self._out and self._transport is not None:
            data = b"".join(self._out)
            self._out.clear()
            self._awaited = 0
            self._transport.write(data)

    def send_json(self, kind: int, value: Any, ident: int = 0) -> None:
        """Queue a frame with a JSON payload."""
        self.send(kind, ident, frames.write_json(value))

    def note(self, op: str, **fields: Any) -> None:
        """Send a NOTE."""
        self.send_json(_NOTE, {"op": op, **fields})

    def request(
        self, target: bytes, method: bytes, url: bytes, headers: RawHeaders, body: Body = None, *, upgrade: bool = False
    ) -> Outgoing:
        """Open a REQUEST; await `.answer` for an Answer, RemoteError or LinkLost."""
        exchange = self._open()
        flags = frames.UPGRADE if upgrade else 0
        inline = body if isinstance(body, bytes) and len(body) <= frames.BODY_WINDOW else None
        if inline is not None:
            flags |= frames.WHOLE
        elif body is not None:
            flags |= frames.HAS_BODY
        self.send(_REQUEST, exchange.id, frames.write_request(target, method, url, headers, inline), flags)
        if flags & frames.HAS_BODY and body is not None:
            exchange.send_body(in_chunks(body) if isinstance(body, bytes) else body)
        return exchange

    def call(self, op: str, **fields: Any) -> asyncio.Future[Any]:
        """Open a CALL; the future gives the result, RemoteError or LinkLost."""
        exchange = self._open()
        self.send(_CALL, exchange.id, frames.write_json({"op": op, **fields}))
        return exchange.answer

    async def ping(self, bound_s: float) -> bool:
        """Whether the other side answers within `bound_s` seconds."""
        if self.lost or self._loop is None:
            return False
        self._pong = self._pong or self._loop.create_future()
        self.send(_PING, 0)
        try:
            await asyncio.wait_for(asyncio.shield(self._pong), bound_s)
        except (TimeoutError, LinkLost):
            return False
        return True

    def _open(self) -> Outgoing:
        ident = self._next_id
        while ident in self._exchanges or ident in self._taken:
            ident = self._after(ident)
        self._next_id = self._after(ident)
        exchange = Outgoing(self, ident)
        if self.lost:
            exchange.lost(LinkLost("the link is closed"))
        else:
            self._exchanges[ident] = exchange
        return exchange

    def _after(self, ident: int) -> int:
        return ident + 2 if ident < 0xFFFF_FFF0 else self._parity or 2

    def tell_time(self, heard: Callable[[int], None]) -> None:
        """From now on `heard` is given the other side's clock before each frame is taken."""

        def timed(frame: Frame) -> None:
            heard(frame.now_ms)
            self._dispatch(frame)

        self._take = timed

    @property
    def transport(self) -> asyncio.Transport | None:
        """What it writes to, while it is connected."""
        return self._transport

    def spawn(self, work: Any) -> asyncio.Task[Any]:
        """Run a coroutine that belongs to this link."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def forget(self, ident: int) -> None:
        """An exchange is over."""
        self._exchanges.pop(ident, None)

    def refuse_socket(self, frame: Frame) -> None:
        """An upgrade came for an exchange that nobody waits for any more."""
        self._receiver.on_socket(frame)

    @property
    def open_exchanges(self) -> int:
        """How many exchanges have not ended."""
        return len(self._exchanges)

    def close(self) -> None:
        """Send what is queued, then close."""
        self.flush()
        if self._transport is not None:
            self._transport.close()

    # -- receiving (asyncio.Protocol)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do what asyncio.Transport says without being one.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        self._reading = True
        try:
            for frame in self._decoder.receive(data):
                self._take(frame)
        except WireError as error:
            self._end(error)
        finally:
            self._reading = False
            # What these frames were answered with at once leaves at once: no further round of the loop in a ping-pong.
            self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)

    def pause_writing(self) -> None:
        self.congested = True

    def resume_writing(self) -> None:
        self.congested = False
        if self.on_drained is not None:
            self.on_drained()

    def _dispatch(self, frame: Frame) -> None:
        kind = frame.kind
        if kind >= _FIRST_SOCKET:
            self._receiver.on_socket(frame)
        elif kind == _REQUEST:
            incoming = Incoming(self, frame)
            self._exchanges[frame.id] = incoming
            self._receiver.on_request(incoming)
        elif kind == _CALL:
            incoming = Incoming(self, frame)
            self._exchanges[frame.id] = incoming
            self._receiver.on_call(incoming, frame.json())
        elif kind == _NOTE:
            self._receiver.on_note(frame.json(), frame.now_ms)
        elif kind in (_TURN, _POINT):
            self._receiver.on_session(frame)
        elif kind >= _FIRST_EXCHANGE:
            exchange = self._exchanges.get(frame.id)
            if exchange is not None:
                exchange.take(frame)
            elif kind == _CREDIT:
                self._receiver.on_socket(frame)
            elif kind == _RESPONSE and frame.flags & frames.UPGRADE:
                self.refuse_socket(frame)
        elif kind == _PING:
            self.send(_PONG, 0)
        elif kind == _PONG:
            if self._pong and not self._pong.done():
                self._pong.set_result(None)
            self._pong = None
        else:
            self._receiver.on_session(frame)

    def cut(self) -> None:
        """The other process is as good as gone: nothing more is sent to it, nor heard of it."""
        self._end(None)

    def _end(self, error: Exception | None) -> None:
        if self.lost:
            return
        self.lost = True
        if self._transport is not None:
            self._transport.abort()
        loss = LinkLost(self.farewell or (str(error) if error else "the other process has ended"))
        exchanges, self._exchanges = list(self._exchanges.values()), {}
        for exchange in exchanges:
            exchange.lost(loss)
        if self._pong and not self._pong.done():
            self._pong.set_exception(loss)
            self._pong.exception()
        self._receiver.on_lost(error)
