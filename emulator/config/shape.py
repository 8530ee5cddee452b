"""Holds data against a JSON Schema and says what differs in words.

The schemas (wrangler_schema.py) are ordinary JSON Schema. Only the keywords they use are read here, because importing jsonschema
costs every start 50 to 100 ms before the host can be spawned; a test holds this reader and jsonschema to the same verdicts.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from emulator.config.document import KeyPath

Schema = Mapping[str, Any]

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
_WORDS = {"string": "a string", "integer": "a whole number", "number": "a number", "boolean": "true or false", "object": "a table"}


@dataclass(frozen=True, slots=True)
class Mismatch:
    """At `path` stands something else than `expected`; `found` is the value in a few characters, None when the key is missing."""

    path: KeyPath
    expected: str
    found: str | None


def mismatches(value: Any, schema: Schema, path: KeyPath = ()) -> Iterator[Mismatch]:
    """Everything in `value` that the schema forbids, in the order of the file."""
    if not _type_fits(value, schema):
        yield Mismatch(path, expected_words(schema), brief(value))
        return
    if "enum" in schema and value not in schema["enum"]:
        yield Mismatch(path, expected_words(schema), brief(value))
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        yield Mismatch(path, expected_words(schema), brief(value))
    if isinstance(value, dict):
        properties: Mapping[str, Schema] = schema.get("properties", {})
        for name in schema.get("required", ()):
            if name not in value:
                yield Mismatch((*path, name), expected_words(properties[name]), None)
        for name, member in value.items():
            yield from mismatches(member, properties.get(name) or schema.get("additionalProperties") or {}, (*path, name))
    if isinstance(value, list) and "items" in schema:
        for index, member in enumerate(value):
            yield from mismatches(member, schema["items"], (*path, index))


def unknown_keys(value: Any, schema: Schema, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str | None]]:
    """Keys that the schema does not know, each with the known key that it resembles. An object without `properties` knows all."""
    if isinstance(value, dict) and "properties" in schema:
        properties: Mapping[str, Schema] = schema["properties"]
        for name, member in value.items():
            if name in properties:
                yield from unknown_keys(member, properties[name], (*path, name))
            elif "additionalProperties" not in schema:
                yield (*path, name), nearest(name, properties)
    elif isinstance(value, dict) and "additionalProperties" in schema:
        for name, member in value.items():
            yield from unknown_keys(member, schema["additionalProperties"], (*path, name))
    elif isinstance(value, list) and "items" in schema:
        for index, member in enumerate(value):
            yield from unknown_keys(member, schema["items"], (*path, index))


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known name that `name` was probably meant to be."""
    lowered = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    return lowered[close[0]] if close else None


def key_words(path: KeyPath) -> str:
    """A key as people write it: `durable_objects.bindings[0].name`."""
    words = ""
    for part in path:
        if isinstance(part, int):
            words += f"[{part}]"
        else:
            words += f".{part}" if words else part
    return words


def expected_words(schema: Schema) -> str:
    """What a schema wants: its own description, else its choices, else its types."""
    if "description" in schema:
        return str(schema["description"])
    if "enum" in schema:
        return "one of " + ", ".join(json.dumps(choice) for choice in schema["enum"])
    return " or ".join(_type_words(name, schema) for name in _type_names(schema)) or "something else"


def brief(value: Any) -> str:
    """A found value: short ones as JSON, long ones by kind and size."""
    if isinstance(value, dict):
        return f"a table with {len(value)} key{'' if len(value) == 1 else 's'}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _type_names(schema: Schema) -> tuple[str, ...]:
    names = schema.get("type", ())
    return (names,) if isinstance(names, str) else tuple(names)


def _type_fits(value: Any, schema: Schema) -> bool:
    names = _type_names(schema)
    if not names:
        return True
    if isinstance(value, bool):
        return "boolean" in names
    if isinstance(value, float) and value.is_integer() and "integer" in names:
        return True
    return any(isinstance(value, _TYPES[name]) for name in names)


def _type_words(name: str, schema: Schema) -> str:
    if name != "array":
        return _WORDS[name]
    item_types = _type_names(schema.get("items", {}))
    plural = {"string": "strings", "object": "tables"}.get(item_types[0] if item_types else "", "values")
    return f"a list of {plural}"
