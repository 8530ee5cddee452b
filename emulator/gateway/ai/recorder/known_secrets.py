"""The secrets that must not stand in a recording: the project's, and the keys of models wherever they come from (ai-binding.md 7.5)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from emulator.config.ai import AiConfig
from emulator.config.ai_sections import WELL_KNOWN

_SECRET_NAME = re.compile("(?i)key|token|secret|pass|pwd|auth|cred|private|sign|salt|dsn|hook|cookie|session|account")
_SETTING = re.compile(
    r"@(?:cf|hf)/[\w.-]+/[\w.-]+"
    r"|(?:openai/|anthropic/|google/|google-ai-studio/)?(?:gpt|claude|gemini|gemma|llama|mistral|deepseek|qwen|text-embedding)-[\w.:-]{1,40}"
    r"|(?:https?|wss?)://[a-z0-9.-]+(?::[0-9]+)?(?:/[a-z0-9.-]{0,16}){0,3}"
    r"|development|production|staging|localhost|127\.0\.0\.1"
)


def known_secrets(project: Mapping[str, str], config: AiConfig, environ: Mapping[str, str]) -> dict[str, str]:
    """Values by name. A variable that a backend reads, or one of the well-known backends would, counts also where only the process has
    it; a key that stands in `agents-emu.toml` itself is called `NAME.key` after its backend. `project` wins, but for its plain settings."""
    known: dict[str, str] = {}
    for backend in (*WELL_KNOWN.values(), *config.backends.values()):
        for name, credential in (("key", backend.key), ("ACCOUNT_ID", backend.account)):
            if credential is None:
                continue
            if credential.env is None:
                known[f"{backend.name}.{name}"] = credential.text
            elif value := environ.get(credential.env):
                known[credential.env] = value
    return {**known, **{name: value for name, value in project.items() if not is_setting(name, value)}}


def is_setting(name: str, value: str) -> bool:
    """Whether an entry of `.dev.vars` is certainly no secret: a model's id, an address without credentials, the name of an environment.

    Such values stand in requests. Replaced, they would make every recording a miss where `.dev.vars` is absent, as in CI.
    """
    return _SECRET_NAME.search(name) is None and _SETTING.fullmatch(value.strip()) is not None
