"""The snapshots of a project: folders below `fixtures/state/`, each complete or not there."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emulator.config.shape import nearest
from emulator.errors import UsageError
from emulator.gateway.snapshots import manifest as manifests
from emulator.gateway.snapshots.manifest import Manifest

SNAPSHOTS = "state"
"""The folder among the fixtures."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DRAFT, _OLD = ".draft", ".replaced"


class SnapshotLibrary:
    """`folder` is made when the first snapshot is saved."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def check_name(self, name: object) -> str:
        """The name, if it may be one: it becomes the name of a folder. Raises UsageError E260."""
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name.endswith("."):
            what = f"{str(name)[:60]!r} is no name of a snapshot"
            raise UsageError("E260", what, hint="letters, digits, and . _ - between them, for example before-refund")
        return name

    def names(self) -> list[str]:
        """All of them."""
        self._mend()
        if not self.folder.is_dir():
            return []
        return sorted(path.name for path in self.folder.iterdir() if _NAME.fullmatch(path.name) and path.is_dir())

    def path(self, name: str) -> Path:
        """The folder of one that is there. Raises UsageError E260 or E261."""
        self.check_name(name)
        known = self.names()
        if name not in known:
            close = nearest(name, known)
            hint = f"did you mean {close}?" if close else "agents-emu state list" if known else f"agents-emu state save {name}"
            raise UsageError("E261", f"there is no snapshot {name}", where=str(self.folder), hint=hint)
        return self.folder / name

    def read(self, name: str) -> Manifest:
        """Its manifest. Raises UsageError E260, E261, E263 (it is damaged) or E266 (it is of a later version)."""
        path = self.path(name) / manifests.FILE_NAME
        try:
            return manifests.decode(read_regular(path).decode())
        except manifests.Newer as error:
            raise UsageError("E266", f"the snapshot {name} cannot be read: {error}", where=str(path), hint="update agents-emu") from None
        except (OSError, ValueError, UsageError) as error:
            raise damaged(name, path, error) from None

    @contextmanager
    def draft(self, name: str, *, replace: bool) -> Iterator[Path]:
        """An empty folder that becomes the snapshot when the block ends well. Raises UsageError E260 or E262 (it exists; `replace` lets a
        new one take its place), OSError."""
        if self.check_name(name) in self.names() and not replace:
            hint = f"agents-emu state save {name} --replace, or another name"
            raise UsageError("E262", f"there is a snapshot {name} already", where=str(self.folder / name), hint=hint)
        draft = self.folder / f".{name}{_DRAFT}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        try:
            yield draft
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        target, old = self.folder / name, self.folder / f".{name}{_OLD}"
        if target.exists():
            os.rename(target, old)
        os.rename(draft, target)
        shutil.rmtree(old, ignore_errors=True)

    def _mend(self) -> None:
        """Who was killed between the two renames of a replacement left the old snapshot under another name."""
        for old in self.folder.glob(f".*{_OLD}") if self.folder.is_dir() else ():
            target = self.folder / old.name.removeprefix(".").removesuffix(_OLD)
            if target.exists():
                shutil.rmtree(old, ignore_errors=True)
            else:
                os.rename(old, target)


def read_regular(path: Path) -> bytes:
    """The bytes of a file that is no link: what a repository brings must not lead elsewhere. Raises OSError."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise OSError(f"{path.name} is no regular file")
    return path.read_bytes()


def damaged(name: str, path: Path, error: object) -> UsageError:
    """E263: what is on disk is not what was saved."""
    hint = f"restore it (git checkout {path.parent.name}), or save it anew: agents-emu state save {name} --replace"
    return UsageError("E263", f"the snapshot {name} is damaged: {error}", where=str(path), hint=hint)
