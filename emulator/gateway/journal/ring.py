"""The newest entries, in memory, as blocks of lines. Bounded in entries and in bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

ENTRIES = 10_000
BYTES = 32 * 1024 * 1024


class Block(NamedTuple):
    """Entries `first` to `last`, a line each; a gap is a block of one line."""

    first: int
    last: int
    lines: bytes


class Ring:
    """Append blocks in order; read those behind a number."""

    def __init__(self) -> None:
        self._blocks: deque[Block] = deque()
        self._bytes = 0

    @property
    def first(self) -> int:
        """Number of the oldest entry there is, 0 when there is none."""
        return self._blocks[0].first if self._blocks else 0

    def append(self, block: Block) -> None:
        """One more; the oldest go."""
        blocks = self._blocks
        blocks.append(block)
        self._bytes += len(block.lines)
        while len(blocks) > 1 and (block.last - blocks[0].last >= ENTRIES or self._bytes > BYTES):
            self._bytes -= len(blocks.popleft().lines)

    def behind(self, seq: int) -> Iterator[Block]:
        """Blocks with entries after `seq`, oldest first."""
        found = []
        for block in reversed(self._blocks):
            if block.last <= seq:
                break
            found.append(block)
        return reversed(found)

    def clear(self) -> None:
        """Nothing is left."""
        self._blocks.clear()
        self._bytes = 0
