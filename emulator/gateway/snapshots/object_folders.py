"""The files of one Worker's objects on disk: `<state>/v3/do/<worker>-<Class>/<id>.*` (design 4.2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from emulator.core.ids import InvalidId, Namespace
from emulator.gateway.snapshots.scope import Scope

LOGS = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database while it is open, and after a crash."""


class ObjectFolders:
    """`state` is the persist folder, `worker` the project's name."""

    def __init__(self, state: Path, worker: str) -> None:
        self._root = state / "v3" / "do"
        self._worker = worker

    def folder(self, class_name: str) -> Path:
        """Of one class, whether or not it is there."""
        return self._root / f"{self._worker}-{class_name}"

    def classes(self) -> list[str]:
        """Every class that has a folder."""
        if not self._root.is_dir():
            return []
        prefix = f"{self._worker}-"
        names = (folder.name.removeprefix(prefix) for folder in self._root.iterdir() if folder.name.startswith(prefix) and folder.is_dir())
        # What is no identifier belongs to a worker whose name begins like ours.
        return sorted(name for name in names if name.isidentifier())

    def files(self, scope: Scope) -> Iterator[tuple[str, str, str]]:
        """Class, id and suffix of each file, logs included, in order."""
        for class_name in self.classes():
            if scope.class_name not in (None, class_name):
                continue
            namespace = Namespace.of(self._worker, class_name)
            for path in sorted(self.folder(class_name).iterdir()):
                ident, _, suffix = path.name.partition(".")
                if scope.id not in (None, ident) or not suffix:
                    continue
                try:
                    if namespace.check(ident) == ident:
                        yield class_name, ident, suffix
                except InvalidId:
                    continue  # metadata.sqlite, and what is not ours

    def objects(self, scope: Scope) -> dict[tuple[str, str], list[str]]:
        """The suffixes of each object's files by class and id, without logs; only of objects that have a database."""
        found: dict[tuple[str, str], list[str]] = {}
        for class_name, ident, suffix in self.files(scope):
            if not suffix.endswith(LOGS):
                found.setdefault((class_name, ident), []).append(suffix)
        return {key: suffixes for key, suffixes in found.items() if "sqlite" in suffixes}
