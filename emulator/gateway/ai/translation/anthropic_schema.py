"""JSON Schemas as Anthropic's structured outputs take them. Pure.

They take a subset of JSON Schema: every object is closed, nothing is recursive, numbers, texts and arrays have no bounds. A keyword
outside the subset is dropped and named: the answer then fits a wider schema than was asked for. A schema whose meaning would change
is not taken at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KEPT = frozenset({"type", "required", "enum", "const", "$ref", "description", "title", "default", "pattern"})
_SILENT = frozenset({"$schema", "$id", "$comment", "examples", "readOnly", "writeOnly", "deprecated", "additionalProperties"})
"""They bound no value; what `additionalProperties` bounds is looked at apart."""
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"})
_MAPS = ("properties", "$defs", "definitions")
_LISTS = {"anyOf": "anyOf", "oneOf": "anyOf", "allOf": "allOf"}


class Unsuitable(Exception):
    """The schema means something that structured outputs cannot express; the text says what."""


def suitable(schema: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The schema in the subset, and the JSON pointers of the keywords that were dropped. Raises Unsuitable."""
    _check_references(schema)
    dropped: list[str] = []
    return _narrowed(schema, "", dropped), dropped


def _narrowed(schema: Any, path: str, dropped: list[str]) -> dict[str, Any]:
    if not isinstance(schema, Mapping) or {"oneOf", "anyOf"} <= schema.keys():
        raise Unsuitable(f"{path or '/'} has another form")
    narrowed: dict[str, Any] = {}
    for name, value in schema.items():
        place = f"{path}/{name}"
        if name in _MAPS and isinstance(value, Mapping):
            narrowed[name] = {key: _narrowed(one, f"{place}/{key}", dropped) for key, one in value.items()}
        elif name in _LISTS and isinstance(value, list):
            narrowed[_LISTS[name]] = [_narrowed(one, f"{place}/{index}", dropped) for index, one in enumerate(value)]
        elif name == "items":
            narrowed[name] = _narrowed(value, place, dropped)
        elif _taken(name, value):
            narrowed[name] = value
        elif name not in _SILENT:
            dropped.append(place)
    if _is_object(schema):
        if schema.get("additionalProperties") not in (None, False):
            if not schema.get("properties"):
                raise Unsuitable(f"{path or '/'} is an object with keys of any name")
            dropped.append(f"{path}/additionalProperties")
        narrowed["additionalProperties"] = False
    return narrowed


def _taken(name: str, value: Any) -> bool:
    if name == "format":
        return value in _FORMATS
    if name == "minItems":
        return value in (0, 1)
    return name in _KEPT


def _is_object(schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in schema


def _check_references(schema: Mapping[str, Any]) -> None:
    """Raises Unsuitable for references that lead back to themselves, or out of the schema."""
    reached: dict[str, set[str]] = {}
    for home in ("$defs", "definitions"):
        definitions = schema.get(home)
        for name, one in (definitions if isinstance(definitions, Mapping) else {}).items():
            reached[f"#/{home}/{name}"] = _references(one)
    for reference in _references(schema):
        if reference not in reached:
            raise Unsuitable(f"it refers to {reference}")
    for start in reached:
        seen, waiting = set[str](), set(reached[start])
        while waiting:
            reference = waiting.pop()
            if reference == start:
                raise Unsuitable(f"{start} is recursive")
            if reference not in seen:
                seen.add(reference)
                waiting |= reached[reference]


def _references(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set[str]()
        return own.union(*(_references(one) for one in value.values()))
    if isinstance(value, list):
        return set[str]().union(*(_references(one) for one in value))
    return set()
