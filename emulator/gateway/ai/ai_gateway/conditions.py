"""Conditions of dynamic routes: MongoDB-like queries over a request (ai-binding.md 3.3 "Dynamic routes"). Pure.

`{"metadata.plan": {"$eq": "free"}}` asks `metadata.plan`; a path begins with `metadata`, `headers` or `body`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_MISSING = object()


class BadCondition(ValueError):
    """The condition is not one; the text says where and why."""


def check(condition: Any) -> None:
    """Raises BadCondition where the condition uses what is not known here, also in parts that a request might never reach."""
    if not isinstance(condition, dict):
        raise BadCondition(f"a condition must be an object, found {condition!r}")
    for name, value in condition.items():
        if name in ("$and", "$or", "$nor"):
            for part in _list(name, value):
                check(part)
        elif name == "$not":
            check(value)
        elif str(name).startswith("$"):
            raise BadCondition(f"{name} is no operator that stands alone")
        else:
            _check_test(value)


def _check_test(test: Any) -> None:
    if not _has_operators(test):
        return
    for name, wanted in test.items():
        if name not in _OPERATORS:
            raise BadCondition(f"{name} is no operator known here; known: {', '.join(sorted(_OPERATORS))}")
        if name in ("$in", "$nin"):
            _list(name, wanted)
        elif name == "$not":
            _check_test(wanted)
        elif name == "$regex":
            _pattern(wanted)


def holds(condition: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Whether a checked condition is true of `facts`."""
    return all(_clause(name, value, facts) for name, value in condition.items())


def fact(path: str, facts: Mapping[str, Any]) -> Any:
    """The value at a dotted path, None when there is none."""
    value = _lookup(path, facts)
    return None if value is _MISSING else value


def _clause(name: str, value: Any, facts: Mapping[str, Any]) -> bool:
    match name:
        case "$and":
            return all(holds(part, facts) for part in value)
        case "$or":
            return any(holds(part, facts) for part in value)
        case "$nor":
            return not any(holds(part, facts) for part in value)
        case "$not":
            return not holds(value, facts)
    return _test(_lookup(name, facts), value)


def _test(found: Any, test: Any) -> bool:
    if not _has_operators(test):
        return _equal(found, test)
    return all(_operator(name, wanted, found) for name, wanted in test.items())


def _has_operators(test: Any) -> bool:
    return isinstance(test, dict) and any(str(name).startswith("$") for name in test)


def _operator(name: str, wanted: Any, found: Any) -> bool:
    match name:
        case "$eq":
            return _equal(found, wanted)
        case "$ne":
            return not _equal(found, wanted)
        case "$in":
            return any(_equal(found, one) for one in wanted)
        case "$nin":
            return not any(_equal(found, one) for one in wanted)
        case "$exists":
            return (found is not _MISSING) is bool(wanted)
        case "$not":
            return not _test(found, wanted)
        case "$regex":
            return isinstance(found, str) and _pattern(wanted).search(found) is not None
    comparable = (_is_number(found) and _is_number(wanted)) or (isinstance(found, str) and isinstance(wanted, str))
    return comparable and _COMPARISONS[name](found, wanted)


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": lambda found, wanted: bool(found > wanted),
    "$gte": lambda found, wanted: bool(found >= wanted),
    "$lt": lambda found, wanted: bool(found < wanted),
    "$lte": lambda found, wanted: bool(found <= wanted),
}
_OPERATORS = frozenset({"$eq", "$ne", "$in", "$nin", "$exists", "$not", "$regex", *_COMPARISONS})


def _equal(found: Any, wanted: Any) -> bool:
    if found is _MISSING:
        return wanted is None
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    return bool(found == wanted) or (isinstance(found, list) and wanted in found)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _lookup(path: str, facts: Mapping[str, Any]) -> Any:
    root, _, rest = path.partition(".")
    value: Any = facts.get(root, _MISSING)
    if root == "headers":
        return value.get(rest.lower(), _MISSING) if isinstance(value, Mapping) else _MISSING
    if root == "metadata" and isinstance(value, Mapping) and rest in value:
        return value[rest]
    for name in rest.split(".") if rest else ():
        if isinstance(value, Mapping) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return _MISSING
    return value


def _list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise BadCondition(f"{name} needs an array, found {value!r}")
    return value


def _pattern(text: Any) -> re.Pattern[str]:
    try:
        return re.compile(str(text))
    except re.error as error:
        raise BadCondition(f"$regex {text!r} is no regular expression: {error}") from None
