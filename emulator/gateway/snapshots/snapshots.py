"""Saving, checking and exchanging the state of a project's objects, on the files alone: who calls has the state's lock, and sees to it that
no object changes meanwhile. What a running server does besides is in live.py."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.config import Project, Storage
from emulator.core.alarms import AlarmKey
from emulator.errors import UsageError
from emulator.gateway.alarm_rows import AlarmRow
from emulator.gateway.snapshots import databases, fit
from emulator.gateway.snapshots import manifest as manifests
from emulator.gateway.snapshots.library import SnapshotLibrary, damaged, read_regular
from emulator.gateway.snapshots.manifest import Manifest, SavedClass, SavedFile, SavedObject
from emulator.gateway.snapshots.object_folders import ObjectFolders
from emulator.gateway.snapshots.scope import ALL, Scope
from emulator.gateway.snapshots.swap import Swap

INDEX = "metadata.sqlite"


def shape_of(project: Project) -> fit.Shape:
    """What of a project decides whether a snapshot fits."""
    classes = {name: kind.value for name, kind in project.storage.items()}
    for binding in project.durable_objects:
        if binding.script in (None, project.name):
            classes.setdefault(binding.class_name, Storage.LEGACY.value)
    return fit.Shape(project.name, classes, project.migrations)


@dataclass(frozen=True, slots=True)
class Change:
    """A new state that was checked and staged, and touches nothing yet. `objects` is how many come."""

    scope: Scope
    objects: int
    alarms: Mapping[AlarmKey, tuple[int, str | None]]
    manifest: Manifest | None = None


class Snapshots:
    """`state` is the persist folder; `shape` the project as it is now; `clock_ms` where a virtual clock stands, else None."""

    def __init__(
        self,
        library: SnapshotLibrary,
        state: Path,
        shape: Callable[[], fit.Shape],
        now_ms: Callable[[], int],
        clock_ms: Callable[[], int | None],
    ) -> None:
        self.library = library
        self.shape = shape
        self._state = state
        self._now_ms = now_ms
        self._clock_ms = clock_ms
        self._swap = Swap(state)

    # -- looking

    def all(self) -> list[dict[str, Any]]:
        """Each snapshot, the last saved first: `{name, saved_ms, scope, classes, objects, alarms, bytes, clock_ms, problem}`; `classes` has
        the count of objects of each. `problem` is an error's words where it cannot be loaded into this project."""
        rows = [self._row(name) for name in self.library.names()]
        return sorted(rows, key=lambda row: (-(row["saved_ms"] or 0), row["name"]))

    def describe(self, name: str) -> dict[str, Any]:
        """One snapshot as in the list, and `rows`: its objects as `{class, id, name, alarm_ms, bytes, facets}`. Raises UsageError E260,
        E261, E263 or E266."""
        manifest = self.library.read(name)
        return {**self._row(name), "rows": [_object_row(one) for one in manifest.objects]}

    def _row(self, name: str) -> dict[str, Any]:
        row: dict[str, Any] = {"name": name, "saved_ms": None, "scope": ALL.as_json(), "classes": {}, "objects": 0, "alarms": 0}
        row |= {"bytes": 0, "clock_ms": None, "problem": None}
        try:
            manifest = self.library.read(name)
            row |= _summary(manifest)
            fit.check(name, manifest, manifest.scope, self.shape())
        except UsageError as error:
            row["problem"] = {"code": error.code, "what": error.what, "hint": error.hint}
        return row

    # -- saving

    def copy(self, draft: Path, scope: Scope) -> list[str]:
        """Copy the scope's objects into a draft; nothing may change meanwhile. Gives the classes that were left out because the project
        does not have them any more. Raises UsageError E267 (nothing there), databases.Busy (try again), databases.Damaged, OSError."""
        folders = ObjectFolders(self._state, self.shape().worker)
        found = folders.objects(scope)
        if scope.class_name not in (None, *self.shape().classes):
            raise self._no_class(scope)
        if scope.id is not None and not found:
            raise UsageError("E267", f"there is no object {scope}", hint="agents-emu objects lists what there is")
        left_out = sorted({class_name for class_name, _ in found if class_name not in self.shape().classes})
        for (class_name, ident), suffixes in found.items():
            if class_name in left_out:
                continue
            (draft / class_name).mkdir(exist_ok=True)
            for suffix in suffixes:
                source, target = folders.folder(class_name) / f"{ident}.{suffix}", draft / class_name / f"{ident}.{suffix}"
                if suffix == "facets":
                    shutil.copyfile(source, target)
                else:
                    databases.copy(source, target)
        return left_out

    def describe_draft(self, draft: Path, scope: Scope) -> Manifest:
        """Write the manifest of what was copied. Raises databases.Damaged, OSError."""
        shape = self.shape()
        objects: list[SavedObject] = []
        for folder in sorted(path for path in draft.iterdir() if path.is_dir()):
            for own in sorted(folder.glob("*.sqlite")):
                if "." in own.stem:
                    continue  # a facet's
                name, alarm_ms = databases.inspect(own)
                files = {path.name.partition(".")[2]: _saved(path.read_bytes()) for path in sorted(folder.glob(f"{own.stem}.*"))}
                objects.append(SavedObject(folder.name, own.stem, name, alarm_ms, files))
        manifest = Manifest(
            worker=shape.worker,
            saved_ms=self._now_ms(),
            clock_ms=self._clock_ms(),
            scope=scope,
            migrations=tuple(migration.tag for migration in shape.migrations),
            classes={name: SavedClass(shape.classes[name], _tags(name, shape)) for name in sorted({one.class_name for one in objects})},
            objects=tuple(objects),
        )
        (draft / manifests.FILE_NAME).write_text(manifest.encode(), "utf-8")
        return manifest

    # -- loading and resetting

    def prepare_load(self, name: str, scope: Scope | None) -> Change:
        """Check all of a snapshot and stage the part that `scope` names (None: all it has). The state is not touched. Raises UsageError
        E260, E261, E263 to E267, StartError E324; OSError."""
        manifest = self.library.read(name)
        scope = scope or manifest.scope
        shape = self.shape()
        fit.check(name, manifest, scope, shape)
        folder, staged = self.library.path(name), self._swap.stage()
        folders = ObjectFolders(staged, shape.worker)
        wanted = [one for one in manifest.objects if scope.covers(one.class_name, one.id)]
        alarms: dict[AlarmKey, tuple[int, str | None]] = {}
        try:
            for one in wanted:
                if one.class_name not in manifest.classes:
                    raise damaged(name, folder / manifests.FILE_NAME, f"it has objects of {one.class_name}, and says nothing of that class")
                target = folders.folder(one.class_name)
                target.mkdir(parents=True, exist_ok=True)
                for suffix, saved in one.files.items():
                    _stage(name, folder / one.path(suffix), target / f"{one.id}.{suffix}", saved)
                try:
                    identity = databases.inspect(target / f"{one.id}.sqlite")
                except databases.Damaged as error:
                    raise damaged(name, folder / one.path("sqlite"), error) from error
                if identity.alarm_ms is not None:
                    alarms[AlarmKey(one.class_name, one.id)] = (identity.alarm_ms, identity.name or one.name)
        except BaseException:
            self._swap.abandon()
            raise
        return Change(scope, len(wanted), alarms, manifest)

    def prepare_reset(self, scope: Scope) -> Change:
        """Nothing comes in the place of what is there. Raises UsageError E267 (there is no such object), StartError E324."""
        folders = ObjectFolders(self._state, self.shape().worker)
        if scope.class_name not in (None, *self.shape().classes, *folders.classes()):
            raise self._no_class(scope)
        if scope.id is not None and not folders.objects(scope):
            raise UsageError("E267", f"there is no object {scope}", hint="agents-emu objects lists what there is")
        self._swap.stage()
        return Change(scope, 0, {})

    def apply(self, change: Change) -> int:
        """Exchange the files, while nobody has one open; gives how many objects went. Raises OSError or sqlite3.Error."""
        worker = self.shape().worker
        folders = ObjectFolders(self._state, worker)
        gone = list(folders.files(change.scope))
        classes = {*folders.classes(), *(key.class_name for key in change.alarms)}
        rows: dict[Path, tuple[list[str] | None, list[AlarmRow]]] = {}
        for class_name in sorted(classes):
            if change.scope.class_name in (None, class_name):
                mine = [(key.id, time_ms, name) for key, (time_ms, name) in change.alarms.items() if key.class_name == class_name]
                rows[folders.folder(class_name) / INDEX] = (None if change.scope.id is None else [change.scope.id], mine)
        self._swap.commit((folders.folder(class_name) / f"{ident}.{suffix}" for class_name, ident, suffix in gone), rows)
        return len({(class_name, ident) for class_name, ident, _ in gone})

    def _no_class(self, scope: Scope) -> UsageError:
        known = ", ".join(sorted(self.shape().classes)) or "no class"
        return UsageError("E267", f"this project has no class {scope.class_name}", hint=f"there is {known}")

    def abandon(self) -> bool:
        """Forget what was prepared; False when it has begun already: then the next holder of the lock finishes it."""
        if self._swap.unfinished:
            return False
        self._swap.abandon()
        return True


