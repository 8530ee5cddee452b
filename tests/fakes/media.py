"""The smallest picture and a piece of silence."""

import struct
import zlib


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PNG = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(b"\0\x11\x22\x33"))
    + _chunk(b"IEND", b"")
)
"""One pixel, #112233."""

MP3 = (b"\xff\xfb\x10\xc4" + b"\0" * 100) * 6
"""Six frames of nothing, MPEG 1 layer III."""
