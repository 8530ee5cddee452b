"""A recorded stream that is too long to hold: its chunks are read from the blob as they are played, so memory stays flat."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import overload

from emulator.gateway.ai.answers import Chunk
from emulator.gateway.ai.recorder.byte_edits import Split
from emulator.gateway.failures import NetworkFailure

WINDOW = 1024 * 1024
"""Bytes that are held of it."""


class LongBody(Sequence[Chunk]):
    """The file at `path` in the pieces in which it came. Reading raises NetworkFailure when the file is no longer what it was."""

    def __init__(self, path: Path, splits: Sequence[Split]) -> None:
        self._path = path
        self._splits = splits
        self._starts = list(accumulate((size for _, size in splits), initial=0))
        self._window = b""
        self._at = 0

    def __len__(self) -> int:
        return len(self._splits)

    @overload
    def __getitem__(self, index: int) -> Chunk: ...
    @overload
    def __getitem__(self, index: slice) -> list[Chunk]: ...
    def __getitem__(self, index: int | slice) -> Chunk | list[Chunk]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        t_ms, size = self._splits[index]
        return Chunk(t_ms, self._bytes(self._starts[range(len(self))[index]], size))

    def _bytes(self, start: int, size: int) -> bytes:
        if not self._at <= start <= start + size <= self._at + len(self._window):
            self._at, self._window = start, self._read(start, max(size, WINDOW))
        offset = start - self._at
        data = self._window[offset : offset + size]
        if len(data) < size:
            raise NetworkFailure.lost(f"{self._path.name} became shorter while it was played")
        return data

    def _read(self, start: int, size: int) -> bytes:
        try:
            with self._path.open("rb") as file:
                file.seek(start)
                return file.read(size)
        except OSError as error:
            raise NetworkFailure.lost(f"{self._path.name} cannot be read while it is played: {error.strerror}") from error
