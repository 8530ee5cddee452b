"""What secrets of well-known makers look like, so that one nobody told us about is not written (ai-binding.md 7.5). Pure.

A pattern must be exact enough not to stop an answer that merely talks about keys: a prefix, a length, a digit where words have none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from emulator.config.ai import RedactRule

_BEFORE = r"(?<![A-Za-z0-9])"
_PATTERNS: tuple[tuple[str, str], ...] = (
    ("Anthropic key", rf"{_BEFORE}sk-ant-[A-Za-z0-9_-]{{16,}}"),
    ("OpenAI key", rf"{_BEFORE}sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{{20,}}"),
    ("OpenAI-style key", rf"{_BEFORE}sk-(?=[A-Za-z_-]*[0-9])(?=[A-Za-z0-9_-]*[A-Za-z0-9]{{16}})[A-Za-z0-9_-]{{20,}}"),
    ("Google API key", rf"{_BEFORE}AIza[0-9A-Za-z_-]{{35}}"),
    ("Google OAuth token", rf"{_BEFORE}ya29\.[0-9A-Za-z_-]{{20,}}"),
    ("AWS access key", rf"{_BEFORE}(?:AKIA|ASIA)[0-9A-Z]{{16}}(?![0-9A-Za-z])"),
    (
        "AWS secret key",
        r"(?:aws|AWS)[_A-Za-z]{0,20}(?:secret|SECRET)[_A-Za-z]{0,20}[\"'\\ ]{0,4}[=:][\"'\\ ]{0,4}[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])",
    ),
    ("GitHub token", rf"{_BEFORE}(?:gh[pousr]_[A-Za-z0-9]{{36,}}|github_pat_[A-Za-z0-9_]{{22,}})"),
    ("GitLab token", rf"{_BEFORE}glpat-[A-Za-z0-9_-]{{20,}}"),
    ("Cloudflare token", rf"{_BEFORE}cf(?:k|ut|at)_[A-Za-z0-9_-]{{30,}}"),
    ("Cloudflare origin key", r"(?<![A-Za-z0-9])v1\.0-[0-9a-f]{24}-[0-9a-f]{100,}"),
    (
        "Cloudflare token",
        r"(?:cloudflare|CLOUDFLARE|Cloudflare|\bCF)[_ A-Za-z-]{0,24}(?:token|TOKEN|Token|key|KEY|Key)[\"'\\ ]{0,4}[=:][\"'\\ ]{0,4}"
        r"(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{37,45}(?![A-Za-z0-9_-])",
    ),
    ("Slack token", rf"{_BEFORE}(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{{10,}}"),
    ("Slack webhook", r"hooks\.slack\.com/services/T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{16,}"),
    ("Stripe key", rf"{_BEFORE}[rs]k_(?:live|test)_[A-Za-z0-9]{{16,}}"),
    ("Hugging Face token", rf"{_BEFORE}hf_[A-Za-z0-9]{{30,}}"),
    ("Groq key", rf"{_BEFORE}gsk_[A-Za-z0-9]{{40,}}"),
    ("npm token", rf"{_BEFORE}npm_[A-Za-z0-9]{{36}}"),
    ("JSON Web Token", rf"{_BEFORE}eyJ[A-Za-z0-9_-]{{8,}}\.eyJ[A-Za-z0-9_-]{{8,}}\.[A-Za-z0-9_-]*"),
    ("private key", r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    ("bearer token", rf"{_BEFORE}[Bb][Ee][Aa][Rr][Ee][Rr] +(?=[A-Za-z._~+/-]*[0-9])[A-Za-z0-9._~+/-]{{16,}}"),
)
_TEXT = tuple((what, re.compile(pattern)) for what, pattern in _PATTERNS)
_BYTES = tuple((what, re.compile(pattern.encode())) for what, pattern in _PATTERNS)

LONGEST = 512
"""Bytes of a token that are enough to know it."""

PII_RULES = (
    RedactRule("email", regex=r"[A-Za-z0-9][A-Za-z0-9._%+-]*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"),
    RedactRule("phone", regex=r"(?<![\w.+-])\+[1-9][0-9](?:[ ().-]{0,2}[0-9]){6,13}(?![\w-])"),
    RedactRule("card", regex=r"(?<![\w.-])(?:4[0-9]{3}|5[1-5][0-9]{2}|6011)(?:[ -]?[0-9]{4}){3}(?![\w.-])"),
    RedactRule("iban", regex=r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,4})?(?![A-Za-z0-9])"),
)
"""Personal data, for projects that want it out of their recordings; off by default because it changes what agents read."""


def unknown_secrets(text: str) -> Iterator[str]:
    """What sorts of token stand in `text`, each once."""
    return _found(_TEXT, text)


def unknown_secrets_in_bytes(data: bytes) -> Iterator[str]:
    """The same for bytes."""
    return _found(_BYTES, data)


def _found(patterns: tuple[tuple[str, re.Pattern], ...], content: str | bytes) -> Iterator[str]:
    seen: set[str] = set()
    for what, pattern in patterns:
        if what not in seen and pattern.search(content):
            seen.add(what)
            yield what
