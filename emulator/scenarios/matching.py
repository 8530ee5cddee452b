"""Does a value fit a pattern, and where does it not?

A pattern is JSON. A mapping fits a mapping that has at least its keys (a subset); a list fits a list of the same length, whose last pattern
may be `...` for any rest; anything else must be equal. Text may hold variables (variables.py). A mapping with one key that begins with `$`
is an operator:

    $any: true            anything, also null           $absent: true        the key is not there
    $regex: "^a"          a text that contains it       $not: PATTERN        anything that does not fit
    $type: string         of this JSON type             $oneOf: [P, P]       one of them fits
    $contains: P          a text or a list with it      $exactly: {...}      these keys and no others
    $json: PATTERN        a text that is JSON and fits  $length: 3           a text or list of this length
    $bytes: "aGk="        a binary frame, base64
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from emulator.scenarios import variables

REST = "..."
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
    "binary": (bytes,),
}


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


MISSING = _Missing()


@dataclass(frozen=True, slots=True)
class Difference:
    """At `path` (`$.messages[2].id`) the pattern wants `expected` and the value has `found`, both in words."""

    path: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.path}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True, slots=True)
class Match:
    """`differences` is empty when the value fits; `bound` has then the variables that the pattern has bound anew."""

    bound: dict[str, Any]
    differences: tuple[Difference, ...]

    @property
    def fits(self) -> bool:
        """Whether the value fits."""
        return not self.differences


def match(pattern: Any, value: Any, bound: Mapping[str, Any]) -> Match:
    """Hold `value` against `pattern`, under variables that are bound already."""
    matcher = _Matcher(bound)
    differences = tuple(matcher.compare(pattern, value, "$"))
    return Match({} if differences else matcher.new, differences)


def operators() -> tuple[str, ...]:
    """Every operator's name."""
    return tuple(_OPERATORS)


