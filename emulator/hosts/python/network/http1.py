"""HTTP/1.1 as the server's end of a connection hears and says it (RFC 9112): requests out of bytes, responses into bytes. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

type Pairs = list[tuple[bytes, bytes]]

_MOST_HEAD = 1024 * 1024
"""Bytes of a request's head. Generous: a client that writes more does not speak HTTP."""
MOST_PIECE = 64 * 1024
"""Bytes of a request's body that are given at once, however much the client wrote at once."""
_NO_CONTENT = frozenset({204, 304})
_OF_THE_CONNECTION = frozenset({b"connection", b"keep-alive", b"transfer-encoding"})
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
TUNNEL = b"HTTP/1.1 200 Connection established\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


class NotHttp(ConnectionError):
    """What the client wrote is no HTTP/1.1 request."""


@dataclass(frozen=True, slots=True)
class Head:
    """A request's head. `length` is the body's size in bytes, None when it is chunked; `last`: the client closes after the answer."""

    method: bytes
    target: bytes
    headers: Pairs
    length: int | None
    last: bool
    waits: bool
    """`Expect: 100-continue`: the client wants to be asked for the body."""


class End:
    """A request is complete."""


END = End()


class RequestParser:
    """`feed` takes what a client writes and gives what it has said: a Head, pieces of its body as they came, END; and again."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._left: int | None = None
        """Bytes to come of the body or of its current chunk; None outside of them."""
        self._chunked = False
        self._trailing = False
        self._in_head = True

    def feed(self, data: bytes) -> list[Head | bytes | End]:
        """Raises NotHttp."""
        self._buffer += data
        said: list[Head | bytes | End] = []
        while (one := self._next()) is not None:
            said.append(one)
        return said

    def _next(self) -> Head | bytes | End | None:
        if self._in_head:
            return self._head()
        if self._left is None:
            return self._chunk_size()
        if self._left > 0:
            return self._data()
        if not self._chunked:
            return self._ended()
        # The line break behind a chunk's data.
        if len(self._buffer) < 2:
            return None
        del self._buffer[:2]
        self._left = None
        return self._chunk_size()

    def _head(self) -> Head | None:
        # A line break ahead of a request is allowed (RFC 9112 2.2).
        while self._buffer[:2] == b"\r\n":
            del self._buffer[:2]
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _MOST_HEAD:
                raise NotHttp("no end of a request's head")
            return None
        head = read_head(bytes(self._buffer[:end]))
        del self._buffer[: end + 4]
        self._in_head = False
        self._chunked = head.length is None
        self._left = head.length
        return head

    def _data(self) -> bytes | None:
        assert self._left is not None
        piece = bytes(self._buffer[: min(self._left, MOST_PIECE)])
        if not piece:
            return None
        del self._buffer[: len(piece)]
        self._left -= len(piece)
        return piece

    def _chunk_size(self) -> bytes | End | None:
        if self._trailing:
            return self._trailers()
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return None
        size = bytes(self._buffer[:end]).partition(b";")[0].strip()
        try:
            left = int(size, 16)
        except ValueError:
            raise NotHttp(f"{size[:40]!r} is no size of a chunk") from None
        del self._buffer[: end + 2]
        if left == 0:
            self._trailing = True
            return self._trailers()
        self._left = left
        return self._data()

    def _trailers(self) -> End | None:
        """Trailer fields, which nobody needs, up to the empty line."""
        while (end := self._buffer.find(b"\r\n")) >= 0:
            del self._buffer[: end + 2]
            if end == 0:
                return self._ended()
        return None

    def _ended(self) -> End:
        self._in_head, self._chunked, self._trailing, self._left = True, False, False, None
        return END


def read_head(text: bytes) -> Head:
    """A request's head, without the empty line. Raises NotHttp."""
    first, *lines = text.split(b"\r\n")
    parts = first.split(b" ")
    if len(parts) != 3 or not parts[2].startswith(b"HTTP/1."):
        raise NotHttp(f"{first[:80]!r} is no request line of HTTP/1.1")
    headers: Pairs = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and headers:
            name, value = headers[-1]
            headers[-1] = (name, value + b" " + line.strip())
            continue
        name, colon, value = line.partition(b":")
        if not colon or not name:
            raise NotHttp(f"{line[:80]!r} is no header")
        headers.append((name, value.strip()))
    named = {name.lower(): value for name, value in headers}
    chunked = named.get(b"transfer-encoding", b"").lower().endswith(b"chunked")
    connection = named.get(b"connection", b"").lower()
    length = named.get(b"content-length", b"0")
    if not length.isdigit():
        raise NotHttp(f"{length[:40]!r} is no content-length")
    return Head(
        parts[0],
        parts[1],
        [(name, value) for name, value in headers if name.lower() not in _OF_THE_CONNECTION],
        None if chunked else int(length),
        b"close" in connection or (parts[2] == b"HTTP/1.0" and b"keep-alive" not in connection),
        named.get(b"expect", b"").lower() == b"100-continue",
    )


@dataclass(frozen=True, slots=True)
class Framing:
    """How a response's body goes over the connection: `none` at all, in chunks, or as it is, `content-length` saying where it ends."""

    has_body: bool
    chunked: bool

    def piece(self, data: bytes) -> bytes:
        """A piece of the body on the wire. Never split or merged: a client that reads by chunks sees the sender's."""
        return b"%x\r\n%b\r\n" % (len(data), data) if self.chunked else data


def write_head(method: bytes, status: int, reason: bytes, headers: Pairs, size: int | None) -> tuple[bytes, Framing]:
    """A response's head on the wire and how its body follows. `size` is the body's when all of it is known."""
    has_body = method != b"HEAD" and status not in _NO_CONTENT and status >= 200
    kept = [(name, value) for name, value in headers if name.lower() not in _OF_THE_CONNECTION]
    if has_body and size is not None:
        kept = [(name, value) for name, value in kept if name.lower() != b"content-length"]
        kept.append((b"content-length", b"%d" % size))
    chunked = has_body and not any(name.lower() == b"content-length" for name, _ in kept)
    if chunked:
        kept.append((b"transfer-encoding", b"chunked"))
    lines = [b"HTTP/1.1 %d %b" % (status, reason or _phrase(status)), *(b"%b: %b" % pair for pair in kept)]
    return b"\r\n".join(lines) + b"\r\n\r\n", Framing(has_body, chunked)


def _phrase(status: int) -> bytes:
    return HTTPStatus(status).phrase.encode() if status in HTTPStatus else b""
