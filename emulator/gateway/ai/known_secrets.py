"""The secrets that must not stand in a recording: the project's, and the keys of models wherever they come from (ai-binding.md 7.5)."""

from __future__ import annotations

from collections.abc import Mapping

from emulator.config.ai import AiConfig
from emulator.config.ai_sections import WELL_KNOWN


def known_secrets(project: Mapping[str, str], config: AiConfig, environ: Mapping[str, str]) -> dict[str, str]:
    """Values by name. A variable that a backend reads, or one of the well-known backends would, counts also where only the process has
    it; a key that stands in `agents-emu.toml` itself is called `NAME.key` after its backend. `project` wins."""
    known: dict[str, str] = {}
    for backend in (*WELL_KNOWN.values(), *config.backends.values()):
        for name, credential in (("key", backend.key), ("ACCOUNT_ID", backend.account)):
            if credential is None:
                continue
            if credential.env is None:
                known[f"{backend.name}.{name}"] = credential.text
            elif value := environ.get(credential.env):
                known[credential.env] = value
    return {**known, **project}