def check(pattern: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What is wrong with a pattern itself: key path below it, and words. Empty for a good one."""
    yield from _check(pattern, ())


def brief(value: Any, most: int = 120) -> str:
    """A value on one line, cut in the middle when it is long."""
    if value is MISSING:
        return "nothing"
    text = (
        f"{len(value)} bytes" if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False, separators=(", ", ": "), default=str)
    )
    return text if len(text) <= most else f"{text[: most - 30]} ... {text[-24:]}"


class _Matcher:
    def __init__(self, bound: Mapping[str, Any]) -> None:
        self._bound = bound
        self.new: dict[str, Any] = {}

    def compare(self, pattern: Any, value: Any, path: str) -> Iterator[Difference]:
        operator = operator_of(pattern)
        if operator is not None:
            yield from _OPERATORS[operator](self, pattern[operator], value, path)
        elif value is MISSING:
            yield Difference(path, brief(pattern), "nothing")
        elif isinstance(pattern, Mapping):
            yield from self.mapping(pattern, value, path)
        elif isinstance(pattern, list | tuple):
            yield from self.sequence(list(pattern), value, path)
        elif isinstance(pattern, str):
            yield from self.text(pattern, value, path)
        elif not _same(pattern, value):
            yield Difference(path, brief(pattern), brief(value))

    def mapping(self, pattern: Mapping[str, Any], value: Any, path: str) -> Iterator[Difference]:
        if not isinstance(value, Mapping):
            yield Difference(path, brief(pattern), brief(value))
            return
        for name, member in pattern.items():
            yield from self.compare(member, value.get(name, MISSING), f"{path}.{name}")

    def sequence(self, pattern: list[Any], value: Any, path: str) -> Iterator[Difference]:
        if not isinstance(value, list):
            yield Difference(path, brief(pattern), brief(value))
            return
        open_end = bool(pattern) and pattern[-1] == REST
        wanted = pattern[:-1] if open_end else pattern
        for index, member in enumerate(wanted):
            yield from self.compare(member, value[index] if index < len(value) else MISSING, f"{path}[{index}]")
        if not open_end and len(value) > len(wanted):
            yield Difference(f"{path}[{len(wanted)}]", "the end of the list", brief(value[len(wanted)]))

    def text(self, pattern: str, value: Any, path: str) -> Iterator[Difference]:
        name = variables.whole(pattern)
        if name is not None:
            yield from self.variable(name, value, path)
            return
        parts = variables.pieces(pattern)
        if not isinstance(value, str):
            yield Difference(path, brief(pattern), brief(value))
        elif len(parts) == 1:
            if value != parts[0][0]:
                yield Difference(path, brief(parts[0][0]), brief(value))
        else:
            yield from self.woven(pattern, parts, value, path)

    def variable(self, name: str, value: Any, path: str) -> Iterator[Difference]:
        if name == variables.ANY:
            return
        known = self.new.get(name, self._bound.get(name, MISSING))
        if known is MISSING:
            self.new[name] = value
        elif not _same(known, value):
            yield Difference(path, f"{brief(known)} (${{{name}}})", brief(value))

    def woven(self, pattern: str, parts: list[tuple[str, str | None]], value: str, path: str) -> Iterator[Difference]:
        """A text with variables in it: what is bound stands there literally, what is not takes as little as fits."""
        expression, unbound = "", []
        for literal, name in parts:
            expression += re.escape(literal)
            if name is None:
                continue
            known = MISSING if name == variables.ANY else self.new.get(name, self._bound.get(name, MISSING))
            if known is not MISSING:
                expression += re.escape(known if isinstance(known, str) else brief(known))
            elif name in unbound:
                expression += f"(?P={name})"
            elif name == variables.ANY:
                expression += ".*?"
            else:
                unbound.append(name)
                expression += f"(?P<{name}>.+?)"
        found = re.fullmatch(expression, value, re.DOTALL)
        if found is None:
            yield Difference(path, brief(pattern), brief(value))
        else:
            self.new.update({name: found[name] for name in unbound})

    # -- operators

    def op_any(self, _: Any, value: Any, path: str) -> Iterator[Difference]:
        if value is MISSING:
            yield Difference(path, "anything", "nothing")

    def op_absent(self, _: Any, value: Any, path: str) -> Iterator[Difference]:
        if value is not MISSING:
            yield Difference(path, "nothing", brief(value))

    def op_regex(self, pattern: str, value: Any, path: str) -> Iterator[Difference]:
        if not isinstance(value, str) or not re.search(pattern, value, re.DOTALL):
            yield Difference(path, f"a text that matches /{pattern}/", brief(value))

    def op_type(self, name: str, value: Any, path: str) -> Iterator[Difference]:
        fits = isinstance(value, _TYPES[name]) and (name in ("boolean",) or not isinstance(value, bool))
        if not fits:
            yield Difference(path, f"a value of type {name}", brief(value))

    def op_not(self, pattern: Any, value: Any, path: str) -> Iterator[Difference]:
        if match(pattern, value, {**self._bound, **self.new}).fits:
            yield Difference(path, f"anything but {brief(pattern)}", brief(value))

    def op_one_of(self, patterns: list[Any], value: Any, path: str) -> Iterator[Difference]:
        for pattern in patterns:
            tried = match(pattern, value, {**self._bound, **self.new})
            if tried.fits:
                self.new.update(tried.bound)
                return
        yield Difference(path, f"one of {brief(patterns)}", brief(value))

    def op_contains(self, pattern: Any, value: Any, path: str) -> Iterator[Difference]:
        if isinstance(value, str) and isinstance(pattern, str):
            try:
                if variables.fill(pattern, {**self._bound, **self.new}) in value:
                    return
            except variables.Unbound as error:
                yield Difference(path, f"${{{error.name}}} to be bound before", "no value of it")
                return
        elif isinstance(value, list):
            for member in value:
                tried = match(pattern, member, {**self._bound, **self.new})
                if tried.fits:
                    self.new.update(tried.bound)
                    return
        yield Difference(path, f"something that contains {brief(pattern)}", brief(value))

    def op_exactly(self, pattern: Any, value: Any, path: str) -> Iterator[Difference]:
        yield from self.compare(pattern, value, path)
        if isinstance(value, Mapping) and isinstance(pattern, Mapping):
            for name in value:
                if name not in pattern:
                    yield Difference(f"{path}.{name}", "nothing", brief(value[name]))

    def op_json(self, pattern: Any, value: Any, path: str) -> Iterator[Difference]:
        if not isinstance(value, str):
            yield Difference(path, f"a text with JSON {brief(pattern)}", brief(value))
            return
        try:
            data = json.loads(value)
        except ValueError:
            yield Difference(path, f"a text with JSON {brief(pattern)}", brief(value))
            return
        yield from self.compare(pattern, data, f"{path}($json)")

    def op_length(self, pattern: Any, value: Any, path: str) -> Iterator[Difference]:
        if isinstance(value, str | list | bytes):
            yield from self.compare(pattern, len(value), f"{path}($length)")
        else:
            yield Difference(path, "a text or a list", brief(value))

    def op_bytes(self, pattern: str, value: Any, path: str) -> Iterator[Difference]:
        import base64

        if not isinstance(value, bytes):
            yield Difference(path, "a binary frame", brief(value))
        elif base64.b64encode(value).decode() != pattern:
            yield Difference(path, brief(pattern), brief(base64.b64encode(value).decode()))


_OPERATORS: dict[str, Callable[[_Matcher, Any, Any, str], Iterator[Difference]]] = {
    "$any": _Matcher.op_any,
    "$absent": _Matcher.op_absent,
    "$regex": _Matcher.op_regex,
    "$type": _Matcher.op_type,
    "$not": _Matcher.op_not,
    "$oneOf": _Matcher.op_one_of,
    "$contains": _Matcher.op_contains,
    "$exactly": _Matcher.op_exactly,
    "$json": _Matcher.op_json,
    "$length": _Matcher.op_length,
    "$bytes": _Matcher.op_bytes,
}


def operator_of(pattern: Any) -> str | None:
    """The operator that a pattern is, None for one that is plain JSON."""
    if isinstance(pattern, Mapping) and len(pattern) == 1:
        name = next(iter(pattern))
        return name if name in _OPERATORS else None
    return None


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: `1` is `1.0`, `true` is not `1`."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def _check(pattern: Any, at: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(pattern, Mapping):
        wrong = [name for name in pattern if isinstance(name, str) and name.startswith("$") and not name.startswith("${")]
        for name in wrong:
            if name not in _OPERATORS:
                yield (*at, name), f"there is no operator {name}"
            elif len(pattern) > 1:
                yield (*at, name), f"{name} stands alone in its braces"
        operator = operator_of(pattern)
        if operator is not None:
            yield from _check_operator(operator, pattern[operator], (*at, operator))
        else:
            for name, member in pattern.items():
                yield from _check(member, (*at, name))
    elif isinstance(pattern, list | tuple):
        for index, member in enumerate(pattern):
            if member == REST and index < len(pattern) - 1:
                yield (*at, index), "... stands at the end of a list"
            yield from _check(member, (*at, index))


def _check_operator(name: str, argument: Any, at: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if name == "$regex":
        try:
            re.compile(argument if isinstance(argument, str) else "(")
        except re.error as error:
            yield at, f"$regex is no regular expression: {error.msg}"
    elif name == "$type" and argument not in _TYPES:
        yield at, f"$type is one of {', '.join(_TYPES)}"
    elif name == "$oneOf" and not (isinstance(argument, list) and argument):
        yield at, "$oneOf has a list of patterns"
    elif name == "$bytes" and not isinstance(argument, str):
        yield at, "$bytes has a text in base64"
    elif name in ("$not", "$contains", "$exactly", "$json", "$length"):
        yield from _check(argument, at)
    elif name == "$oneOf":
        for index, member in enumerate(argument):
            yield from _check(member, (*at, index))
