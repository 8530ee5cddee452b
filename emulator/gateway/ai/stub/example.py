"""A smallest value that a JSON Schema accepts: the stub's structured output and tool arguments. Pure and deterministic."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

_MOST_DEPTH = 24
_OPTIONAL_DEPTH = 3
_FORMATS = {
    "date": "2025-01-01",
    "date-time": "2025-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "email": "stub@example.com",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
    "hostname": "example.com",
}


class NoExample(ValueError):
    """No value was found: the schema contradicts itself, never ends, or uses what this does not know (`pattern`, `not`)."""


def example(schema: Any) -> Any:
    """A value for `schema` (draft 7 and 2020-12 vocabulary). Raises NoExample; callers validate what matters to them."""
    return _Maker(schema).make(schema, 0)


class _Maker:
    def __init__(self, root: Any) -> None:
        self._root = root

    def make(self, schema: Any, depth: int) -> Any:
        if depth > _MOST_DEPTH:
            raise NoExample("the schema refers to itself without end")
        if not isinstance(schema, dict):
            if schema is False:
                raise NoExample("the schema accepts nothing")
            return "stub"
        if "$ref" in schema:
            return self.make(self._target(schema["$ref"]), depth + 1)
        for fixed in ("const", "default"):
            if fixed in schema:
                return schema[fixed]
        for listed in ("enum", "examples"):
            if schema.get(listed):
                return schema[listed][0]
        for choice in ("anyOf", "oneOf"):
            if choice in schema:
                return self._first(schema, schema[choice], depth)
        if "allOf" in schema:
            return self.make(_merged([{k: v for k, v in schema.items() if k != "allOf"}, *map(self._resolved, schema["allOf"])]), depth + 1)
        return self._by_type(schema, depth)

    def _first(self, schema: dict[str, Any], choices: list[Any], depth: int) -> Any:
        rest = {name: value for name, value in schema.items() if name not in ("anyOf", "oneOf")}
        failure: NoExample | None = None
        for choice in choices:
            try:
                return self.make(_merged([rest, self._resolved(choice)]), depth + 1)
            except NoExample as error:
                failure = error
        raise failure or NoExample("no alternative is given")

    def _by_type(self, schema: dict[str, Any], depth: int) -> Any:
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((name for name in kind if name != "null"), "null")
        if kind is None:
            kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                first = schema.get("prefixItems", [])
                count = max(schema.get("minItems", 0), len(first), 0 if schema.get("maxItems") == 0 else 1)
                items = [*first, *[schema.get("items", {})] * count][:count]
                try:
                    return [self.make(item, depth + 1) for item in items]
                except NoExample:
                    if schema.get("minItems", 0):
                        raise
                    return []
            case "integer" | "number":
                return _number(schema, kind)
            case "boolean":
                return True
            case "null":
                return None
            case _:
                return _text(schema)

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        """All required members; the optional ones near the root when nothing is required, where they have a value at all."""
        properties, required = schema.get("properties", {}), schema.get("required")
        value: dict[str, Any] = {}
        for name in [*properties, *(name for name in required or () if name not in properties)]:
            if name in (required or ()):
                value[name] = self.make(properties.get(name, {}), depth + 1)
            elif required is None and depth < _OPTIONAL_DEPTH:
                with suppress(NoExample):
                    value[name] = self.make(properties[name], depth + 1)
        return value

    def _resolved(self, schema: Any) -> Any:
        return self._target(schema["$ref"]) if isinstance(schema, dict) and "$ref" in schema else schema

    def _target(self, reference: str) -> Any:
        node = self._root
        try:
            for step in reference.removeprefix("#").split("/")[1:]:
                step = step.replace("~1", "/").replace("~0", "~")
                node = node[int(step)] if isinstance(node, list) else node[step]
        except (KeyError, IndexError, ValueError, TypeError):
            raise NoExample(f"{reference} leads nowhere") from None
        return node


def _merged(schemas: list[Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for schema in schemas:
        if schema is False:
            raise NoExample("the schema accepts nothing")
        for name, value in (schema if isinstance(schema, dict) else {}).items():
            if name == "properties":
                result[name] = {**result.get(name, {}), **value}
            elif name == "required":
                result[name] = [*result.get(name, []), *value]
            else:
                result[name] = value
    return result


def _number(schema: dict[str, Any], kind: str) -> int | float:
    step = schema.get("multipleOf", 1 if kind == "integer" else 0)
    low = schema.get("minimum")
    if "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + (step or _gap(schema))
    value = low if low is not None else min(1, schema.get("maximum", schema.get("exclusiveMaximum", 2) - (step or 1)))
    if step:
        value = -(-value // step) * step
    return int(value) if kind == "integer" else value


def _gap(schema: dict[str, Any]) -> float:
    """Half of the way to the upper bound, so that exclusive bounds on both sides are kept."""
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    return 1 if high is None else (high - schema["exclusiveMinimum"]) / 2


def _text(schema: dict[str, Any]) -> str:
    text = _FORMATS.get(schema.get("format", ""), "stub")
    text += "-" * (schema.get("minLength", 0) - len(text))
    return text[: schema["maxLength"]] if "maxLength" in schema else text
