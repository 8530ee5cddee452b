"""Content codings of bodies: what comes from outside is unpacked for user code, what a Worker says is packed is packed on its way out.

The platform does both (`encodeBody: "automatic"`), and user code sees the header all the while. A coding that is not here, or several
on top of each other, pass as they are in both directions.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterable
from typing import Protocol

import brotli

MOST_BYTES = 64 * 1024
"""About how much one step of unpacking gives, however well it was packed."""
_GZIP = 16 + zlib.MAX_WBITS
_WINDOW = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": zlib.MAX_WBITS}


class Broken(Exception):
    """The body is not what its content-encoding says."""


class Decoder(Protocol):
    """Unpacks a body piece by piece."""

    @property
    def hungry(self) -> bool:
        """It can do nothing without more input."""

    @property
    def finished(self) -> bool:
        """The packed body is over."""

    def feed(self, packed: bytes) -> bytes:
        """The next bytes, about MOST_BYTES at most; b"" as input goes on with what is there. Raises Broken."""


class Encoder(Protocol):
    """Packs a body piece by piece."""

    def feed(self, chunk: bytes) -> bytes:
        """All of `chunk`, so that whoever reads along can read it now."""

    def finish(self) -> bytes:
        """The end."""


class _Inflate:
    def __init__(self, window: int) -> None:
        self._zlib = zlib.decompressobj(window)

    @property
    def hungry(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def finished(self) -> bool:
        return self._zlib.eof

    def feed(self, packed: bytes) -> bytes:
        try:
            return self._zlib.decompress(self._zlib.unconsumed_tail + packed, MOST_BYTES)
        except zlib.error as error:
            raise Broken(str(error)) from error


class _Unbrotli:
    def __init__(self) -> None:
        self._brotli = brotli.Decompressor()

    @property
    def hungry(self) -> bool:
        return bool(self._brotli.can_accept_more_data())

    @property
    def finished(self) -> bool:
        return bool(self._brotli.is_finished())

    def feed(self, packed: bytes) -> bytes:
        try:
            return bytes(self._brotli.process(packed, output_buffer_limit=MOST_BYTES // 2))
        except brotli.error as error:
            raise Broken(str(error)) from error


class _Deflate:
    def __init__(self, window: int) -> None:
        self._zlib = zlib.compressobj(wbits=window)

    def feed(self, chunk: bytes) -> bytes:
        return self._zlib.compress(chunk) + self._zlib.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._zlib.flush()


class _Brotli:
    def __init__(self) -> None:
        self._brotli = brotli.Compressor(quality=4)

    def feed(self, chunk: bytes) -> bytes:
        return bytes(self._brotli.process(chunk) + self._brotli.flush())

    def finish(self) -> bytes:
        return bytes(self._brotli.finish())


def decoder(coding: str) -> Decoder | None:
    """What unpacks a body of this content-encoding, None for one that passes as it is."""
    return _Unbrotli() if coding == "br" else _Inflate(_WINDOW[coding]) if coding in _WINDOW else None


def encoder(headers: Iterable[tuple[bytes, bytes]]) -> Encoder | None:
    """What packs a body with these header lines, None where nothing is to be packed."""
    codings = [value for name, value in headers if len(name) == 16 and name.lower() == b"content-encoding"]
    if len(codings) != 1:
        return None
    coding = codings[0].strip().lower().decode("latin-1")
    return _Brotli() if coding == "br" else _Deflate(_WINDOW[coding]) if coding in _WINDOW else None


async def packed(body: AsyncIterator[bytes], packer: Encoder) -> AsyncIterator[bytes]:
    """A body as it comes, packed."""
    try:
        async for chunk in body:
            yield packer.feed(chunk)
        yield packer.finish()
    finally:
        close = getattr(body, "aclose", None)
        if close is not None:
            await close()
