"""WebSocket frames of one connection: bytes in, messages out, and frames as bytes (RFC 6455). Pure.

The server's side of the edge. It exists instead of a library's because of what the platform shows its users: text is passed on as
bytes even when it is no UTF-8 (S-86), an oversized message is answered with its size (durable-objects.md 5.2), an idle socket may
cost almost nothing, and no extension is negotiated (permessage-deflate made a client lose its last message).
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterator
from enum import IntEnum

from emulator.core import sockets as rules

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_PAIR, _LONG = struct.Struct("!BBH"), struct.Struct("!BBQ")
_U16, _U64 = struct.Struct("!H"), struct.Struct("!Q")
_FIN, _RESERVED, _MASKED = 0x80, 0x70, 0x80


class Opcode(IntEnum):
    """What a frame is."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class ProtocolError(Exception):
    """The client broke the protocol: the connection is closed with `code`, and the object's `webSocketError` hears the text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def accept_key(key: bytes) -> bytes:
    """`Sec-WebSocket-Accept` for a `Sec-WebSocket-Key`."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def frame(opcode: int, payload: bytes) -> bytes:
    """One unmasked, unfragmented frame."""
    size = len(payload)
    if size < 126:
        return bytes((_FIN | opcode, size)) + payload
    if size < 65536:
        return _PAIR.pack(_FIN | opcode, 126, size) + payload
    return _LONG.pack(_FIN | opcode, 127, size) + payload


def close_frame(code: int | None, reason: str) -> bytes:
    """A Close frame; None = without a code. A reason that does not fit is cut at a character."""
    if code is None:
        return frame(Opcode.CLOSE, b"")
    text = reason.encode("utf-8", "replace")[: rules.MAX_REASON].decode("utf-8", "ignore")
    return frame(Opcode.CLOSE, _U16.pack(code) + text.encode())


def read_close(payload: bytes) -> tuple[int | None, str]:
    """Code and reason of a Close payload; ProtocolError when it is malformed."""
    if not payload:
        return None, ""
    if len(payload) == 1:
        raise ProtocolError(1002, "a Close frame has half a code")
    code = _U16.unpack_from(payload)[0]
    if rules.close_code_error(code) is not None:
        raise ProtocolError(1002, f"a Close frame has the invalid code {code}")
    return code, payload[2:].decode("utf-8", "replace")


def unmasked(mask: bytes, data: bytes) -> bytes:
    """The payload behind a client's mask: one XOR of two big integers, the fastest way without compiled code."""
    size = len(data)
    if not size or mask == b"\0\0\0\0":
        return data
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


class MessageReader:
    """Cuts a client's bytes into messages: fragments are joined, control frames come through in between."""

    __slots__ = ("_buffer", "_fragments", "_opcode", "_size", "limit")

    def __init__(self, limit: int = rules.MAX_MESSAGE) -> None:
        self.limit = limit
        self._buffer: bytes | bytearray = b""
        self._fragments: list[bytes] | None = None
        self._opcode = 0
        self._size = 0

    def receive(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Messages and control frames completed by `data`, as (opcode, payload). ProtocolError ends the connection."""
        buffer = self._buffer
        if buffer:
            if not isinstance(buffer, bytearray):
                buffer = bytearray(buffer)
            buffer += data
        else:
            buffer = data
        at, end = 0, len(buffer)
        try:
            while end - at >= 2:
                first, second = buffer[at], buffer[at + 1]
                size, head = second & 0x7F, at + 2
                if size == 126:
                    if end - at < 4:
                        break
                    size, head = _U16.unpack_from(buffer, head)[0], at + 4
                elif size == 127:
                    if end - at < 10:
                        break
                    size, head = _U64.unpack_from(buffer, head)[0], at + 10
                opcode = first & 0x0F
                self._check(first, second, opcode, size)
                stop = head + 4 + size
                if stop > end:
                    break
                payload = unmasked(bytes(buffer[head : head + 4]), bytes(buffer[head + 4 : stop]))
                at = stop
                if first & _FIN and opcode:
                    yield opcode, payload
                elif (whole := self._join(first, opcode, payload)) is not None:
                    yield whole
        finally:
            if at == end:
                self._buffer = b""
            elif at:
                self._buffer = bytes(buffer[at:])
            else:
                self._buffer = buffer

    def _check(self, first: int, second: int, opcode: int, size: int) -> None:
        if first & _RESERVED:
            raise ProtocolError(1002, "a frame uses an extension that was not agreed on")
        if not second & _MASKED:
            raise ProtocolError(1002, "a client's frame is not masked")
        if opcode >= 8:
            if opcode > 10 or not first & _FIN or size > 125:
                raise ProtocolError(1002, "a control frame is malformed")
            return
        if opcode > 2 or (opcode == 0) == (self._fragments is None):
            raise ProtocolError(1002, "a frame does not continue what came before it")
        total = size + self._size
        if total > self.limit:
            raise ProtocolError(rules.TOO_BIG, rules.too_large(total, self.limit))

    def _join(self, first: int, opcode: int, payload: bytes) -> tuple[int, bytes] | None:
        if opcode:
            self._fragments, self._opcode, self._size = [payload], opcode, len(payload)
            return None
        assert self._fragments is not None
        self._fragments.append(payload)
        self._size += len(payload)
        if not first & _FIN:
            return None
        whole = b"".join(self._fragments)
        self._fragments, self._size = None, 0
        return self._opcode, whole
