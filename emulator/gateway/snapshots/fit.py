"""Whether a snapshot fits the project as it is now. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emulator.config import Migration
from emulator.errors import UsageError
from emulator.gateway.snapshots.manifest import Manifest
from emulator.gateway.snapshots.scope import Scope


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a project decides: its Worker's name, the storage of each of its classes, and its migrations in order."""

    worker: str
    classes: Mapping[str, str]
    migrations: Sequence[Migration]


def check(name: str, manifest: Manifest, scope: Scope, shape: Shape) -> None:
    """Raises UsageError E264 (another Worker's), E265 (a class is gone or another), E266 (of a later project), E267 (it lacks `scope`)."""
    where = f"snapshot {name}"
    if manifest.worker != shape.worker:
        what = f'the snapshot {name} is of the Worker "{manifest.worker}", and this project is "{shape.worker}"'
        hint = f'"name": "{manifest.worker}" in the wrangler file, or the --env it was saved with; ids of objects depend on the name'
        raise UsageError("E264", what, where=where, hint=hint)
    if not scope.within(manifest.scope):
        what = f"the snapshot {name} has {manifest.scope}, and not {scope}"
        raise UsageError("E267", what, where=where, hint="agents-emu state list shows what is in each")
    tags = {migration.tag for migration in shape.migrations}
    unknown = [tag for tag in manifest.migrations if tag not in tags]
    if unknown:
        what = f'the snapshot {name} was saved after the migration "{unknown[0]}", which this project does not have'
        raise UsageError("E266", what, where=where, hint="git switch to the code it was saved with, or save another")
    later = [migration for migration in shape.migrations if migration.tag not in manifest.migrations]
    for class_name, saved in manifest.classes.items():
        if scope.class_name not in (None, class_name):
            continue
        problem = _changed(class_name, saved.storage, shape, later)
        if problem is not None:
            others = sorted(set(manifest.classes) - {class_name})
            narrower = f"agents-emu state load {name} --class {others[0]}, or " if others and scope.class_name is None else ""
            hint = f"{narrower}git switch to the code it was saved with; then save it anew: agents-emu state save {name} --replace"
            raise UsageError("E265", f"the snapshot {name} has objects of the class {class_name}, {problem}", where=where, hint=hint)
    if scope.class_name not in (None, *shape.classes):
        known = ", ".join(sorted(shape.classes)) or "no class"
        raise UsageError("E267", f"this project has no class {scope.class_name}", where=where, hint=f"there is {known}")
    if scope.id is not None and not any(scope.covers(one.class_name, one.id) for one in manifest.objects):
        raise UsageError("E267", f"{scope} is not in the snapshot {name}", where=where, hint=f"agents-emu state list {name}")


def _changed(class_name: str, storage: str, shape: Shape, later: Sequence[Migration]) -> str | None:
    for migration in later:
        if class_name in migration.renamed:
            return f'which the migration "{migration.tag}" has renamed to {migration.renamed[class_name]}'
        if class_name in migration.deleted:
            return f'which the migration "{migration.tag}" has deleted'
    if class_name not in shape.classes:
        return "which this project does not have"
    if shape.classes[class_name] != storage:
        return f"which stored as {storage} then and stores as {shape.classes[class_name]} now"
    return None
