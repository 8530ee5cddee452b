"""Inputs held against their task's schema before a model sees them (ai-binding.md 5): what Workers AI would refuse with 5006.

The form is chosen first, by the property that tells it (`prompt`, `messages`, ...): of a whole `oneOf` a library can only say that nothing
fits. Each violation is told twice: `service` in the platform's words, `detail` with the JSON path, the value, what is expected, and the
nearest name. Only models of Workers AI are looked at, and of a call whose input is a stream or comes over a WebSocket
only its tags: the stream's own name in the inputs does not travel. Pure, but for the import of jsonschema.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from emulator.gateway.ai.canonical import Kind, ModelRequest, compact
from emulator.gateway.ai.cassettes import jsonpath
from emulator.gateway.ai.catalogue import Task, model_info
from emulator.gateway.ai.inputs.schemas import input_schema, tolerated

if TYPE_CHECKING:
    import jsonschema

MOST_TAGS = 5
LONGEST_TAG = 50
_TAG = re.compile(r"[A-Za-z0-9:\-./@]+")
_LONGEST_VALUE = 80
_CLOSE = 0.8
_BYTE = {"type": "integer", "minimum": 0, "maximum": 255}
_UNSENT = "a property that is undefined is not sent"

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Violation:
    """`path` leads to the value, from the inputs or from `options`."""

    path: Path
    service: str
    detail: str

    def __str__(self) -> str:
        return f"{jsonpath.join(self.path)}: {self.detail}"


def violation(asked: ModelRequest) -> Violation | None:
    """The first thing about `asked` that its model's schema refuses, None when nothing is wrong or the model is of somebody else."""
    model, inputs = asked.target, asked.body
    if asked.kind is Kind.UNIVERSAL:
        entry = asked.body[0]
        if entry.get("provider") != "workers-ai":
            return None
        model, inputs = str(entry.get("endpoint", "")), entry.get("query")
    if not model.startswith("@"):
        return None
    tags = _tags((asked.options or {}).get("tags"))
    if tags is not None or asked.kind in (Kind.STREAM_INPUT, Kind.WEBSOCKET):
        return tags
    if not isinstance(inputs, dict):
        return Violation((), f"Type mismatch of '/', '{_type(inputs)}' not in 'object'", f"{_shown(inputs)} is no object")
    if "request_id" in inputs:
        return None  # asks for the answers of a batch
    task = model_info(model).task
    if "requests" not in inputs:
        return _of_inputs(task, inputs, ())
    requests = inputs["requests"]
    if not isinstance(requests, list) or not requests:
        return Violation(
            ("requests",),
            f"Type mismatch of '/requests', '{_type(requests)}' not in 'array'",
            f"{_shown(requests)} is no array of inputs with at least one entry",
        )
    return next((found for index, one in enumerate(requests) if (found := _of_inputs(task, one, ("requests", index)))), None)


def _of_inputs(task: Task, inputs: Any, at: Path) -> Violation | None:
    if not isinstance(inputs, dict):
        return Violation(at, f"Type mismatch of '{_pointer(at)}', '{_type(inputs)}' not in 'object'", f"{_shown(inputs)} is no object")
    schema = input_schema(task)
    form = 0
    if "oneOf" in schema:
        signs = [branch["required"][0] for branch in schema["oneOf"]]
        there = [index for index, sign in enumerate(signs) if sign in inputs]
        if len(there) == 1:
            form = there[0]
        elif not there:
            return _no_form(signs, inputs, at)
        elif (several := _several_forms(schema["oneOf"], [signs[index] for index in there], inputs, at)) is not None:
            return several
        else:
            form = there[0]
    branch = schema["oneOf"][form] if "oneOf" in schema else schema
    numbers = [name for name in _byte_names(task, form) if isinstance(inputs.get(name), list)]
    wrong = next((found for name in numbers if (found := _no_byte(inputs[name], (*at, name))) is not None), None)
    # The library takes seconds for the million numbers of a minute of sound.
    shortened = {**inputs, **{name: inputs[name][:1] for name in numbers}} if numbers else inputs
    return wrong or _misspelt(schema, branch, inputs, at) or _refused(_validator(task, form), shortened, at)


def _no_byte(numbers: list[Any], at: Path) -> Violation | None:
    """The first number that is no byte."""
    try:
        bytes(numbers)
        return None
    except (TypeError, ValueError, OverflowError):
        index, value = next((index, one) for index, one in enumerate(numbers) if type(one) is not int or not 0 <= one <= 255)
    path = (*at, index)
    return Violation(path, f"'{_pointer(path)}' must be an integer from 0 to 255", f"{_shown(value)} is no byte, expected 0 to 255")


