"""One end of the link on asyncio: exchanges with flow-controlled bodies, calls, notes. Both Python processes use it.

The protocol is wire/README.md. What this file adds is waiting: futures for answers, credit for bodies. Every wait ends when the
link is lost, because `connection_lost` fails all of them.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import AsyncIterator, Callable, Container
from typing import Any, Protocol, cast

from emulator.errors import WireError
from emulator.wire import frames
from emulator.wire.frames import Frame, Kind, RawHeaders

_REQUEST, _RESPONSE, _BODY, _CREDIT = int(Kind.REQUEST), int(Kind.RESPONSE), int(Kind.BODY), int(Kind.CREDIT)
_CANCEL, _BROKEN, _CALL, _RESULT, _ERROR = int(Kind.CANCEL), int(Kind.BROKEN), int(Kind.CALL), int(Kind.RESULT), int(Kind.ERROR)
_NOTE, _PING, _PONG = int(Kind.NOTE), int(Kind.PING), int(Kind.PONG)
_FIRST_SOCKET = int(Kind.TEXT)
_FIRST_EXCHANGE = int(Kind.REQUEST)

_EMPTY = contextvars.Context()
"""Writing is nobody's code."""


WRITE_BUFFER = 4 * 1024 * 1024
"""Bytes that may wait to be written before the link counts as congested."""


class LinkLost(ConnectionError):
    """The other process is gone, or the link was closed; what was waiting for it ends with this."""


class BodyBroken(ConnectionError):
    """The other side's body ended with an error instead of its end."""


class RemoteError(Exception):
    """The other side answered with an error object (wire/README.md); `fields` is that object."""

    def __init__(self, fields: dict[str, Any]) -> None:
        super().__init__(f"{fields.get('name', 'Error')}: {fields.get('message', '')}")
        self.fields = fields


Body = bytes | AsyncIterator[bytes] | None


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
        """A frame of the session arrived (kinds below 16, PING and PONG aside)."""

    def on_lost(self, error: Exception | None) -> None:
        """The link ended; everything that waited on it has failed already."""


class BodyReader:
    """The body the other side sends: an async iterator of chunks as sent. `aclose` tells the sender that nobody reads any more."""

    __slots__ = ("_chunks", "_error", "_exchange", "_finished", "_owed", "_waiter")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._chunks: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._finished = False
        self._error: Exception | None = None
        self._owed = 0

    def __aiter__(self) -> BodyReader:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self.read()
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def read(self) -> bytes | None:
        """The next chunk, or None at the end. Raises BodyBroken or LinkLost."""
        while not self._chunks:
            if self._error:
                raise self._error
            if self._finished:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        chunk = self._chunks.popleft()
        self._owed += len(chunk)
        # Granting half windows keeps CREDIT frames rare without letting the sender run dry.
        if self._owed >= frames.BODY_WINDOW // 2 and not self._finished:
            self._exchange.link.send(_CREDIT, self._exchange.id, frames.write_credit(self._owed))
            self._owed = 0
        return chunk

    async def aclose(self, reason: str = "") -> None:
        """Stop reading; the sender is told unless it had finished."""
        self.cancel(reason)

    def cancel(self, reason: str = "") -> None:
        """`aclose` for code that cannot wait."""
        if not self._finished and not self._error:
            self._exchange.link.send(_CANCEL, self._exchange.id, reason.encode())
            self._finish()
        self._chunks.clear()

    def _feed(self, chunk: bytes, last: bool) -> None:
        if self._finished:
            return
        if chunk:
            self._chunks.append(chunk)
        if last:
            self._finish()
        self._wake()

    def _finish(self) -> None:
        self._finished = True
        self._exchange.half_done(reading=True)

    def _fail(self, error: Exception) -> None:
        if not self._finished:
            self._error = error
            self._finished = True
            self._exchange.half_done(reading=True)
            self._wake()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)


