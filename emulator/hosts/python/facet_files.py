"""The files of an object's facets: `<id>.facets` numbers them, `<id>.<n>.sqlite` hold their data (design.md 4.2).

The index is append-only: 8 bytes magic, then per facet the number of its parent (u16 LE, 0 is the root object), the length of
its name in bytes (u16 LE) and the name. A facet's number is its position, counted from 1, and is never reused.
"""

from __future__ import annotations

import struct
from pathlib import Path

from emulator.errors import StartError

MAGIC = bytes.fromhex("57efb0c55bcecdc4")
ROOT = 0
_ENTRY = struct.Struct("<HH")
_SQLITE_SUFFIXES = ("", "-wal", "-shm")


class FacetFiles:
    """The facets of one root object, whose own file is `root` (`<id>.sqlite`)."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._index = root.with_suffix(".facets")
        self._numbers: dict[tuple[int, str], int] | None = None
        self._end = 0

    def number(self, parent: int, name: str) -> int:
        """The number of facet `name` of facet `parent` (0: the root), given out now if it has none."""
        numbers = self._load()
        known = numbers.get((parent, name))
        if known is not None:
            return known
        encoded = name.encode()
        entry = _ENTRY.pack(parent, len(encoded)) + encoded
        self._index.parent.mkdir(parents=True, exist_ok=True)
        with self._index.open("r+b" if self._index.exists() else "xb") as file:
            if not self._end:
                file.write(MAGIC)
                self._end = len(MAGIC)
            file.seek(self._end)
            file.write(entry)
            file.truncate()
        self._end += len(entry)
        numbers[parent, name] = len(numbers) + 1
        return len(numbers)

    def find(self, parent: int, name: str) -> int | None:
        """The number of a facet that has one."""
        return self._load().get((parent, name))

    def children(self, parent: int) -> dict[str, int]:
        """Name and number of the facets of `parent`, whether or not they hold data."""
        return {name: number for (above, name), number in self._load().items() if above == parent}

    def path(self, number: int) -> Path:
        """The database file of facet `number`; of the root itself for 0."""
        return self._root if number == ROOT else self._root.with_suffix(f".{number}.sqlite")

    def delete(self, number: int) -> list[int]:
        """Remove the data of facet `number` and of every facet below it; the numbers, deepest first. Close their databases before."""
        removed = [n for child in self.children(number).values() for n in self.delete(child)]
        path = self.path(number)
        for suffix in _SQLITE_SUFFIXES:
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return [*removed, number]

    def _load(self) -> dict[tuple[int, str], int]:
        if self._numbers is None:
            self._numbers, self._end = self._parse()
        return self._numbers

    def _parse(self) -> tuple[dict[tuple[int, str], int], int]:
        """The index and where its last whole entry ends: a half-written one, left by a crash, is overwritten by the next."""
        try:
            data = self._index.read_bytes()
        except FileNotFoundError:
            return {}, 0
        if data[: len(MAGIC)] != MAGIC[: len(data)]:
            raise StartError(
                "E352",
                "the facet index of this object is not one",
                where=str(self._index),
                hint=f"restore it from a copy; without it the facets' data cannot be named:  mv '{self._index}' '{self._index}.broken'",
            )
        numbers: dict[tuple[int, str], int] = {}
        position = len(MAGIC)
        if len(data) < position:
            return {}, 0
        while position + _ENTRY.size <= len(data):
            parent, length = _ENTRY.unpack_from(data, position)
            end = position + _ENTRY.size + length
            if end > len(data):
                break
            numbers[parent, data[position + _ENTRY.size : end].decode("utf-8", "replace")] = len(numbers) + 1
            position = end
        return numbers, position
