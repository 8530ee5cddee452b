"""`manifest.json` of a snapshot: of which project it is, of what time, and each object's files with their checksums. Pure.

::

    {"version": 1, "worker": "shop", "saved_ms": ..., "clock": null | {"now_ms": ...}, "scope": {"class": null, "object": null},
     "migrations": ["v1"], "classes": {"Chat": {"storage": "sqlite", "migrations": ["v1"]}},
     "objects": [{"class": "Chat", "id": 64 hex digits, "name": "me" | null, "alarm_ms": null | ...,
                  "files": {"sqlite": {"bytes": ..., "sha256": ...}}}]}

Times are milliseconds since 1970. A file is named by what follows the object's id and a dot: `sqlite` is the object's own database,
`1.sqlite` a facet's, `facets` their index (design 4.2). So no name in a manifest can lead out of its folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.core.ids import InvalidId, Namespace
from emulator.gateway.snapshots.scope import Scope, parse_scope

VERSION = 1
FILE_NAME = "manifest.json"
_SUFFIX = re.compile(r"sqlite|facets|[1-9][0-9]{0,5}\.sqlite")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Unreadable(ValueError):
    """It is no manifest; the text says what is wrong."""


class Newer(Unreadable):
    """It has a version that we do not know."""


@dataclass(frozen=True, slots=True)
class SavedFile:
    """One file of an object."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class SavedClass:
    """`storage` is `sqlite` or `legacy`; `migrations` are the tags of those that the class went through."""

    storage: str
    migrations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SavedObject:
    """`files` by suffix. `alarm_ms` is there for people: the database of the object has it too, and counts."""

    class_name: str
    id: str
    name: str | None
    alarm_ms: int | None
    files: Mapping[str, SavedFile]

    def path(self, suffix: str) -> str:
        """Where a file of it is, below the snapshot's folder."""
        return f"{self.class_name}/{self.id}.{suffix}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """All about one snapshot but its name. `clock_ms` is where a virtual clock stood, None on a real one."""

    worker: str
    saved_ms: int
    clock_ms: int | None
    scope: Scope
    migrations: tuple[str, ...]
    classes: Mapping[str, SavedClass]
    objects: tuple[SavedObject, ...] = field(default=())

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(file.bytes for one in self.objects for file in one.files.values())

    def encode(self) -> str:
        """The file's text; the same state gives the same text but for `saved_ms`."""
        data = {
            "version": VERSION,
            "worker": self.worker,
            "saved_ms": self.saved_ms,
            "clock": None if self.clock_ms is None else {"now_ms": self.clock_ms},
            "scope": self.scope.as_json(),
            "migrations": list(self.migrations),
            "classes": {name: {"storage": one.storage, "migrations": list(one.migrations)} for name, one in sorted(self.classes.items())},
            "objects": [
                {
                    "class": one.class_name,
                    "id": one.id,
                    "name": one.name,
                    "alarm_ms": one.alarm_ms,
                    "files": {suffix: {"bytes": file.bytes, "sha256": file.sha256} for suffix, file in sorted(one.files.items())},
                }
                for one in sorted(self.objects, key=lambda one: (one.class_name, one.name or "", one.id))
            ],
        }
        return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def decode(text: str) -> Manifest:
    """The manifest in a file's text. Raises Unreadable, or Newer."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise Unreadable(f"it is no JSON: {error}") from None
    if not isinstance(data, dict) or not isinstance(data.get("version"), int):
        raise Unreadable("it has no version")
    if data["version"] != VERSION:
        kind = Newer if data["version"] > VERSION else Unreadable
        raise kind(f"its version is {data['version']}, and this agents-emu knows {VERSION}")
    try:
        return _manifest(data)
    except (KeyError, TypeError, AttributeError) as error:
        raise Unreadable(f"something is missing or of another kind: {error}") from None


def _manifest(data: dict[str, Any]) -> Manifest:
    worker, clock = _text(data["worker"]), data.get("clock")
    scope = data["scope"]
    return Manifest(
        worker=worker,
        saved_ms=_whole(data["saved_ms"]),
        clock_ms=None if clock is None else _whole(clock["now_ms"]),
        scope=parse_scope(worker, scope["class"], scope["object"]),
        migrations=tuple(_text(tag) for tag in data["migrations"]),
        classes={_class(name): SavedClass(_text(one["storage"]), tuple(one["migrations"])) for name, one in data["classes"].items()},
        objects=tuple(_object(worker, one) for one in data["objects"]),
    )


def _object(worker: str, data: dict[str, Any]) -> SavedObject:
    class_name, ident = _class(data["class"]), _text(data["id"])
    try:
        if Namespace.of(worker, class_name).check(ident) != ident:
            raise InvalidId("it is not in small letters")
    except InvalidId as error:
        raise Unreadable(f"the id {ident[:70]!r} of a {class_name}: {error}") from None
    files = {}
    for suffix, file in data["files"].items():
        if not _SUFFIX.fullmatch(suffix) or not _DIGEST.fullmatch(_text(file["sha256"])):
            raise Unreadable(f"{class_name}/{ident} has a file {suffix[:40]!r} that no object has")
        files[suffix] = SavedFile(_whole(file["bytes"]), file["sha256"])
    if "sqlite" not in files:
        raise Unreadable(f"{class_name}/{ident} has no database")
    name, alarm_ms = data["name"], data["alarm_ms"]
    return SavedObject(class_name, ident, None if name is None else _text(name), None if alarm_ms is None else _whole(alarm_ms), files)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no text")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r:.40} is no whole number")
    return value


def _class(value: Any) -> str:
    if not _text(value).isidentifier():
        raise Unreadable(f"{value[:40]!r} is no name of a class")
    return str(value)