class Exchange:
    """What both ends of an exchange share: its id, a body each way, credit, and when it is over."""

    __slots__ = ("_credit", "_credit_waiter", "_open_halves", "_pump", "_pumping", "_stopped", "id", "link", "reader")

    def __init__(self, link: Link, ident: int) -> None:
        self.link = link
        self.id = ident
        self.reader: BodyReader | None = None
        self._credit = frames.BODY_WINDOW
        self._credit_waiter: asyncio.Future[None] | None = None
        self._open_halves = 1
        self._stopped = False
        self._pump: asyncio.Task[None] | None = None
        self._pumping = False

    def expect_body(self) -> BodyReader:
        """The other side announced a body."""
        self.reader = BodyReader(self)
        self._open_halves += 1
        return self.reader

    def half_done(self, *, reading: bool = False) -> None:
        """One half (our part, or reading theirs) has ended; with the last one the exchange leaves the link's table."""
        self._open_halves -= 1
        if self._open_halves == 0:
            self.link.forget(self.id)

    def send_body(self, source: AsyncIterator[bytes]) -> None:
        """Pump `source` to the other side as credit allows, in a task; closes the source when the other side cancels."""
        self._open_halves += 1
        self._pump = self.link.spawn(self._pump_body(source))

    async def _pump_body(self, source: AsyncIterator[bytes]) -> None:
        link, ident = self.link, self.id
        self._pumping = True
        try:
            if self._stopped:
                return
            async for chunk in source:
                while self._credit <= 0 and not self._stopped:
                    self._credit_waiter = asyncio.get_running_loop().create_future()
                    await self._credit_waiter
                if self._stopped:
                    break
                if chunk:
                    self._credit -= len(chunk)
                    link.send(_BODY, ident, chunk)
            else:
                link.send(_BODY, ident, b"", frames.LAST)
        except (Exception, asyncio.CancelledError) as error:
            # Cancelled: the other side stopped it or is gone. Everything else is the source's failure, which it must hear.
            if not self._stopped and not isinstance(error, LinkLost):
                link.send(_BROKEN, ident, str(error).encode("utf-8", "replace"))
        finally:
            close = getattr(source, "aclose", None)
            if close is not None:
                await close()
            self.half_done()

    def grant(self, size: int) -> None:
        """The other side may be sent `size` more bytes."""
        self._credit += size
        if self._credit > 0 and self._credit_waiter and not self._credit_waiter.done():
            self._credit_waiter.set_result(None)

    def stop_body(self) -> None:
        """The other side wants no more of our body."""
        if not self._stopped:
            self._stopped = True
            # A task cancelled before its first step would never run, and not close its source either; it looks for itself.
            if self._pump and self._pumping:
                self._pump.cancel()

    def break_body(self, reason: str) -> None:
        """We will not send the rest of our body: the other side's reader fails with `reason`. Nothing happens when it is sent."""
        if self._pump is not None and not self._pump.done() and not self._stopped:
            self.link.send(_BROKEN, self.id, reason.encode("utf-8", "replace"))
            self.stop_body()

    def lost(self, error: LinkLost) -> None:
        """The link is gone."""
        self.stop_body()
        if self.reader:
            self.reader._fail(error)


class Answer:
    """The response to a request of ours. `body` is bytes, a BodyReader, or empty bytes; `upgraded` makes `id` a socket."""

    __slots__ = ("body", "headers", "id", "reason", "status", "upgraded")

    def __init__(self, ident: int, head: frames.ResponseHead, body: bytes | BodyReader, upgraded: bool) -> None:
        self.id = ident
        self.status = head.status
        self.reason = head.reason
        self.headers = head.headers
        self.body = body
        self.upgraded = upgraded


class Outgoing(Exchange):
    """An exchange we opened. Await `answer`."""

    __slots__ = ("_given_up", "answer")

    def __init__(self, link: Link, ident: int) -> None:
        super().__init__(link, ident)
        self._given_up = False
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def cancel(self, reason: str = "") -> None:
        """Our client has gone, or we lost interest: the other side's request signal aborts, or the source of its response's body is
        cancelled; our request body stops."""
        # A task that is cancelled while it awaits the answer has cancelled that future already.
        if not self._given_up and (not self.answer.done() or self.answer.cancelled()):
            self._given_up = True
            self.link.send(_CANCEL, self.id, reason.encode())
            self.answer.cancel()
            self.half_done()
        elif self.reader is not None:
            self.reader.cancel(reason)
        self.break_body(reason)

    def take(self, frame: Frame) -> None:
        """A frame of this exchange."""
        kind = frame.kind
        if kind == _BODY:
            if self.reader:
                self.reader._feed(frame.payload, bool(frame.flags & frames.LAST))
        elif kind == _RESPONSE:
            self._take_response(frame)
        elif kind == _RESULT:
            self._settle(frame.json(), None)
        elif kind == _ERROR:
            self._settle(None, RemoteError(frame.json()))
        elif kind == _CREDIT:
            self.grant(frames.read_credit(frame.payload))
        elif kind == _CANCEL:
            self.stop_body()
        elif kind == _BROKEN and self.reader:
            self.reader._fail(BodyBroken(frame.payload.decode("utf-8", "replace")))

    def _take_response(self, frame: Frame) -> None:
        head = frames.read_response(frame)
        body: bytes | BodyReader = head.body or b""
        if self.answer.done():
            # We cancelled while the response was on its way: refuse its body too.
            if frame.flags & frames.HAS_BODY:
                self.link.send(_CANCEL, self.id)
            self._settle(None, None)
            if frame.flags & frames.UPGRADE:
                self.link.refuse_socket(frame)
            return
        if frame.flags & frames.HAS_BODY:
            body = self.expect_body()
        self._settle(Answer(self.id, head, body, bool(frame.flags & frames.UPGRADE)), None)

    def _settle(self, value: Any, error: Exception | None) -> None:
        if self.answer.done():
            # Whoever asked was cancelled; if it did not say `cancel`, the exchange ends only now.
            if not self._given_up:
                self._given_up = True
                self.half_done()
            return
        if error is not None:
            self.answer.set_exception(error)
            self.stop_body()
        else:
            self.answer.set_result(value)
        self.half_done()

    def lost(self, error: LinkLost) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
            # Nobody may be waiting any more (a cancelled client); then the loss is no news.
            self.answer.exception()
        super().lost(error)


