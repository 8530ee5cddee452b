"""The migrations, and which classes store in SQLite: `migrations` decides, or the newer `exports` map (durable-objects.md 10.2, S-116)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from emulator.config.document import Document
from emulator.config.project import Migration, Storage
from emulator.config.shape import nearest
from emulator.errors import ConfigError

GONE = {"deleted", "renamed", "transferred"}

Place = Callable[[], str]


def history(keys: Mapping[str, Any]) -> tuple[Migration, ...]:
    """The migrations in order; the `exports` map has none."""
    return tuple(
        Migration(
            migration["tag"],
            created=frozenset(
                (
                    *migration.get("new_classes", ()),
                    *migration.get("new_sqlite_classes", ()),
                    *(transfer["to"] for transfer in migration.get("transferred_classes", ())),
                )
            ),
            deleted=frozenset(migration.get("deleted_classes", ())),
            renamed={rename["from"]: rename["to"] for rename in migration.get("renamed_classes", ())},
        )
        for migration in keys.get("migrations", ())
    )


def storage_by_class(document: Document, keys: Mapping[str, Any]) -> dict[str, Storage]:
    """Storage of each class that exists after all migrations.

    Raises ConfigError E111 (both forms used) or E115 (the migrations do not add up).
    """
    migrations, exports = keys.get("migrations", []), keys.get("exports")
    if migrations and exports:
        raise ConfigError(
            "E111",
            '"migrations" and "exports" cannot be used together',
            where=document.place(("exports",)),
            hint='keep "exports" and remove "migrations"',
        )
    if exports:
        return {
            name: Storage.SQLITE if entry.get("storage") == "sqlite" else Storage.LEGACY
            for name, entry in exports.items()
            if entry.get("type") == "durable-object" and entry.get("state") not in GONE
        }
    storage: dict[str, Storage] = {}
    tags: set[str] = set()
    for index, migration in enumerate(migrations):

        def place(index: int = index) -> str:
            return document.place(("migrations", index))

        if migration["tag"] in tags:
            what = f'two migrations have the tag "{migration["tag"]}"'
            raise ConfigError("E115", what, where=place(), hint="give each migration a tag of its own")
        tags.add(migration["tag"])
        _apply(migration, storage, place)
    return storage


def _apply(migration: Mapping[str, Any], storage: dict[str, Storage], place: Place) -> None:
    for deleted in migration.get("deleted_classes", ()):
        _take(deleted, storage, place)
    for rename in migration.get("renamed_classes", ()):
        _add(rename["to"], _take(rename["from"], storage, place), storage, place)
    for transfer in migration.get("transferred_classes", ()):
        _add(transfer["to"], Storage.SQLITE, storage, place)
    for created in migration.get("new_classes", ()):
        _add(created, Storage.LEGACY, storage, place)
    for created in migration.get("new_sqlite_classes", ()):
        _add(created, Storage.SQLITE, storage, place)


def _take(class_name: str, storage: dict[str, Storage], place: Place) -> Storage:
    if class_name not in storage:
        close = nearest(class_name, storage)
        what = f"a migration deletes or renames the class {class_name}, which no earlier one created"
        raise ConfigError("E115", what, where=place(), hint=f'did you mean "{close}"?' if close else None)
    return storage.pop(class_name)


def _add(class_name: str, kind: Storage, storage: dict[str, Storage], place: Place) -> None:
    if class_name in storage:
        what = f"a migration creates the class {class_name}, which exists already"
        raise ConfigError("E115", what, where=place(), hint="name each class in one migration only")
    storage[class_name] = kind
