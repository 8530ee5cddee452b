"""The far end of a library's connection: it speaks HTTP/1.1 and sends each request as an exchange on the link."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

from emulator.hosts.python.network.http1 import (
    CONTINUE,
    LAST_CHUNK,
    TUNNEL,
    End,
    Framing,
    Head,
    NotHttp,
    Pairs,
    RequestParser,
    write_head,
)

SMALL_BODY = 64 * 1024
"""Bytes. A request's body up to here goes with its head, a larger one follows as it is written."""
UPLOAD_WINDOW = 256 * 1024
"""Bytes of a request's body that may wait to be sent."""
_DECODED = frozenset({b"gzip", b"x-gzip", b"deflate", b"br"})
"""What the gateway has unpacked, leaving the header (gateway/content_coding.py): a library would unpack once more."""


class ReceivedBody(Protocol):
    """A response's body as it arrives."""

    async def read(self) -> bytes | None:
        """The next chunk, None at the end. Raises ConnectionError when it breaks off."""

    def drop(self) -> None:
        """Nobody reads the rest."""


class Received(Protocol):
    """A response whose head is there."""

    @property
    def status(self) -> int: ...

    @property
    def reason(self) -> bytes: ...

    @property
    def headers(self) -> Pairs: ...

    @property
    def body(self) -> bytes | ReceivedBody: ...


class Sent(Protocol):
    """A request on its way."""

    @property
    def answer(self) -> asyncio.Future[Any]:
        """A Received, or ConnectionError."""

    def cancel(self) -> None:
        """Nobody waits for the answer, or reads the rest of it."""


type Send = Callable[[bytes, bytes, Pairs, "bytes | AsyncIterator[bytes] | None"], Sent]
"""`send(method, url, headers, body)`: a request of the running code."""


class Peer:
    """`feed` what the client writes, `receive` what it reads. Everything on the loop's thread, as the code whose connection it is."""

    def __init__(self, send: Send, host: str, port: int, *, secure: bool) -> None:
        self._send = send
        self._host = host
        self._port = port
        self.secure = secure
        self._parser = RequestParser()
        self._writing: _Writing | None = None
        self._asked: deque[_Writing] = deque()
        self._ready: deque[bytes] = deque()
        self._answered: _Answered | None = None
        self._news: asyncio.Future[None] | None = None
        self._ended = False

    @property
    def address(self) -> tuple[str, int]:
        """What the client connected to."""
        return self._host, self._port

    def feed(self, data: bytes) -> None:
        """The client has written `data`. Raises NotHttp, and BrokenPipeError once the connection has ended."""
        if self._ended:
            raise BrokenPipeError("the connection is closed")
        for said in self._parser.feed(data):
            if isinstance(said, Head):
                self._begin(said)
            elif isinstance(said, End):
                self._complete()
            else:
                assert self._writing is not None
                self._writing.add(said)

    @property
    def is_full(self) -> bool:
        """The client should not write more now."""
        return self._writing is not None and self._writing.is_full

    async def drain(self) -> None:
        """Wait until the client may write more."""
        if self._writing is not None:
            await self._writing.drain()

    async def head_is_there(self) -> None:
        """Wait until the answer to a complete request has begun. Raises ConnectionError when it never will."""
        if self._writing is None and self._asked and self._asked[-1].sent is not None:
            await asyncio.wait((self._asked[-1].sent.answer,))
            self._asked[-1].sent.answer.result()

    async def receive(self) -> bytes:
        """What the client reads next: a head, or one piece of a body as it was sent. Empty when the connection has ended.
        Raises ConnectionError."""
        while not self._ready:
            if self._ended:
                return b""
            if self._answered is not None:
                await self._read_on(self._answered)
            elif self._asked:
                await self._answer(self._asked[0])
            else:
                self._news = asyncio.get_running_loop().create_future()
                await self._news
        return self._ready.popleft()

    async def receive_at_most(self, size: int) -> bytes:
        """The same, in pieces of at most `size` bytes."""
        data = await self.receive()
        if len(data) > size:
            self._ready.appendleft(data[size:])
        return data[:size]

    def close(self) -> None:
        """The client closes the connection: what is on its way stops."""
        if self._ended:
            return
        self._ended = True
        self._ready.clear()
        if self._answered is not None:
            self._answered.body.drop()
        for asked in {*self._asked, *([self._writing] if self._writing else [])}:
            asked.cancel()
        self._asked.clear()
        self._tell()

    # -- requests

    def _begin(self, head: Head) -> None:
        if head.method == b"CONNECT":
            host, _, port = head.target.decode("latin-1").rpartition(":")
            self._host, self._port = host.strip("[]"), int(port)
            self._ready.append(TUNNEL)
            self._tell()
            return
        if head.waits:
            self._ready.append(CONTINUE)
            self._tell()
        self._writing = _Writing(head)
        if head.length is None or head.length > SMALL_BODY:
            self._dispatch(self._writing, self._writing.stream())

    def _complete(self) -> None:
        writing, self._writing = self._writing, None
        if writing is None:  # CONNECT
            return
        if writing.sent is None:
            self._dispatch(writing, writing.whole())
        else:
            writing.end()

    def _dispatch(self, writing: _Writing, body: bytes | AsyncIterator[bytes] | None) -> None:
        head = writing.head
        headers = [(name, value) for name, value in head.headers if name.lower() not in (b"host", b"expect")]
        writing.sent = self._send(head.method, self._url(head.target), headers, body)
        self._asked.append(writing)
        self._tell()

    def _url(self, target: bytes) -> bytes:
        if target.startswith((b"http://", b"https://")):
            return target  # to a proxy
        if not target.startswith(b"/"):
            raise NotHttp(f"{target[:80]!r} is no path")
        scheme, usual = ("https", 443) if self.secure else ("http", 80)
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{scheme}://{host}{'' if self._port == usual else f':{self._port}'}".encode() + target

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    # -- responses

    async def _answer(self, asked: _Writing) -> None:
        assert asked.sent is not None
        # A reader that gives up (a timeout of its own) must not take the answer with it.
        await asyncio.wait((asked.sent.answer,))
        if self._ended:
            return
        received: Received = asked.sent.answer.result()
        body = received.body
        whole = body if isinstance(body, bytes) else None
        headers = [pair for pair in received.headers if not _is_undone(pair)]
        head, framing = write_head(asked.head.method, received.status, received.reason, headers, None if whole is None else len(whole))
        self._ready.append(head)
        if whole is not None or not framing.has_body:
            if whole is None and not isinstance(body, bytes):
                body.drop()
            if whole and framing.has_body:
                self._ready.append(whole)
            self._finish(asked)
        else:
            assert not isinstance(body, bytes)
            self._answered = _Answered(asked, body, framing)

    async def _read_on(self, answered: _Answered) -> None:
        chunk = await answered.body.read()
        if chunk is None:
            if answered.framing.chunked:
                self._ready.append(LAST_CHUNK)
            self._answered = None
            self._finish(answered.asked)
        elif chunk:
            self._ready.append(answered.framing.piece(chunk))

    def _finish(self, asked: _Writing) -> None:
        if self._asked and self._asked[0] is asked:
            self._asked.popleft()
        if asked.head.last:
            self._ended = True


