"""Which objects an operation on the state is about: all of the Worker's, one class's, or a single one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from emulator.core.ids import InvalidId, Namespace
from emulator.errors import UsageError


@dataclass(frozen=True, slots=True)
class Scope:
    """`id` needs `class_name`; `label` is how people named the object."""

    class_name: str | None = None
    id: str | None = None
    label: str | None = None

    def covers(self, class_name: str, ident: str) -> bool:
        """Whether this object is meant."""
        return self.class_name in (None, class_name) and self.id in (None, ident)

    def within(self, other: Scope) -> bool:
        """Whether everything that is meant is meant by `other` too."""
        if other.class_name is None:
            return True
        return self.class_name == other.class_name and other.id in (None, self.id)

    def __str__(self) -> str:
        if self.class_name is None:
            return "every object"
        return f"{self.class_name}/{self.label or self.id}" if self.id else f"the objects of {self.class_name}"

    def as_json(self) -> dict[str, str | None]:
        """Its form in a manifest and in answers."""
        return {"class": self.class_name, "object": (self.label or self.id) if self.id else None}


ALL = Scope()


def parse_scope(worker: str, class_name: Any, name: Any) -> Scope:
    """From a class and an object's name or id, each None or a text; `Class/name` may stand in the name. Raises UsageError E227."""
    if not all(value is None or (isinstance(value, str) and value) for value in (class_name, name)):
        raise UsageError("E227", "class and object are texts")
    if name is not None and class_name is None:
        class_name, _, name = name.partition("/")
        if not class_name or not name:
            raise UsageError("E227", 'an object is named "Class/name"', hint="for example Chat/me")
    if class_name is not None and not class_name.isidentifier():
        raise UsageError("E227", f"{class_name!r} is no name of a class")
    if name is None:
        return Scope(class_name)
    namespace = Namespace.of(worker, class_name)
    try:
        return Scope(class_name, namespace.check(name), name)
    except InvalidId:
        return Scope(class_name, namespace.id_from_name(name), name)
