"""Which recordings a run used: what `agents-emu ai prune` must know before it calls a recording unused.

Every server writes one file for each session, when the session ends: `.agents-emu/ai-runs/<started>-<pid>-<count>.json` in the project. A
run of tests may start many servers, one for each worker; they all belong to one run when they find the same id in the variable
`AGENTS_EMU_AI_RUN`, or when the session was begun with that id.

No server can know whether a run was *full*: all tests, nothing filtered away, everything passed. Only who started it knows, so
`agents-emu ai replay --full -- <command>` sets the variable, and marks the run's records complete when the command ended well.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

VERSION = 1
VARIABLE = "AGENTS_EMU_AI_RUN"
"""The id of the run that a server belongs to."""

KEPT = 200
"""Files; the oldest are removed when a new one is written."""

Identity = tuple[str, str, str]
"""`Recording.identity`: cassette, id, hash of the file."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One session of one server. `started` and `ended` are ISO times in UTC; `cassettes` all that were searched, by name; `used` every
    recording that answered at least once. Money is in US dollars."""

    run: str
    started: str
    ended: str
    mode: str
    cassettes: tuple[str, ...]
    used: tuple[Identity, ...]
    fixtures: str = ""
    """The fixtures folder, absolute: a run says nothing about the recordings of another folder."""
    complete: bool = False
    calls: int = 0
    misses: int = 0
    spent_usd: float = 0.0
    saved_usd: float = 0.0

    def write(self, root: Path) -> Path:
        """Write the record for the project in `root`, atomically. Returns the file. Raises OSError."""
        folder = folder_of(root)
        folder.mkdir(parents=True, exist_ok=True)
        name = self.started.replace(":", "").replace("-", "")
        number = 0
        while (path := folder / f"{name}-{os.getpid()}-{number}.json").exists():
            number += 1
        _write(path, self)
        for old in _files(folder)[:-KEPT]:
            old.unlink(missing_ok=True)
        return path


@dataclass(frozen=True, slots=True)
class Run:
    """All sessions of one run. It is complete when each of its sessions is."""

    id: str
    started: str
    ended: str
    complete: bool
    modes: tuple[str, ...]
    cassettes: frozenset[str]
    used: frozenset[Identity]
    misses: int
    calls: int = 0
    spent_usd: float = 0.0
    saved_usd: float = 0.0


def folder_of(root: Path) -> Path:
    """Where the records of the project in `root` are."""
    return root / ".agents-emu" / "ai-runs"


def run_id(environ: Mapping[str, str], otherwise: str) -> str:
    """The run that a server belongs to: the one of its environment, or `otherwise`, one of its own."""
    return environ.get(VARIABLE) or otherwise


def complete(root: Path, run: str) -> int:
    """Mark all records of `run` as those of a full run that ended well. Returns how many there are; 0 means no server took part, or none
    has ended yet. Raises OSError."""
    found = [(path, record) for path, record in _records(root) if record.run == run]
    for path, record in found:
        _write(path, replace(record, complete=True))
    return len(found)


def newest_run(root: Path, fixtures: Path) -> Run | None:
    """The run that ended last of those that used this fixtures folder, or None. Files that are no records of ours are passed over."""
    return max(_runs(root, fixtures), key=lambda run: run.ended, default=None)


def newest_full_run(root: Path, fixtures: Path) -> Run | None:
    """Like `newest_run`, of the complete ones."""
    return max((run for run in _runs(root, fixtures) if run.complete), key=lambda run: run.ended, default=None)


def runs_after(root: Path, fixtures: Path, run: Run) -> list[Run]:
    """Those that ended after `run`, the newest first."""
    return sorted((one for one in _runs(root, fixtures) if one.ended > run.ended), key=lambda one: one.ended, reverse=True)


def _runs(root: Path, fixtures: Path) -> list[Run]:
    sessions: dict[str, list[RunRecord]] = {}
    for _, record in _records(root):
        if record.fixtures in ("", str(fixtures)):
            sessions.setdefault(record.run, []).append(record)
    return [_together(records) for records in sessions.values()]


def _together(records: list[RunRecord]) -> Run:
    return Run(
        id=records[0].run,
        started=min(record.started for record in records),
        ended=max(record.ended for record in records),
        complete=all(record.complete for record in records),
        modes=tuple(sorted({record.mode for record in records})),
        cassettes=frozenset(name for record in records for name in record.cassettes),
        used=frozenset(identity for record in records for identity in record.used),
        misses=sum(record.misses for record in records),
        calls=sum(record.calls for record in records),
        spent_usd=sum(record.spent_usd for record in records),
        saved_usd=sum(record.saved_usd for record in records),
    )


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json"))


def _records(root: Path) -> Iterable[tuple[Path, RunRecord]]:
    for path in _files(folder_of(root)):
        record = _parsed(path)
        if record is not None:
            yield path, record


def _parsed(path: Path) -> RunRecord | None:
    try:
        data: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if data.pop("v") != VERSION:
            return None
        used = tuple((str(cassette), str(name), str(digest)) for cassette, name, digest in data.pop("used"))
        return RunRecord(**{**data, "cassettes": tuple(data["cassettes"]), "used": used})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # another version's, or cut short by a crash: it is as if that run had not been


def _write(path: Path, record: RunRecord) -> None:
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"v": VERSION, **asdict(record)}, file)
            file.write("\n")
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