class _Writing:
    """A request that the client writes: `head`, then its body piece by piece."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.sent: Sent | None = None
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._complete = False
        self._broken = False
        self._unread = True
        self._wake: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None

    def add(self, piece: bytes) -> None:
        if self._unread:
            self._pieces.append(piece)
            self._size += len(piece)
            _settle(self._wake)

    def end(self) -> None:
        self._complete = True
        _settle(self._wake)

    def cancel(self) -> None:
        self._broken = not self._complete
        _settle(self._wake)
        _settle(self._room)
        if self.sent is not None:
            self.sent.cancel()

    def whole(self) -> bytes | None:
        """All of a small body; None when the request has none."""
        body = b"".join(self._pieces)
        self._pieces.clear()
        self._complete = True
        return body if self.head.length else None

    @property
    def is_full(self) -> bool:
        return self._size > UPLOAD_WINDOW and self._unread and self.sent is not None

    async def drain(self) -> None:
        while self.is_full:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    async def stream(self) -> AsyncIterator[bytes]:
        """The body as it is written, for whoever sends it."""
        try:
            while True:
                while self._pieces:
                    piece = self._pieces.popleft()
                    self._size -= len(piece)
                    _settle(self._room)
                    yield piece
                if self._broken:
                    raise ConnectionResetError("the client closed the connection in the middle of its request")
                if self._complete:
                    return
                self._wake = asyncio.get_running_loop().create_future()
                await self._wake
        finally:
            # The server has answered without reading all of it: the client may write the rest to nobody.
            self._unread = False
            self._pieces.clear()
            self._size = 0
            _settle(self._room)


class _Answered:
    """A response whose body is being read."""

    def __init__(self, asked: _Writing, body: ReceivedBody, framing: Framing) -> None:
        self.asked = asked
        self.body = body
        self.framing = framing


def _is_undone(pair: tuple[bytes, bytes]) -> bool:
    return pair[0].lower() == b"content-encoding" and pair[1].strip().lower() in _DECODED


def _settle(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
