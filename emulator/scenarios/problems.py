"""What is wrong with a scenario file, in words: where, which key, what stands there, what is expected, what was probably meant."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from emulator.config.document import shown
from emulator.config.shape import brief, expected_words, key_words, nearest
from emulator.errors import UsageError
from emulator.scenarios.located import KeyPath, Located

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

MANUAL = "docs/scenarios.md has every step with an example"


@dataclass(frozen=True, slots=True)
class Problem:
    """`key` is where, or `line` when it is known; `what` one sentence; `hint` what was probably meant."""

    key: KeyPath
    what: str
    hint: str | None = None
    line: int | None = None

    def error(self, located: Located, more: int = 0) -> UsageError:
        """As an error, which says how many `more` problems there are."""
        others = f"and {more} more: agents-emu scenario check {located.path.name}" if more else None
        hint = "\n".join(line for line in (self.hint, others) if line)
        return UsageError(
            "E281", self.what, where=f"{shown(located.path)}:{self.line}" if self.line else located.place(self.key), hint=hint or None
        )


@functools.cache
def schema() -> dict[str, Any]:
    """The JSON Schema of scenario files."""
    found: dict[str, Any] = json.loads(resources.files(__package__).joinpath("scenario.schema.json").read_text("utf-8"))
    return found


@functools.cache
def _validator() -> Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema())


def shape_problems(data: Any) -> Iterator[Problem]:
    """Everything that the schema forbids, in the order of the file."""
    if not isinstance(data, dict):
        yield Problem((), f"a scenario is a table with steps, found {brief(data)}", MANUAL)
        return
    for error in _validator().iter_errors(data):
        yield from _problems(error, tuple(error.absolute_path))


def _problems(error: Any, key: KeyPath) -> Iterator[Problem]:
    wanted = error.schema
    if error.validator == "additionalProperties":
        known = list(wanted.get("properties", {}))
        for name in error.instance:
            if name not in known:
                yield unknown((*key, name), name, known)
    elif error.validator == "required":
        for name in error.validator_value:
            if name not in error.instance:
                member = wanted.get("properties", {}).get(name, {})
                words = expected_words(_resolved(member))
                yield Problem(key, f'"{key_words((*key, name))}" is missing: {words} is expected')
    elif error.validator == "propertyNames":
        yield Problem(key, f'"{error.instance}" is no name: letters, digits, - and _ are expected')
    elif error.validator in ("minProperties", "maxProperties"):
        yield Problem(key, f'"{key_words(key)}" is {expected_words(wanted)}')
    elif error.validator == "pattern" and "propertyNames" in list(error.absolute_schema_path):
        yield Problem((*key, error.instance), f'"{error.instance}" is no name: letters, digits, - and _ are expected')
    else:
        name = key_words(key)
        close = nearest(error.instance, [str(word) for word in wanted["enum"]]) if _is_word(error) else None
        hint = f'did you mean "{close}"?' if close else None
        yield Problem(key, f'"{name}" is {brief(error.instance)}: {expected_words(wanted)} is expected', hint)


def unknown(key: KeyPath, name: Any, known: list[str]) -> Problem:
    """A key that nobody knows."""
    place = key_words(key[:-1])
    close = nearest(str(name), known)
    hint = f'did you mean "{close}"?' if close else f"there is {', '.join(known)}"
    return Problem(key, f'there is no "{name}"' + (f" in {place}" if place else ""), hint)


def _resolved(wanted: dict[str, Any]) -> dict[str, Any]:
    reference = wanted.get("$ref")
    return schema()["$defs"][reference.rsplit("/", 1)[1]] if reference else wanted


def _is_word(error: Any) -> bool:
    return error.validator == "enum" and isinstance(error.instance, str)