class Incoming(Exchange):
    """An exchange the other side opened: answer it exactly once by `respond`, `upgrade`, `result` or `fail`."""

    __slots__ = ("answered", "cancelled", "flags", "head", "now_ms", "on_cancel")

    def __init__(self, link: Link, frame: Frame) -> None:
        super().__init__(link, frame.id)
        self.now_ms = frame.now_ms
        self.flags = frame.flags
        self.head: frames.RequestHead | None = None
        self.on_cancel: Callable[[str], None] | None = None
        self.cancelled = False
        self.answered = False
        if frame.kind == _REQUEST:
            self.head = frames.read_request(frame)
            if frame.flags & frames.HAS_BODY:
                self.expect_body()

    @property
    def wants_upgrade(self) -> bool:
        """The client asks for a WebSocket."""
        return bool(self.flags & frames.UPGRADE)

    @property
    def body(self) -> bytes | BodyReader | None:
        """The request's body: bytes when it came inline, a reader when it is coming, None when there is none."""
        return self.reader if self.reader is not None else (self.head.body if self.head else None)

    def respond(self, status: int, reason: bytes, headers: RawHeaders, body: Body = None) -> None:
        """Answer. A bytes body goes inline; an iterator is pumped with flow control."""
        if self.answered or self.cancelled:
            self._discard(body)
            return
        self.answered = True
        if body is None or isinstance(body, bytes):
            whole = body is not None and len(body) <= frames.BODY_WINDOW
            if body is None or whole:
                self.link.send(_RESPONSE, self.id, frames.write_response(status, reason, headers, body), frames.WHOLE if whole else 0)
            else:
                self._head(status, reason, headers)
                self.send_body(_in_chunks(body))
        else:
            self._head(status, reason, headers)
            self.send_body(body)
        self.half_done()

    def _head(self, status: int, reason: bytes, headers: RawHeaders) -> None:
        self.link.send(_RESPONSE, self.id, frames.write_response(status, reason, headers), frames.HAS_BODY)

    def _discard(self, body: Body) -> None:
        close = getattr(body, "aclose", None)
        if close is not None:
            self.link.spawn(close())

    def upgrade(self, headers: RawHeaders) -> None:
        """Answer 101: from here on the exchange's id is a socket."""
        self.answered = True
        self.link.send(_RESPONSE, self.id, frames.write_response(101, b"Switching Protocols", headers), frames.UPGRADE)
        self.half_done()

    def result(self, value: Any) -> None:
        """Answer a CALL."""
        if not self.answered:
            self.answered = True
            self.link.send(_RESULT, self.id, frames.write_json(value))
            self.half_done()

    def fail(self, error: dict[str, Any]) -> None:
        """Answer with an error object."""
        if not self.answered:
            self.answered = True
            self.link.send(_ERROR, self.id, frames.write_json(error))
            self.half_done()

    def take(self, frame: Frame) -> None:
        """A frame of this exchange."""
        kind = frame.kind
        if kind == _BODY:
            if self.reader:
                self.reader._feed(frame.payload, bool(frame.flags & frames.LAST))
        elif kind == _CREDIT:
            self.grant(frames.read_credit(frame.payload))
        elif kind == _CANCEL:
            self._take_cancel(frame.payload.decode("utf-8", "replace"))
        elif kind == _BROKEN and self.reader:
            self.reader._fail(BodyBroken(frame.payload.decode("utf-8", "replace")))

    def _take_cancel(self, reason: str) -> None:
        self.stop_body()
        if self.reader:
            self.reader._fail(BodyBroken(reason or "the client has gone"))
        if not self.answered:
            self.cancelled = True
            self.half_done()
        if self.on_cancel:
            self.on_cancel(reason)

    def lost(self, error: LinkLost) -> None:
        self.cancelled = True
        super().lost(error)
        if self.on_cancel:
            self.on_cancel(str(error))


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
        if not self._out:
            self._loop.call_soon(self.flush, context=_EMPTY)
        length = len(payload)
        if length > frames.MAX_PAYLOAD:
            raise WireError("E912", f"a frame of {length} bytes is over the limit of {frames.MAX_PAYLOAD}")
        self._out.append(frames.HEAD.pack(length, kind, flags, ident, self._clock()))
        if payload:
            self._out.append(payload)

    def flush(self) -> None:
        """Write what is queued now."""
        if self._out and self._transport is not None:
            data = b"".join(self._out)
            self._out.clear()
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
            exchange.send_body(_in_chunks(body) if isinstance(body, bytes) else body)
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
        try:
            for frame in self._decoder.receive(data):
                self._take(frame)
        except WireError as error:
            self._end(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)

    def pause_writing(self) -> None:
        self.congested = True

    def resume_writing(self) -> None:
        self.congested = False
        if self.on_drained is not None:
            self.on_drained()

    def _take(self, frame: Frame) -> None:
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


async def _in_chunks(body: bytes) -> AsyncIterator[bytes]:
    """A large body in pieces of half a window."""
    step = frames.BODY_WINDOW // 2
    for at in range(0, len(body), step):
        yield body[at : at + step]
