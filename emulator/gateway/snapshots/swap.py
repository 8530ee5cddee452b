"""Objects' files are exchanged as a whole, or not at all: `kill -9` at any moment leaves all of the old state or all of the new.

What comes is staged beside the state, in its own folder and so on the same disk. Then a journal says what goes: from its rename on the new
state counts, and whoever takes the state's lock next finishes what is unfinished (`mend`). Each step may be done twice.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from emulator.errors import StartError
from emulator.gateway import alarm_rows
from emulator.gateway.alarm_rows import AlarmRow
from emulator.gateway.state_lock import SWAP

_NEW, _JOURNAL, _DRAFT = "new", "journal.json", "journal.draft"


class Swap:
    """One exchange below the persist folder `state`, whose lock is held. `stage` first, then `commit` or `abandon`."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._folder = state / SWAP

    @property
    def unfinished(self) -> bool:
        """Whether an exchange has begun and has not ended."""
        return (self._folder / _JOURNAL).exists()

    def stage(self) -> Path:
        """An empty folder for what comes: files go where they shall be below `state`. Nothing of the state is touched. Raises StartError
        E324 while an exchange is unfinished: what it has not put in its place is nowhere else."""
        if self.unfinished:
            what = "an exchange of the state before this one is not finished"
            raise StartError("E324", what, where=str(self._folder), hint="restart agents-emu, which finishes it")
        shutil.rmtree(self._folder, ignore_errors=True)
        staged = self._folder / _NEW
        staged.mkdir(parents=True)
        return staged

    def commit(self, remove: Iterable[Path], alarms: Mapping[Path, tuple[list[str] | None, list[AlarmRow]]]) -> None:
        """`remove` are the files that go, those that are replaced may be among them; nobody has one open. `alarms`: for each alarm index,
        the ids whose rows go (None = all) and the rows that come. Raises OSError or sqlite3.Error: then the old state counts, or, when the
        journal stands, `mend` is due."""
        staged = {path.relative_to(self._folder / _NEW) for path in (self._folder / _NEW).rglob("*") if path.is_file()}
        # A file that is replaced is not removed: done a second time, that would remove the new one.
        gone = sorted(str(path) for path in {path.relative_to(self._state) for path in remove} - staged)
        rows = {str(path.relative_to(self._state)): change for path, change in alarms.items()}
        draft = self._folder / _DRAFT
        with draft.open("w", encoding="utf-8") as file:
            json.dump({"remove": gone, "alarms": rows}, file)
            file.flush()
            os.fsync(file.fileno())
        os.rename(draft, self._folder / _JOURNAL)
        mend(self._state)

    def abandon(self) -> None:
        """Forget what was staged."""
        shutil.rmtree(self._folder, ignore_errors=True)


def mend(state: Path) -> bool:
    """Finish an exchange whose journal stands, and throw away what was only staged; whether there was one to finish. Raises OSError or
    sqlite3.Error."""
    folder = state / SWAP
    if not folder.exists():
        return False
    journal = folder / _JOURNAL
    if not journal.exists():
        shutil.rmtree(folder, ignore_errors=True)
        return False
    data = json.loads(journal.read_text("utf-8"))
    # First what goes: the log of an old database must not be found beside a new one.
    for path in data["remove"]:
        (state / path).unlink(missing_ok=True)
    staged = folder / _NEW
    for path in sorted(staged.rglob("*")):
        if path.is_file():
            target = state / path.relative_to(staged)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, target)
    for path, (idents, rows) in data["alarms"].items():
        alarm_rows.replace(state / path, idents, rows)
    journal.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    return True
