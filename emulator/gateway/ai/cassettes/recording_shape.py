"""Whether a file has the shape of a recording (interaction.schema.json). Two ways to ask the one schema.

A library checks with jsonschema, which tells well what is wrong and takes a millisecond for a small file. A thousand files are asked first
whether they are surely right: by closures made from the same schema, which only know yes and perhaps not. (Files that are as we wrote
them are not asked at all.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.gateway.ai.cassettes import jsonpath
from emulator.gateway.ai.cassettes.problems import broken

if TYPE_CHECKING:
    import jsonschema

GUIDE = "fixtures/README.md describes the format"
_BODIES = ("json", "text", "blob", "stream")

Check = Callable[[Any], bool]


def check_shape(file: Path, value: Any) -> None:
    """Raise RecordingError E501 with the JSON path of the first thing that is wrong."""
    if not surely_right()(value):
        _explain(file, value)
    response = value["response"]
    bodies = [name for name in _BODIES if name in response]
    if len(bodies) > 1 or (not bodies and response["status"] not in (204, 304)):
        found = " and ".join(bodies) or "none of them"
        raise broken(file, " $.response", f"one of {', '.join(_BODIES)} is needed, found {found}", f"keep exactly one; {GUIDE}")
    stream = response.get("stream")
    if stream is not None and ("events" in stream) is ("blob" in stream):
        found = "both" if "events" in stream else "none of them"
        raise broken(file, " $.response.stream", f"one of events, blob is needed, found {found}", f"keep exactly one; {GUIDE}")


@cache
def validator() -> jsonschema.Draft202012Validator:
    """What explains. Importing it takes as long as all of aiohttp, so it waits until some file needs it."""
    import jsonschema

    return jsonschema.Draft202012Validator(_schema())


@cache
def surely_right() -> Check:
    """True only for what the schema allows; False for all else, and for some of what it allows in an odd way (`1.0` for 1)."""
    schema = _schema()
    return _compiled(schema, schema)


@cache
def _schema() -> dict[str, Any]:
    from importlib.resources import files  # late, like the schema: a cassette as we wrote it asks for neither

    schema: dict[str, Any] = json.loads(files("emulator.gateway.ai.cassettes").joinpath("interaction.schema.json").read_text("utf-8"))
    return schema


def _explain(file: Path, value: Any) -> None:
    check = validator()
    from jsonschema.exceptions import best_match

    error = best_match(check.iter_errors(_without_good_events(value)))
    if error is not None:
        message = error.message if len(error.message) <= 160 else f"{error.message[:60]} ... {error.message[-90:]}"
        raise broken(file, f" {jsonpath.join(error.absolute_path)}", message, GUIDE)


def _without_good_events(value: Any) -> Any:
    """The same document without its events when they are right: a long stream is most of a file, and would take seconds."""
    schema = _schema()
    good = _compiled(schema["$defs"]["stream"]["properties"]["events"], schema)
    try:
        stream = value["response"]["stream"]
        if not good(stream["events"]):
            return value
    except (KeyError, TypeError):
        return value
    return {**value, "response": {**value["response"], "stream": {**stream, "events": []}}}


# -- a schema as closures

_SILENT = frozenset({"$schema", "$id", "$defs", "title", "description", "default"})


def _compiled(schema: Any, root: Mapping[str, Any]) -> Check:
    if schema is True:
        return _anything
    if "$ref" in schema:
        return _compiled(root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root)
    given = {name: argument for name, argument in schema.items() if name not in _SILENT}
    if "enum" in given:
        allowed = frozenset(given.pop("enum"))
        return lambda value: type(value) is str and value in allowed
    if "const" in given:
        wanted = given.pop("const")
        return lambda value: type(value) is type(wanted) and value == wanted
    return _BY_TYPE[given.pop("type")](given, root)


def _string(given: dict[str, Any], _: Mapping[str, Any]) -> Check:
    shortest, pattern = given.pop("minLength", 0), given.pop("pattern", "")
    _all_known(given)
    if not shortest and not pattern:
        return _is_string
    search = re.compile(pattern).search
    return lambda value: type(value) is str and len(value) >= shortest and search(value) is not None


def _is_string(value: Any) -> bool:
    return type(value) is str


def _number(kinds: tuple[type, ...]) -> Callable[[dict[str, Any], Mapping[str, Any]], Check]:
    def compiled(given: dict[str, Any], _: Mapping[str, Any]) -> Check:
        least, most = given.pop("minimum", float("-inf")), given.pop("maximum", float("inf"))
        _all_known(given)
        if most == float("inf") and kinds == (int,):
            return lambda value: type(value) is int and value >= least
        return lambda value: type(value) in kinds and least <= value <= most

    return compiled


def _array(given: dict[str, Any], root: Mapping[str, Any]) -> Check:
    item = _compiled(given.pop("items", True), root)
    fewest, most = given.pop("minItems", 0), given.pop("maxItems", float("inf"))
    _all_known(given)

    def check(value: Any) -> bool:
        if type(value) is not list or not fewest <= len(value) <= most:
            return False
        for member in value:  # noqa: SIM110 - events are most of a cassette, and a generator takes twice as long
            if not item(member):
                return False
        return True

    return check


def _object(given: dict[str, Any], root: Mapping[str, Any]) -> Check:
    members = {name: _compiled(member, root) for name, member in given.pop("properties", {}).items()}
    free = frozenset(name for name, member in members.items() if member is _anything)
    required = frozenset(given.pop("required", ()))
    fewest = given.pop("minProperties", 0)
    others = given.pop("additionalProperties", True)
    other = _nothing if others is False else _compiled(others, root)
    _all_known(given)

    def check(value: Any) -> bool:
        if type(value) is not dict or len(value) < fewest or not required <= value.keys():
            return False
        for name in value:  # noqa: SIM110 - as above
            if name not in free and not members.get(name, other)(value[name]):
                return False
        return True

    return check


def _anything(value: Any) -> bool:
    return True


def _nothing(value: Any) -> bool:
    return False


def _all_known(given: dict[str, Any]) -> None:
    if given:
        raise ValueError(f"the schema of recordings uses {', '.join(given)}, which the quick check does not know")


_BY_TYPE: dict[str, Callable[[dict[str, Any], Mapping[str, Any]], Check]] = {
    "string": _string,
    "integer": _number((int,)),
    "number": _number((int, float)),
    "boolean": lambda given, root: lambda value: type(value) is bool,
    "array": _array,
    "object": _object,
}
