"""The keys of the wrangler file that steer its bundler."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emulator.config import Project
from emulator.errors import ConfigError

Load = Callable[..., Project]


def test_what_steers_the_bundler_is_passed_on_as_it_stands(project: Load) -> None:
    rules = [{"type": "Text", "globs": ["**/*.md"], "fallthrough": True}]
    keys = {"alias": {"a": "./b.ts"}, "define": {"VERSION": '"1"'}, "rules": rules, "tsconfig": "tsconfig.worker.json", "keep_names": False}
    loaded = project(**keys)
    assert dict(loaded.bundling.keys) == keys
    assert loaded.notices == ()


def test_an_environment_repeats_define_inherits_rules_and_shares_alias(project: Load) -> None:
    rules = [{"type": "Data", "globs": ["**/*.dat"]}]
    loaded = project(environment="stage", alias={"a": "b"}, define={"X": "1"}, rules=rules, env={"stage": {"vars": {}}})
    assert dict(loaded.bundling.keys) == {"alias": {"a": "b"}, "rules": rules}
    assert [notice.what.split(" stands")[0] for notice in loaded.notices] == ['"define"']


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"alias": {"a": 1}}, '"alias.a" must be a string, and is 1'),
        ({"rules": [{"type": "Text"}]}, '"rules[0].globs" is missing: a list of strings is expected'),
        ({"keep_names": "yes"}, '"keep_names" must be true or false, and is "yes"'),
    ],
)
def test_wrong_types_are_refused(project: Load, keys: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        project(**keys)
    assert caught.value.what == words


def test_a_build_command_is_said_to_be_left_out(project: Load) -> None:
    loaded = project(build={"command": "npm run build", "cwd": "."})
    assert [(notice.what, notice.hint) for notice in loaded.notices] == [
        ('"build.command" is not run here', "run it yourself: npm run build")
    ]
