"""Secrets: which files count, in which order, and that values stay hidden (durable-objects.md 10.3, S-113)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from emulator.config import Project, Redactor, Secrets
from emulator.errors import ConfigError

Load = Callable[..., Project]


def test_dev_vars_override_vars_and_switch_env_off(project: Load) -> None:
    loaded = project({".dev.vars": 'KEY="from dev vars"\nMODE=dev', ".env": "ONLY_HERE=1"}, vars={"MODE": "top", "N": 1})
    assert loaded.vars == {"N": 1}
    assert dict(loaded.secrets) == {"KEY": "from dev vars", "MODE": "dev"}
    assert loaded.values == {"N": 1, "KEY": "from dev vars", "MODE": "dev"}


def test_dev_vars_of_the_environment_replace_the_others(project: Load) -> None:
    files = {".dev.vars": "A=1\nB=1", ".dev.vars.staging": "A=2"}
    assert dict(project(files, environment="staging", env={"staging": {}}).secrets) == {"A": "2"}
    assert dict(project(files).secrets) == {"A": "1", "B": "1"}


def test_env_files_in_order_and_expanded(project: Load) -> None:
    files = {
        ".env": "A=env\nB=env\nC=env\nURL=http://${HOST}/${A}/${MISSING:-x}",
        ".env.local": "B=local\nC=local",
        ".env.staging": "C=staging",
        ".env.staging.local": "D=last",
    }
    loaded = project(files, environment="staging", env={"staging": {}}, environ={"HOST": "example.org", "A": "not this"})
    assert dict(loaded.secrets) == {"A": "env", "B": "local", "C": "staging", "D": "last", "URL": "http://example.org/env/x"}


def test_dev_vars_are_not_expanded(project: Load) -> None:
    assert project({".dev.vars": "PRICE=${5}"}).secrets["PRICE"] == "${5}"


def test_env_can_be_switched_off(project: Load) -> None:
    assert dict(project({".env": "A=1"}, environ={"CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV": "false"}).secrets) == {}


def test_named_files_count_alone(project: Load, tmp_path: Path) -> None:
    files = {".dev.vars": "A=dev", ".env": "A=env", "one.env": "A=1\nB=1", "two.env": "A=2"}
    loaded = project(files, env_files=[tmp_path / "one.env", tmp_path / "two.env"])
    assert dict(loaded.secrets) == {"A": "2", "B": "1"}


def test_a_named_file_must_exist(project: Load, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        project(env_files=[tmp_path / "absent.env"])
    assert caught.value.code == "E112"


def test_process_environment_only_when_asked(project: Load) -> None:
    assert "HOME" not in project(environ={"HOME": "/h"}).secrets
    assert project(environ={"HOME": "/h", "CLOUDFLARE_INCLUDE_PROCESS_ENV": "true"}).secrets["HOME"] == "/h"


def test_declared_secrets_only(project: Load) -> None:
    loaded = project(
        {".env": "KEY=k\nEXTRA=x\nMODE=env"},
        secrets={"required": ["KEY", "ABSENT", "SHELL_KEY"]},
        vars={"MODE": "top"},
        environ={"SHELL_KEY": "s"},
    )
    assert dict(loaded.secrets) == {"KEY": "k", "MODE": "env", "SHELL_KEY": "s"}
    assert [notice.what for notice in loaded.notices] == ['the secret ABSENT is required by "secrets" and has no value']


def test_variables_of_the_command_line_win(project: Load) -> None:
    loaded = project({".dev.vars": "A=secret"}, vars={"A": 1, "B": 2}, variables={"A": "flag"})
    assert (loaded.vars, dict(loaded.secrets)) == ({"A": "flag", "B": 2}, {})


def test_a_broken_line_is_named_without_its_content(project: Load) -> None:
    loaded = project({".dev.vars": "A=1\nthis is no pair 'with s3cret\nB=2"})
    assert loaded.secrets["A"] == "1"
    assert [notice.where for notice in loaded.notices] == [".dev.vars:2"]
    assert "s3cret" not in str(loaded.notices)


def test_secret_values_never_show(project: Load) -> None:
    loaded = project({".dev.vars": "KEY=super-secret-value"})
    for text in (repr(loaded), str(loaded.secrets), f"{loaded.secrets}", repr(loaded.secrets)):
        assert "KEY" in text
        assert "super-secret-value" not in text


def test_redaction() -> None:
    values = {"KEY": "sk-12345678", "LONGER": "sk-12345678-and-more", "FLAG": "true", "PEM": "-----BEGIN\nMIIEvQIBADAN"}
    redact = Redactor(Secrets(values))
    assert redact("MIIEvQIBADAN") == "[secret PEM]"
    assert redact("a sk-12345678-and-more, sk-12345678; true") == "a [secret LONGER], [secret KEY]; true"
    assert Redactor(Secrets({"FLAG": "true"}))("true") == "true"


def test_redaction_knows_how_values_are_written() -> None:
    value = 'p&ss "w/rd"\'ü'
    redact = Redactor(Secrets({"KEY": value}))
    for text in (value, repr(value), json.dumps(value), json.dumps({"a": value}), f"http://h/?{urlencode({'k': value})}", quote(value)):
        assert "w/rd" not in redact(text) and "w%2Frd" not in redact(text), text
        assert "[secret KEY]" in redact(text)


def test_a_replaced_value_stays_hidden() -> None:
    redact = Redactor(Secrets({"KEY": "first-value"}))
    redact.learn(Secrets({"KEY": "second-value"}))
    assert redact("first-value second-value") == "[secret KEY] [secret KEY]"
