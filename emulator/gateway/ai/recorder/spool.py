"""What a body was, noted while it passed: its bytes, in memory up to a bound and on disk beyond it, and its transport splits."""

from __future__ import annotations

import os
import tempfile
from array import array
from collections.abc import Iterator

from emulator.gateway.ai.recorder.byte_edits import Split

IN_MEMORY = 2 * 1024 * 1024
"""Bytes of a body that are held; a longer one lies in a temporary file and becomes a blob."""
WINDOW = 64 * 1024
_MOST_SPLITS = 50_000


class Spool:
    """Close it when it is written or dropped. Past 50,000 splits, neighbours are joined up to 64 KiB: memory stays flat, and nobody
    reads such a stream chunk by chunk."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
        self._times, self._sizes = array("q"), array("q")
        self.size = 0
        self.failure: OSError | None = None
        """Why it is not whole: the disk is full. Whoever reads the answer must not suffer for that."""

    def add(self, t_ms: int, chunk: bytes) -> None:
        """Note a chunk."""
        if not chunk or self.failure is not None:
            return
        try:
            self._file.write(chunk)
        except OSError as error:
            self.failure = error
            return
        self.size += len(chunk)
        if len(self._sizes) >= _MOST_SPLITS and self._sizes[-1] + len(chunk) <= WINDOW:
            self._sizes[-1] += len(chunk)
        else:
            self._times.append(t_ms)
            self._sizes.append(len(chunk))

    @property
    def long(self) -> bool:
        """Whether it is more than is held in memory."""
        return self.size > IN_MEMORY

    @property
    def splits(self) -> list[Split]:
        return list(zip(self._times, self._sizes, strict=True))

    def read(self) -> bytes:
        """All of it."""
        return b"".join(self.windows())

    def last(self, count: int) -> bytes:
        """Its last `count` bytes, or all."""
        self._file.seek(max(0, self.size - count))
        data = self._file.read()
        self._file.seek(0, os.SEEK_END)
        return data

    def windows(self) -> Iterator[bytes]:
        """All of it, in pieces of 64 KiB."""
        self._file.seek(0)
        while window := self._file.read(WINDOW):
            yield window

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
