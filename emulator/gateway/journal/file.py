"""The journal's file: NDJSON, bounded. A full one becomes `<name>.1` in place of the one before; the numbers go on in the next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from emulator.gateway.journal.ring import Block

MAX_FILE = 32 * 1024 * 1024
"""Bytes; both files together are at most twice that, and a batch."""


class JournalFile:
    """Takes blocks, writes them in batches. A new server begins a new file."""

    def __init__(self, path: Path) -> None:
        """Raises OSError when there can be no file."""
        self._path = path
        self._waiting: list[bytes] = []
        self._written = 0
        self._file: BinaryIO = _open_anew(path)

    def take(self, block: Block) -> None:
        """For the next batch."""
        self._waiting.append(block.lines)

    def write(self) -> None:
        """Write what was taken. Raises OSError."""
        waiting, self._waiting = self._waiting, []
        for lines in waiting:
            if self._written and self._written + len(lines) > MAX_FILE:
                self.begin()
            self._file.write(lines)
            self._written += len(lines)
        self._file.flush()

    def begin(self) -> None:
        """The file that there is becomes the one before."""
        self._file.close()
        self._file, self._written = _open_anew(self._path), 0

    def close(self) -> None:
        """Nothing is written any more."""
        self._file.close()


def _open_anew(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.replace(path.with_name(path.name + ".1"))
    return path.open("wb")


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of both files in order, without their line feeds; of a server that was killed the last one may be cut, and is left
    out. Raises OSError when there is no file."""
    before = path.with_name(path.name + ".1")
    for file in (before, path) if before.exists() else (path,):
        with file.open("rb") as stream:
            yield from (line[:-1] for line in stream if line.endswith(b"\n"))