def _stage(name: str, source: Path, target: Path, saved: SavedFile) -> None:
    try:
        content = read_regular(source)
    except OSError as error:
        raise damaged(name, source, f"{source.name} cannot be read ({error.strerror or error})") from error
    if _saved(content) != saved:
        raise damaged(name, source, f"{source.name} is not what was saved ({len(content)} bytes)")
    target.write_bytes(content)


def _saved(content: bytes) -> SavedFile:
    return SavedFile(len(content), hashlib.sha256(content).hexdigest())


def _tags(class_name: str, shape: fit.Shape) -> tuple[str, ...]:
    """The migrations that made the class what it is."""
    return tuple(one.tag for one in shape.migrations if class_name in one.created or class_name in one.renamed.values())


def _summary(manifest: Manifest) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for one in manifest.objects:
        counts[one.class_name] = counts.get(one.class_name, 0) + 1
    return {
        "saved_ms": manifest.saved_ms,
        "scope": manifest.scope.as_json(),
        "classes": counts,
        "objects": len(manifest.objects),
        "alarms": sum(one.alarm_ms is not None for one in manifest.objects),
        "bytes": manifest.bytes,
        "clock_ms": manifest.clock_ms,
    }


def _object_row(one: SavedObject) -> dict[str, Any]:
    facets = sum(suffix not in ("sqlite", "facets") for suffix in one.files)
    size = sum(file.bytes for file in one.files.values())
    return {"class": one.class_name, "id": one.id, "name": one.name, "alarm_ms": one.alarm_ms, "bytes": size, "facets": facets}
