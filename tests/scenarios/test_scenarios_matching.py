"""Patterns and variables."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.scenarios import matching, variables
from emulator.scenarios.matching import match


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        (1, 1.0),
        (None, None),
        ("a", "a"),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({}, {"a": 1}),
        ([1, {"a": 1}], [1, {"a": 1, "b": 2}]),
        ([1, "..."], [1, 2, 3]),
        (["..."], []),
        ("${any}", None),
        ("a-${any}-c", "a-b-c"),
        ("$${x}", "${x}"),
        ({"$any": True}, None),
        ({"a": {"$absent": True}}, {}),
        ({"$regex": "^a.c$"}, "a\nc"),
        ({"$type": "integer"}, 3),
        ({"$type": "boolean"}, True),
        ({"$not": 3}, 4),
        ({"$oneOf": [1, 2]}, 2),
        ({"$contains": "b"}, "abc"),
        ({"$contains": {"id": 2}}, [{"id": 1}, {"id": 2, "x": 1}]),
        ({"$exactly": {"a": {"b": 1}}}, {"a": {"b": 1}}),
        ({"$json": {"type": "finish"}}, '{"type":"finish","n":1}'),
        ({"$length": 2}, [1, 2]),
        ({"$length": {"$oneOf": [2, 3]}}, "abc"),
        ({"$bytes": "aGk="}, b"hi"),
    ],
)
def test_what_fits(pattern: Any, value: Any) -> None:
    assert list(matching.check(pattern)) == []
    assert match(pattern, value, {}).differences == ()


@pytest.mark.parametrize(
    ("pattern", "value", "difference"),
    [
        (True, 1, "$: expected true, found 1"),
        ({"a": 1}, {"b": 1}, "$.a: expected 1, found nothing"),
        ({"a": {"b": [1]}}, {"a": {"b": [2]}}, "$.a.b[0]: expected 1, found 2"),
        ([1], [1, 2], "$[1]: expected the end of the list, found 2"),
        ([1, 2], [1], "$[1]: expected 2, found nothing"),
        ([1, 2, "..."], [1], "$[1]: expected 2, found nothing"),
        ({"a": {"$absent": True}}, {"a": None}, "$.a: expected nothing, found null"),
        ({"a": {"$any": True}}, {}, "$.a: expected anything, found nothing"),
        ({"$regex": "^b"}, "abc", '$: expected a text that matches /^b/, found "abc"'),
        ({"$type": "integer"}, True, "$: expected a value of type integer, found true"),
        ({"$not": {"a": 1}}, {"a": 1, "b": 2}, '$: expected anything but {"a": 1}, found {"a": 1, "b": 2}'),
        ({"$json": {"t": 1}}, '{"t": 2}', "$($json).t: expected 1, found 2"),
        ({"$exactly": {"a": 1}}, {"a": 1, "b": 2}, "$.b: expected nothing, found 2"),
        ({"$length": 2}, [1], "$($length): expected 2, found 1"),
        ("a-${any}-c", "a-b-d", '$: expected "a-${any}-c", found "a-b-d"'),
    ],
)
def test_what_does_not_fit_is_told(pattern: Any, value: Any, difference: str) -> None:
    assert [str(one) for one in match(pattern, value, {}).differences] == [difference]


def test_a_variable_is_bound_once_and_held_to_its_value() -> None:
    pattern = {"id": "${id}", "again": "${id}"}
    assert match(pattern, {"id": "x", "again": "x"}, {}).bound == {"id": "x"}
    assert [str(one) for one in match(pattern, {"id": "x", "again": "y"}, {}).differences] == ['$.again: expected "x" (${id}), found "y"']
    assert match(pattern, {"id": "x", "again": "x"}, {"id": "x"}).bound == {}
    assert not match(pattern, {"id": "x", "again": "x"}, {"id": "z"}).fits


def test_what_does_not_fit_binds_nothing() -> None:
    assert match({"a": "${x}", "b": 1}, {"a": 5, "b": 2}, {}).bound == {}


def test_variables_inside_of_texts() -> None:
    assert match("assistant_${ms}_${rest}", "assistant_17_ab_c", {}).bound == {"ms": "17", "rest": "ab_c"}
    assert match("${x}-${x}", "ab-ab", {}).bound == {"x": "ab"}
    assert not match("${x}-${x}", "ab-cd", {}).fits
    assert match("n${n}", "n17", {"n": 17}).fits


def test_variables_keep_their_kind_when_they_stand_alone() -> None:
    bound = {"n": 3, "who": "me"}
    assert variables.fill({"a": "${n}", "b": ["n is ${n}, ${who}"], "${who}": 1}, bound) == {"a": 3, "b": ["n is 3, me"], "me": 1}
    assert variables.fill("$${n}", bound) == "${n}"
    with pytest.raises(variables.Unbound):
        variables.fill("${nobody}", bound)


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ({"$regx": "a"}, "there is no operator $regx"),
        ({"$regex": "("}, "$regex is no regular expression: missing ), unterminated subpattern"),
        ({"$regex": "a", "b": 1}, "$regex stands alone in its braces"),
        ({"$type": "int"}, "$type is one of string, number, integer, boolean, object, array, null, binary"),
        ({"$oneOf": 3}, "$oneOf has a list of patterns"),
        ([1, "...", 2], "... stands at the end of a list"),
        ({"a": [{"$json": {"$no": 1}}]}, "there is no operator $no"),
    ],
)
def test_wrong_patterns_are_told(pattern: Any, problem: str) -> None:
    assert [what for _, what in matching.check(pattern)] == [problem]
