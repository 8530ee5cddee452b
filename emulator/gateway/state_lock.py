"""One runtime per state folder: two processes with the same objects would break their databases (design 4.2).

Ours hold a lock on a file in it, which the kernel releases however they die. `wrangler dev` knows no such lock; where /proc shows
who has files open below the folder, a live one is found by that.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from emulator.errors import StartError

FILE_NAME = ".agents-emu.lock"
SWAP = ".agents-emu.swap"
"""Where an exchange of the state is prepared (snapshots/swap.py)."""


class StateLock:
    """Take it with `with`. `unclean` is True while the alarm index may disagree with the objects: a holder before us was killed, and
    nobody has said `settled` since. The next holder inherits it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None
        self.unclean = False

    def __enter__(self) -> StateLock:
        """Raises StartError E321 (another emulator has it), E322 (another runtime has), E323 (the folder cannot be written) or E324
        (a holder before us was killed while it exchanged the state, and that cannot be finished)."""
        path = self._folder / FILE_NAME
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            what = f"the state folder cannot be written: {(error.strerror or str(error)).lower()}"
            raise StartError("E323", what, where=str(self._folder), hint="choose another with --persist-to") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            what = f"another agents-emu (process {holder}) serves this state folder"
            hint = "use that one, stop it, or choose another folder with --persist-to"
            raise StartError("E321", what, where=str(self._folder), hint=hint) from error
        self.unclean = bool(os.pread(descriptor, 32, 0).strip())
        other = runtime_in(self._folder)
        if other is not None:
            os.close(descriptor)
            what = f"{other[1]} (process {other[0]}) has the objects of this state folder open"
            hint = "stop it, or choose another folder with --persist-to"
            raise StartError("E322", what, where=str(self._folder), hint=hint)
        _mend(self._folder, descriptor)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor
        return self

    def settled(self) -> None:
        """The index agrees with the objects again."""
        self.unclean = False

    def doubted(self) -> None:
        """Something that belongs into the index did not get there: whoever comes next shall look."""
        self.unclean = True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Release it; an empty file says that the stop was clean."""
        if self._descriptor is not None:
            if not self.unclean:
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


def _mend(folder: Path, descriptor: int) -> None:
    """Finish what a killed holder had begun (snapshots/swap.py). Closes the descriptor when it raises."""
    if not (folder / SWAP).exists():
        return
    import sqlite3  # late, as what follows: a start must not wait for what is needed once in a year

    from emulator.gateway.snapshots.swap import mend

    try:
        mend(folder)
    except (OSError, ValueError, KeyError, sqlite3.Error) as error:
        os.close(descriptor)
        what = f"an exchange of the state that was cut off cannot be finished: {error}"
        raise StartError("E324", what, where=str(folder / SWAP), hint="see what has its files open, or look at the disk") from error


def runtime_in(folder: Path) -> tuple[int, str] | None:
    """Process id and name of another process with a database open below `folder`, where /proc shows it."""
    below = str(folder.resolve()) + os.sep
    proc = Path("/proc")
    if not proc.is_dir():
        return None
    for process in proc.iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            name = (process / "comm").read_text().strip()
            # Editors and database browsers may look into files; only a runtime keeps objects open.
            if name not in ("workerd", "node"):
                continue
            for link in (process / "fd").iterdir():
                target = os.readlink(link)
                if target.startswith(below) and ".sqlite" in target:
                    return int(process.name), name
        except OSError:
            continue  # another user's process, or one that just ended
    return None
