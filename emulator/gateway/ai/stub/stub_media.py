"""The smallest valid pictures and sounds, built from their formats' own rules. Pure."""

from __future__ import annotations

import struct
import zlib
from functools import cache


@cache
def png() -> bytes:
    """A PNG of one grey pixel."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\x00\x80")) + chunk(b"IEND", b"")


@cache
def jpeg() -> bytes:
    """A baseline JPEG of one grey pixel: flat quantisation, and Huffman tables that only know "no difference" and "end of block"."""

    def segment(marker: int, data: bytes) -> bytes:
        return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data

    one_code = bytes([1] + [0] * 15) + b"\x00"
    return b"".join(
        [
            b"\xff\xd8",
            segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"),
            segment(0xDB, b"\x00" + b"\x01" * 64),
            segment(0xC0, struct.pack(">BHHB", 8, 1, 1, 1) + b"\x01\x11\x00"),
            segment(0xC4, b"\x00" + one_code),
            segment(0xC4, b"\x10" + one_code),
            segment(0xDA, b"\x01\x01\x00\x00\x3f\x00"),
            b"\x3f\xff\xd9",
        ]
    )


@cache
def silent_mp3() -> bytes:
    """One second of silence: 28 frames of MPEG-1 layer III, 32 kbit/s, 32 kHz, mono (144 bytes and 36 ms each)."""
    frame = b"\xff\xfb\x18\xc0" + bytes(140)
    return frame * 28
