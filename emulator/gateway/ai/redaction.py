"""What of an exchange may be written, and in which form (ai-binding.md 7.5).

Known secrets become `{{secret:NAME}}`, account ids `{{account}}`, what the project's rules find `{{redacted:NAME}}`; headers are denied
by default; what looks like an unknown secret blocks the write. Requests are compared in their redacted form, so a new key is no miss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from emulator.config.ai import RedactRule
from emulator.gateway.ai.canonical import ModelRequest


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be written: what it looks like (never its value), and the JSON path of the recording."""

    what: str
    path: str


class Redaction:
    """`secrets` gives name -> value (asked at each use, so keys may be added while the server runs); values under 8 characters are
    ignored, names ending in ACCOUNT_ID become `{{account}}`. `rules` are `[[ai.redact]]`, plus PII_RULES when wanted."""

    def __init__(self, secrets: Callable[[], Mapping[str, str]], rules: Sequence[RedactRule] = ()) -> None:
        self._secrets = secrets
        self._rules = tuple(rules)

    def request(self, asked: ModelRequest) -> ModelRequest:
        """The request as recordings are matched: values redacted, headers all there. Idempotent."""
        return asked