def _no_form(signs: Sequence[str], inputs: Mapping[str, Any], at: Path) -> Violation:
    reasons = ", ".join(f"required properties at '{_pointer(at)}' are '{sign}'" for sign in signs)
    found = next(((name, close) for name in inputs if (close := _nearest(name, signs)) is not None), None)
    hint = f"did you mean {found[1]!r} by {found[0]!r}?" if found else f"expected one of {_listed(signs)} ({_UNSENT})"
    return Violation(at, f"oneOf at '{_pointer(at)}' not met, 0 matches: {reasons}", f"{_shown(inputs)} has nothing to ask; {hint}")


def _several_forms(branches: Sequence[Mapping[str, Any]], there: Sequence[str], inputs: Mapping[str, Any], at: Path) -> Violation | None:
    """Two forms at once; None when one of them has the other's property as its own (`query` of a rerank beside `text`)."""
    for branch in branches:
        if branch["required"][0] in there and all(sign in branch["properties"] for sign in there):
            return None
    return Violation(
        at,
        f"oneOf at '{_pointer(at)}' not met, {len(there)} matches: {', '.join(there)}",
        f"{' and '.join(repr(sign) for sign in there)} are both there; expected exactly one of them",
    )


def _misspelt(schema: Mapping[str, Any], branch: Mapping[str, Any], inputs: Mapping[str, Any], at: Path) -> Violation | None:
    """A name that nobody knows and that is nearly one that is known. The platform ignores such names, and the setting is lost."""
    found = _strange(branch["properties"], inputs, at)
    message = schema.get("$defs", {}).get("message")
    messages = inputs.get("messages")
    if found is None and message is not None and isinstance(messages, list):
        for index, one in enumerate(messages):
            if isinstance(one, dict) and (found := _strange(message["properties"], one, (*at, "messages", index))) is not None:
                break
    return found


def _strange(known: Mapping[str, Any], given: Mapping[str, Any], at: Path) -> Violation | None:
    for name, value in given.items():
        if name not in known and (close := _nearest(name, [other for other in known if other not in given])) is not None:
            return Violation(
                (*at, name),
                f"unknown property '{name}' at '{_pointer(at)}'",
                f"{_shown(value)} has no effect: there is no such property; did you mean {close!r}?",
            )
    return None


def _refused(validator: jsonschema.Draft202012Validator, inputs: Any, at: Path) -> Violation | None:
    from jsonschema.exceptions import best_match

    error = best_match(validator.iter_errors(inputs))
    return None if error is None else _told(error, at)


def _missing(error: jsonschema.ValidationError) -> list[str]:
    return [name for name in error.validator_value if name not in error.instance] if error.validator == "required" else []


def _told(error: jsonschema.ValidationError, at: Path) -> Violation:
    path = (*at, *error.absolute_path)
    pointer, value, limit, shown = _pointer(path), error.instance, error.validator_value, _shown(error.instance)
    match error.validator:
        case "required":
            names = _missing(error)
            listed = ", ".join(f"'{name}'" for name in names)
            close = next((f"; did you mean {near!r} by {name!r}?" for name in value if (near := _nearest(name, names))), "")
            detail = f"{_listed(names)} {'is' if len(names) == 1 else 'are'} missing{_lost(value) or close or f' ({_UNSENT})'}"
            return Violation(path, f"required properties at '{pointer}' are {listed}", detail)
        case "type":
            wanted = [limit] if isinstance(limit, str) else list(limit)
            listed = ", ".join(f"'{name}'" for name in wanted)
            given = shown if value is None else f"{shown} is of type {_type(value)}"
            detail = f"{given}, expected {' or '.join(wanted)}{_lost(value)}"
            return Violation(path, f"Type mismatch of '{pointer}', '{_type(value)}' not in {listed}", detail)
        case "minimum" | "maximum" | "exclusiveMinimum":
            relation = {"minimum": ">=", "maximum": "<=", "exclusiveMinimum": ">"}[str(error.validator)]
            return Violation(path, f"'{pointer}' must be {relation} {limit}", f"{shown} is out of range, expected {_range(error.schema)}")
        case "minLength" | "minItems":
            return Violation(path, f"'{pointer}' must not be empty", f"{shown} is empty, expected at least {limit}{_lost(value)}")
        case "maxLength":
            return Violation(path, f"'{pointer}' must not be longer than {limit}", f"{len(value)} characters are more than {limit}")
        case "enum":
            near = _nearest(value, [one for one in limit if isinstance(one, str)]) if isinstance(value, str) else None
            detail = f"{shown} is not one of {_listed(limit)}" + (f"; did you mean {near!r}?" if near else "")
            return Violation(path, f"'{pointer}' must be one of {', '.join(map(str, limit))}", detail)
    return Violation(path, f"'{pointer}' does not fit", f"{shown}: {error.message[: 2 * _LONGEST_VALUE]}")


