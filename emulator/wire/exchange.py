"""Exchanges on the link: an id, an answer, a body each way with credit, and the moment when it is over (wire/README.md, Exchanges)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from emulator.wire import frames
from emulator.wire.frames import Frame, Kind, RawHeaders

if TYPE_CHECKING:
    from emulator.wire.link import Link

_REQUEST, _RESPONSE, _BODY, _CREDIT = int(Kind.REQUEST), int(Kind.RESPONSE), int(Kind.BODY), int(Kind.CREDIT)
_CANCEL, _BROKEN, _RESULT, _ERROR = int(Kind.CANCEL), int(Kind.BROKEN), int(Kind.RESULT), int(Kind.ERROR)


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
    """The response to a request of ours. `body` is bytes, a BodyReader, or empty bytes; `upgraded` makes `id` a socket; `encoded`
    says that the body is in its content-encoding already."""

    __slots__ = ("body", "encoded", "headers", "id", "reason", "status", "upgraded")

    def __init__(self, ident: int, head: frames.ResponseHead, body: bytes | BodyReader, flags: int) -> None:
        self.id = ident
        self.status = head.status
        self.reason = head.reason
        self.headers = head.headers
        self.body = body
        self.upgraded = bool(flags & frames.UPGRADE)
        self.encoded = bool(flags & frames.ENCODED)


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
        self._settle(Answer(self.id, head, body, frame.flags), None)

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

    def respond(self, status: int, reason: bytes, headers: RawHeaders, body: Body = None, *, encoded: bool = False) -> None:
        """Answer. A bytes body goes inline; an iterator is pumped with flow control. `encoded`: the body is in its content-encoding
        already, nobody shall pack it."""
        if self.answered or self.cancelled:
            self._discard(body)
            return
        self.answered = True
        flags = frames.ENCODED if encoded else 0
        if body is None or (isinstance(body, bytes) and len(body) <= frames.BODY_WINDOW):
            flags |= 0 if body is None else frames.WHOLE
            self.link.send(_RESPONSE, self.id, frames.write_response(status, reason, headers, body), flags)
        else:
            self.link.send(_RESPONSE, self.id, frames.write_response(status, reason, headers), flags | frames.HAS_BODY)
            self.send_body(in_chunks(body) if isinstance(body, bytes) else body)
        self.half_done()

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
            # Sent before it counts as answered: a value that has no JSON form or is over the limit can still become an error.
            self.link.send(_RESULT, self.id, frames.write_json(value))
            self.answered = True
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


async def in_chunks(body: bytes) -> AsyncIterator[bytes]:
    """A large body in pieces of half a window."""
    step = frames.BODY_WINDOW // 2
    for at in range(0, len(body), step):
        yield body[at : at + step]
