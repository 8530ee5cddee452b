"""The small schema reader: same verdicts as jsonschema, and words for people."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.config.shape import brief, key_words, mismatches, unknown_keys
from emulator.config.wrangler_schema import INHERITED, OWN, WRANGLER

VALIDATOR = jsonschema.Draft202012Validator(WRANGLER)
GOOD: dict[str, Any] = {
    "name": "shop",
    "main": "src/entry.py",
    "compatibility_date": "2026-06-11",
    "compatibility_flags": ["nodejs_compat"],
    "durable_objects": {"bindings": [{"name": "CHAT", "class_name": "Chat"}]},
    "migrations": [{"tag": "v1", "new_sqlite_classes": ["Chat"], "renamed_classes": [{"from": "A", "to": "B"}]}],
    "ai": {"binding": "AI", "remote": True},
    "vars": {"A": 1, "B": {"c": [None]}},
    "assets": {"directory": "public", "run_worker_first": ["/agents/*", "!/x"], "not_found_handling": "404-page"},
    "triggers": {"crons": ["* * * * *"]},
    "kv_namespaces": [{"binding": "CACHE", "id": "1"}],
    "queues": {"producers": [{"binding": "Q", "queue": "q"}], "consumers": [{}]},
    "send_email": [{"name": "MAIL"}],
    "secrets": {"required": ["KEY"]},
    "env": {"staging": {"name": "other", "vars": {}}},
    "exports": {"Chat": {"type": "durable-object", "storage": "sqlite"}},
}
TEXTS = st.sampled_from(["", "x", "A b", "/p", "2026-01-01"])
KEYS = st.sampled_from(["name", "binding", "x"])
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS)
VALUES = st.recursive(SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner)), max_leaves=6)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    return [path, *(place for key, member in inner for place in places(member, (*path, key)))]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([place for place in places(GOOD) if place]), VALUES)
def test_same_verdict_as_jsonschema(place: tuple[Any, ...], value: Any) -> None:
    changed = copy.deepcopy(GOOD)
    target: Any = changed
    for part in place[:-1]:
        target = target[part]
    target[place[-1]] = value
    assert (next(mismatches(changed, WRANGLER), None) is None) == VALIDATOR.is_valid(changed)


def test_a_complete_file_fits() -> None:
    assert VALIDATOR.is_valid(GOOD)
    assert list(mismatches(GOOD, WRANGLER)) == []
    assert list(unknown_keys(GOOD, WRANGLER)) == []


def test_only_keywords_that_are_read_are_used() -> None:
    read = {"type", "enum", "pattern", "properties", "required", "items", "additionalProperties", "description"}

    def walk(schema: dict[str, Any]) -> None:
        assert set(schema) <= read
        single = [schema[key] for key in ("items", "additionalProperties") if key in schema]
        for inner in (*schema.get("properties", {}).values(), *single):
            walk(inner)

    walk(WRANGLER)


@pytest.mark.parametrize(
    ("value", "expected", "found"),
    [
        ({"compatibility_flags": "nodejs_compat"}, "a list of strings", '"nodejs_compat"'),
        ({"durable_objects": {"bindings": [{"name": 1, "class_name": "A"}]}}, "a name that is valid in JavaScript, such as MY_AGENT", "1"),
        ({"durable_objects": {"bindings": [{"name": "A"}]}}, "the name of a class, such as Chat", None),
        ({"durable_objects": []}, "a table", "a list of 0"),
        ({"assets": {"not_found_handling": "spa"}}, 'one of "none", "single-page-application", "404-page"', '"spa"'),
        ({"assets": {"run_worker_first": 3}}, "true or false or a list of strings", "3"),
        ({"vars": True}, "a table", "true"),
        ({"compatibility_date": "yesterday"}, 'a date such as "2026-11-17"', '"yesterday"'),
    ],
)
def test_words(value: Any, expected: str, found: str | None) -> None:
    wrong = next(mismatches(value, WRANGLER))
    assert (wrong.expected, wrong.found) == (expected, found)


def test_unknown_keys_at_every_depth() -> None:
    value = {"durable_object": {}, "assets": {"dir": "x"}, "env": {"a": {"var": {}}}, "migrations": [{"tag": "v1", "new_sqlite_class": []}]}
    found = {key_words(path): close for path, close in unknown_keys(value, WRANGLER)}
    assert found == {
        "durable_object": "durable_objects",
        "assets.dir": None,
        "env.a.var": "vars",
        "migrations[0].new_sqlite_class": "new_sqlite_classes",
    }


def test_long_values_are_cut() -> None:
    assert len(brief("x" * 500)) == 60
    assert brief({"a": 1}) == "a table with 1 key"


def test_no_key_is_both_inherited_and_not() -> None:
    assert not INHERITED.keys() & OWN.keys()