def _lost(value: Any) -> str:
    """What JSON makes of bytes, in the words of whoever wrote the call (ai-binding.md 1.1 "Serialisation traps")."""
    if not isinstance(value, dict):
        return ""
    if not value:
        return "; an ArrayBuffer, a Blob or a Promise is sent as {}: send base64, or [...new Uint8Array(buffer)]"
    if list(value) == [str(index) for index in range(len(value))] and all(isinstance(one, int) for one in value.values()):
        return f"; a Uint8Array of {len(value)} bytes is sent like this: send base64, or [...bytes]"
    return ""


def _tags(tags: Any) -> Violation | None:
    """`options.tags`: an array, or the texts joined by commas where options travel in a query (ai-binding.md 1.2)."""
    if tags is None:
        return None
    listed = tags.split(",") if isinstance(tags, str) else tags
    path: Path = ("options", "tags")
    if not isinstance(listed, list):
        return Violation(path, "Type mismatch of '/options/tags'", f"{_shown(tags)} is {_type(tags)}, expected an array of strings")
    if len(listed) > MOST_TAGS:
        return Violation(path, f"more than {MOST_TAGS} tags", f"{len(listed)} tags are too many, expected at most {MOST_TAGS}")
    for index, tag in enumerate(listed):
        if not isinstance(tag, str) or len(tag) > LONGEST_TAG or not _TAG.fullmatch(tag):
            expected = f"1 to {LONGEST_TAG} of the characters A-Z a-z 0-9 : - . / @"
            return Violation((*path, index), f"invalid tag at '/options/tags/{index}'", f"{_shown(tag)} is no tag, expected {expected}")
    return None


@cache
def _validator(task: Task, form: int) -> jsonschema.Draft202012Validator:
    """For one form of a task."""
    import jsonschema

    schema = input_schema(task)
    branch = schema["oneOf"][form] if "oneOf" in schema else schema
    return jsonschema.Draft202012Validator(_inlined(branch, schema.get("$defs", {})))


@cache
def _byte_names(task: Task, form: int) -> tuple[str, ...]:
    """The properties that may be bytes written as numbers."""
    properties = _validator(task, form).schema["properties"]
    return tuple(name for name, one in properties.items() if one.get("items") == _BYTE)


def _inlined(schema: Any, definitions: Mapping[str, Any], within: frozenset[str] = frozenset()) -> Any:
    """A schema with its definitions in their places, which the library would look up each time, and without what is tolerated below the
    properties `within`."""
    if isinstance(schema, list):
        return [_inlined(one, definitions, within) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions, within)
    made = {name: _inlined(value, definitions, within) for name, value in schema.items() if name not in ("$defs", "properties", "required")}
    if "properties" in schema:
        made["properties"] = {name: _inlined(one, definitions, within | {name}) for name, one in schema["properties"].items()}
    if isinstance(schema.get("required"), list):
        let_pass = {entry.missing for entry in tolerated() if entry.within in within}
        made["required"] = [name for name in schema["required"] if name not in let_pass]
    return made


def _nearest(name: str, names: Iterable[str]) -> str | None:
    if len(name) > _LONGEST_VALUE:
        return None
    close = difflib.get_close_matches(name.lower(), list(names), n=1, cutoff=_CLOSE)
    return close[0] if close and close[0] != name else None


def _range(schema: Any) -> str:
    kind = schema.get("type", "number")
    name = kind if isinstance(kind, str) else kind[0]
    article = "an" if name == "integer" else "a"
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    if low is None or high is None:
        return f"{article} {name} {'up to' if low is None else 'from'} {high if low is None else low}"
    return f"{article} {name} from {low} to {high}"


def _pointer(path: Path) -> str:
    return "/" + "/".join(str(step) for step in path)


def _shown(value: Any) -> str:
    text = compact(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(repr(name) if isinstance(name, str) else compact(name) for name in names)


def _type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"
