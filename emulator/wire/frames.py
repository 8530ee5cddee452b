"""The frame table of the link and its codec: bytes in, frames out. Pure; wire/README.md is the specification."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from emulator.errors import WireError

PROTOCOL = 1
MAX_PAYLOAD = 64 * 1024 * 1024
BODY_WINDOW = 256 * 1024
SOCKET_WINDOW = 1024 * 1024

HEAD = struct.Struct("<IBBIq")
_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")

RawHeaders = Iterable[tuple[bytes, bytes]]


class Kind(IntEnum):
    """What a frame is; the numbers are the protocol."""

    HELLO = 1
    PRELOAD = 2
    LOAD = 3
    READY = 4
    FAILED = 5
    START = 6
    DRAIN = 7
    DRAINED = 8
    PING = 9
    PONG = 10
    REQUEST = 16
    RESPONSE = 17
    BODY = 18
    CREDIT = 19
    CANCEL = 20
    BROKEN = 21
    CALL = 22
    RESULT = 23
    ERROR = 24
    NOTE = 26
    TURN = 27
    POINT = 28
    TEXT = 32
    BINARY = 33
    CLOSE = 34
    FAULT = 35
    ACCEPTED = 36
    ATTACHMENT = 37
    ANSWERED = 38
    GONE = 39


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

KINDS = frozenset(int(kind) for kind in Kind)

# Flags of REQUEST and RESPONSE.
HAS_BODY = 1
UPGRADE = 2
WHOLE = 4
ENCODED = 8
# Flag of BODY.
LAST = 1
# Flags of CLOSE.
CLEAN = 1
CUT = 2


@dataclass(slots=True, frozen=True)
class Frame:
    """One frame. `kind` is a plain int so that the hot path compares numbers; `now_ms` is the sender's clock."""

    kind: int
    flags: int
    id: int
    now_ms: int
    payload: bytes

    def json(self) -> Any:
        """The JSON payload; WireError when it is none."""
        return read_json(self.payload)


class FrameDecoder:
    """Cuts a byte stream into frames. `receive` may be given any split of the stream, down to single bytes."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def receive(self, data: bytes) -> Iterator[Frame]:
        """Frames completed by `data`; WireError on an unknown kind or a payload over the limit."""
        buffer = self._buffer
        buffer += data
        at, end = 0, len(buffer)
        try:
            while end - at >= 18:
                length, kind, flags, ident, now_ms = HEAD.unpack_from(buffer, at)
                if kind not in KINDS:
                    raise WireError("E911", f"the other side sent a frame of unknown kind {kind}", hint=_VERSIONS)
                if length > MAX_PAYLOAD:
                    raise WireError("E912", f"the other side sent a frame of {length} bytes; the limit is {MAX_PAYLOAD}")
                stop = at + 18 + length
                if stop > end:
                    break
                payload = bytes(buffer[at + 18 : stop])
                at = stop
                yield Frame(kind, flags, ident, now_ms, payload)
        finally:
            if at:
                del buffer[:at]

    @property
    def pending(self) -> int:
        """Bytes of a frame that has not arrived whole."""
        return len(self._buffer)


def encode(kind: int, ident: int, now_ms: int, payload: bytes = b"", flags: int = 0) -> bytes:
    """One frame as bytes."""
    return HEAD.pack(len(payload), kind, flags, ident, now_ms) + payload


def write_json(value: Any) -> bytes:
    """A JSON payload."""
    return _ENCODER.encode(value).encode("utf-8", "surrogatepass")


def read_json(payload: bytes) -> Any:
    """A JSON payload's value; WireError when it is none."""
    try:
        return json.loads(payload)
    except ValueError as error:
        raise WireError("E913", f"a payload that should be JSON is not: {error}") from None


def write_request(target: bytes, method: bytes, url: bytes, headers: RawHeaders, body: bytes | None = None) -> bytes:
    """A request head, with the whole body behind it when given. Fields are the bytes of the HTTP message."""
    return _write_head([target, method, url], headers, body)


def write_response(status: int, reason: bytes, headers: RawHeaders, body: bytes | None = None) -> bytes:
    """A response head, with the whole body behind it when given."""
    return _write_head([b"%d" % status, reason], headers, body)


def _write_head(lines: list[bytes], headers: RawHeaders, body: bytes | None) -> bytes:
    for pair in headers:
        lines += pair
    head = b"\n".join(lines)
    return head if body is None else _U32.pack(len(head)) + head + body


@dataclass(slots=True)
class RequestHead:
    """`body` is None unless it came inline. Header names and values are raw bytes, in order."""

    target: str
    method: str
    url: str
    headers: list[tuple[bytes, bytes]]
    body: bytes | None


@dataclass(slots=True)
class ResponseHead:
    """`body` is None unless it came inline."""

    status: int
    reason: str
    headers: list[tuple[bytes, bytes]]
    body: bytes | None


def read_request(frame: Frame) -> RequestHead:
    """The head of a REQUEST frame."""
    lines, body = _read_head(frame, 3)
    target, method, url = lines[:3]
    pairs = list(zip(lines[3::2], lines[4::2], strict=False))
    return RequestHead(target.decode("latin-1"), method.decode("latin-1"), url.decode("latin-1"), pairs, body)


def read_response(frame: Frame) -> ResponseHead:
    """The head of a RESPONSE frame."""
    lines, body = _read_head(frame, 2)
    pairs = list(zip(lines[2::2], lines[3::2], strict=False))
    return ResponseHead(int(lines[0]), lines[1].decode("latin-1"), pairs, body)


def _read_head(frame: Frame, fixed: int) -> tuple[list[bytes], bytes | None]:
    head, body = frame.payload, None
    if frame.flags & WHOLE:
        if len(head) < 4:
            raise WireError("E914", "a request or response head is cut short")
        end = 4 + int(_U32.unpack_from(head)[0])
        head, body = head[4:end], head[end:]
    lines = head.split(b"\n")
    if len(lines) < fixed or (len(lines) - fixed) % 2:
        raise WireError("E914", "a request or response head has half a header")
    return lines, body


def write_credit(size: int) -> bytes:
    """Payload of CREDIT."""
    return _U32.pack(size)


def read_credit(payload: bytes) -> int:
    """Bytes granted by a CREDIT payload."""
    return int(_U32.unpack(payload)[0])


def write_close(code: int | None, reason: str) -> bytes:
    """Payload of CLOSE; None = the Close frame carries no code."""
    return _U16.pack(code or 0) + reason.encode("utf-8", "replace")


def read_close(payload: bytes) -> tuple[int | None, str]:
    """Code (None when there was none) and reason of a CLOSE payload."""
    return _U16.unpack_from(payload)[0] or None, payload[2:].decode("utf-8", "replace")


_VERSIONS = "both sides must come from one agents-emu version: reinstall it, and the project's own copy if it has one"
