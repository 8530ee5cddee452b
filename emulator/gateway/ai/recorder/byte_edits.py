"""Replacing pieces of a body while its transport splits keep their places. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

Split = tuple[int, int]
"""Milliseconds since the request, and the number of bytes that came then."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Bytes `start` to `end` become `data`. Lists of edits are in order and do not overlap."""

    start: int
    end: int
    data: bytes

    @property
    def growth(self) -> int:
        return len(self.data) - (self.end - self.start)


def apply_edits(data: bytes, edits: Sequence[Edit]) -> bytes:
    """`data` with every edit made."""
    return b"".join(edited_windows([data], edits))


def edited_windows(windows: Iterable[bytes], edits: Sequence[Edit]) -> Iterator[bytes]:
    """The same for data that comes in pieces, without holding more than one."""
    waiting = iter(edits)
    edit = next(waiting, None)
    offset = at = 0
    for window in windows:
        end = offset + len(window)
        while edit is not None and edit.start < end:
            if at < edit.start:
                yield window[max(at, offset) - offset : edit.start - offset]
            if edit.start >= offset:
                yield edit.data
            at = edit.end
            if edit.end > end:
                break
            edit = next(waiting, None)
        if at < end:
            yield window[max(at, offset) - offset :]
            at = end
        offset = end


def move_splits(splits: Sequence[Split], edits: Sequence[Edit]) -> list[Split]:
    """The splits of the edited data. A boundary inside a replaced piece moves behind it; a chunk that vanishes is left out."""
    if not edits:
        return list(splits)
    waiting = iter(edits)
    edit = next(waiting, None)
    moved: list[Split] = []
    offset = growth = before = 0
    for t_ms, size in splits:
        offset += size
        while edit is not None and edit.end <= offset:
            growth += edit.growth
            edit = next(waiting, None)
        cut = edit is not None and edit.start < offset
        boundary = (edit.start + growth + len(edit.data)) if cut and edit is not None else offset + growth
        if boundary > before:
            moved.append((t_ms, boundary - before))
            before = boundary
    return moved
