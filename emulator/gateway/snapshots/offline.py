"""State verbs while no server runs: on the files, under the state's lock. They answer what the control API answers."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from emulator.config import Options, Project
from emulator.gateway.snapshots import databases
from emulator.gateway.snapshots.answers import exchanged_answer, listed_answer, saved_answer
from emulator.gateway.snapshots.failures import cannot_save, cannot_stage, locked, unfinished
from emulator.gateway.snapshots.library import SNAPSHOTS, SnapshotLibrary
from emulator.gateway.snapshots.manifest import Manifest
from emulator.gateway.snapshots.scope import parse_scope
from emulator.gateway.snapshots.snapshots import Change, Snapshots, shape_of
from emulator.gateway.state_lock import StateLock


@dataclass(frozen=True, slots=True)
class _Exchanged:
    removed: int
    objects: int
    alarms: int
    ms: int
    manifest: Manifest | None
    sockets: int = 0


class OfflineState:
    """Each verb raises what live.py's do, and StartError E321 or E322 when a server uses the state after all."""

    def __init__(self, project: Project, options: Options) -> None:
        self._worker = project.name
        self._folder = options.persist_to
        library = SnapshotLibrary(options.fixtures / SNAPSHOTS)
        self._snapshots = Snapshots(library, options.persist_to, lambda: shape_of(project), _now_ms, lambda: None)

    def list(self) -> dict[str, Any]:
        """As `GET state`."""
        return listed_answer(self._snapshots)

    def show(self, name: str) -> dict[str, Any]:
        """As `GET state/{snapshot}`."""
        return self._snapshots.describe(name)

    def save(self, name: str, class_name: str | None, target: str | None, *, replace: bool) -> dict[str, Any]:
        """As `POST state/save`."""
        scope = parse_scope(self._worker, class_name, target)
        try:
            with StateLock(self._folder), self._snapshots.library.draft(name, replace=replace) as draft:
                left_out = self._snapshots.copy(draft, scope)
                manifest = self._snapshots.describe_draft(draft, scope)
        except databases.Busy as error:
            raise locked() from error
        except (databases.Damaged, OSError) as error:
            raise cannot_save(name, error) from error
        return saved_answer(name, manifest, left_out, self._snapshots.library.folder / name)

    def load(self, name: str, class_name: str | None, target: str | None) -> dict[str, Any]:
        """As `POST state/load`."""
        narrowed = class_name is not None or target is not None
        scope = parse_scope(self._worker, class_name, target) if narrowed else None
        return {"loaded": name, **self._exchange(lambda: self._snapshots.prepare_load(name, scope))}

    def reset(self, class_name: str | None, target: str | None) -> dict[str, Any]:
        """As `POST state/reset`."""
        scope = parse_scope(self._worker, class_name, target)
        return {"reset": str(scope), **self._exchange(lambda: self._snapshots.prepare_reset(scope))}

    def _exchange(self, prepare: Callable[[], Change]) -> dict[str, Any]:
        began = time.monotonic()
        with StateLock(self._folder) as lock:
            try:
                change = prepare()
            except (OSError, shutil.Error) as error:
                raise cannot_stage(error) from error
            try:
                removed = self._snapshots.apply(change)
            except (OSError, sqlite3.Error) as error:
                lock.doubted()
                raise (cannot_stage if self._snapshots.abandon() else unfinished)(error) from error
        ms = round((time.monotonic() - began) * 1000)
        return exchanged_answer(_Exchanged(removed, change.objects, len(change.alarms), ms, change.manifest), None)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
