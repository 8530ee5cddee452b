"""Which values count as secrets of a project."""

from __future__ import annotations

import pytest

from emulator.config.ai import AiConfig, BackendConfig, BackendType, Credential
from emulator.gateway.ai.recorder.known_secrets import known_secrets
from emulator.gateway.ai.recorder.redaction import Redaction


def test_keys_of_models_count_wherever_they_come_from():
    backends = {
        "mine": BackendConfig("mine", BackendType.OPENAI, key=Credential("env:MY_KEY", "MY_KEY")),
        "inline": BackendConfig("inline", BackendType.OPENAI, key=Credential("written-in-the-file"), account=Credential("a" * 32)),
    }
    environ = {"MY_KEY": "from-the-process", "OPENAI_API_KEY": "well-known-name", "HOME": "/home/somebody"}
    found = known_secrets({"DB": "the-project-s", "OPENAI_API_KEY": "the-project-wins"}, AiConfig(backends=backends), environ)
    assert found == {
        "DB": "the-project-s",
        "MY_KEY": "from-the-process",
        "OPENAI_API_KEY": "the-project-wins",
        "inline.key": "written-in-the-file",
        "inline.ACCOUNT_ID": "a" * 32,
    }
    redaction = Redaction(lambda: found)
    assert redaction.text("written-in-the-file " + "a" * 32) == "{{secret:inline.key}} {{account}}"


def test_each_line_of_a_key_with_several_is_one():
    redaction = Redaction(lambda: {"PEM": "first-line-of-it\nsecond-line-of-it\nend"})
    assert redaction.text("see second-line-of-it") == "see {{secret:PEM}}"
    assert redaction.data(b'{"k":"first-line-of-it\\nsecond-line-of-it\\nend"}') == b'{"k":"{{secret:PEM}}"}'


@pytest.mark.parametrize(
    ("name", "value", "setting"),
    [
        ("MODEL", "gpt-4o-mini", True),
        ("MODEL", "@cf/meta/llama-3.1-8b-instruct", True),
        ("MODEL", "anthropic/claude-sonnet-4-5", True),
        ("BASE_URL", "https://api.openai.com/v1", True),
        ("OLLAMA", "http://127.0.0.1:11434/v1/", True),
        ("ENVIRONMENT", "development", True),
        ("MODEL_KEY", "gpt-4o-mini", False),
        ("WEBHOOK", "https://hooks.example.com/a/b", False),
        ("ENDPOINT", "https://user:pass@example.com/", False),
        ("ENDPOINT", "https://example.com/?key=abcdefgh", False),
        ("ENDPOINT", "https://example.com/aB3dE6gH", False),
        ("ENDPOINT", "https://example.com/0123456789abcdef0123456789abcdef", False),
        ("NAME", "correct-horse-battery", False),
    ],
)
def test_settings_in_dev_vars_are_no_secrets(name, value, setting):
    assert (known_secrets({name: value}, AiConfig(), {}) == {}) is setting
