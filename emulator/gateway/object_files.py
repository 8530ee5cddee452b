"""The objects that exist on disk, whoever made them: one file each below `<state>/v3/do/<worker>-<Class>/` (design 4.2).

Looking opens no object: files are listed, and names are read without a lock and without writing.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Container
from contextlib import closing
from pathlib import Path

from emulator.core.ids import InvalidId, Namespace

ObjectKey = tuple[str, str]
"""Class and id."""


class ObjectFiles:
    """The files of one worker. A name that was read once is not read again: an object's name never changes."""

    def __init__(self, state: Path, worker: str) -> None:
        self._root = state / "v3" / "do"
        self._worker = worker
        self._names: dict[ObjectKey, str] = {}

    async def all(self, known: Container[ObjectKey]) -> dict[ObjectKey, str | None]:
        """Every object with a file and its name, None where the file tells none. Names of `known` ones are not looked up. In a thread."""
        return await asyncio.to_thread(self._all, known)

    def path(self, class_name: str, ident: str) -> Path:
        """Where an object's database is, or would be."""
        return self._root / f"{self._worker}-{class_name}" / f"{ident}.sqlite"

    def folders(self) -> list[Path]:
        """Where the objects of each class are."""
        prefix = f"{self._worker}-"
        # Not those of a worker whose name begins like ours.
        return [folder for folder in self._root.glob(f"{prefix}*") if folder.name.removeprefix(prefix).isidentifier()]

    def any(self) -> bool:
        """Whether there is an object."""
        return any(len(path.stem) == 64 for folder in self.folders() for path in folder.glob("*.sqlite"))

    def forget(self) -> None:
        """They are other files now."""
        self._names.clear()

    def _all(self, known: Container[ObjectKey]) -> dict[ObjectKey, str | None]:
        found: dict[ObjectKey, str | None] = {}
        for folder in self.folders():
            class_name = folder.name.removeprefix(f"{self._worker}-")
            namespace = Namespace.of(self._worker, class_name)
            for path in folder.glob("*.sqlite"):
                try:
                    key = class_name, namespace.check(path.stem)
                except InvalidId:
                    continue  # metadata.sqlite, and the files of facets
                if key not in self._names and key not in known:
                    name = _name(path)
                    if name is not None:
                        self._names[key] = name
                found[key] = self._names.get(key)
        return found


def _name(path: Path) -> str | None:
    """The name in the file; None when it has none or cannot be read: the host will say what is wrong with it."""
    # What a killed process left in its log belongs to the file. Without a log nobody writes, and nothing needs to be locked or made.
    how = "mode=ro" if path.with_name(path.name + "-wal").exists() else "immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?{how}", uri=True, timeout=0.2)) as database:
            row = database.execute("SELECT name FROM __miniflare_do_name WHERE id = 1").fetchone()
    except sqlite3.Error:
        return None
    return str(row[0]) if row and row[0] is not None else None
