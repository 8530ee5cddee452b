"""What secrets of well-known makers look like, so that one nobody told us about is not written or shown (ai-binding.md 7.5). Pure.

A pattern must be exact enough not to stop an answer that merely talks about keys: a prefix, a length, a digit where words have none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from emulator.config.ai import RedactRule

_BEFORE = r"(?<![A-Za-z0-9])"
_PATTERNS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    # what it is, texts of which it holds one (they are found a hundred times as fast), pattern
    ("Anthropic key", ("sk-ant-",), rf"{_BEFORE}sk-ant-[A-Za-z0-9_-]{{16,}}"),
    ("OpenAI key", ("sk-",), rf"{_BEFORE}sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{{20,}}"),
    ("OpenAI-style key", ("sk-",), rf"{_BEFORE}sk-(?!ant-)(?=[A-Za-z_-]*[0-9])(?=[A-Za-z0-9_-]*[A-Za-z0-9]{{16}})[A-Za-z0-9_-]{{20,}}"),
    ("Google API key", ("AIza",), rf"{_BEFORE}AIza[0-9A-Za-z_-]{{35}}"),
    ("Google OAuth token", ("ya29.",), rf"{_BEFORE}ya29\.[0-9A-Za-z_-]{{20,}}"),
    ("AWS access key", ("AKIA", "ASIA"), rf"{_BEFORE}(?:AKIA|ASIA)[0-9A-Z]{{16}}(?![0-9A-Za-z])"),
    (
        "AWS secret key",
        ("aws_secret", "AWS_SECRET", "awsSecret"),
        r"(?:aws_secret|AWS_SECRET|awsSecret)[_A-Za-z]{0,20}[\"'\\ ]{0,4}[=:][\"'\\ ]{0,4}[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])",
    ),
    ("GitHub token", ("gh", "github_pat_"), rf"{_BEFORE}(?:gh[pousr]_[A-Za-z0-9]{{36,}}|github_pat_[A-Za-z0-9_]{{22,}})"),
    ("GitLab token", ("glpat-",), rf"{_BEFORE}glpat-[A-Za-z0-9_-]{{20,}}"),
    ("Cloudflare token", ("cfk_", "cfut_", "cfat_"), rf"{_BEFORE}cf(?:k|ut|at)_[A-Za-z0-9_-]{{30,}}"),
    ("Cloudflare origin key", ("v1.0-",), rf"{_BEFORE}v1\.0-[0-9a-f]{{24}}-[0-9a-f]{{100,}}"),
    (
        "Cloudflare token",
        ("loudflare", "LOUDFLARE", "CF_"),
        r"(?:[Cc]loudflare|CLOUDFLARE|\bCF_)[_ A-Za-z-]{0,24}(?:token|TOKEN|Token|key|KEY|Key)[\"'\\ ]{0,4}[=:][\"'\\ ]{0,4}"
        r"(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{37,45}(?![A-Za-z0-9_-])",
    ),
    ("Slack token", ("xox", "xapp-"), rf"{_BEFORE}(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{{10,}}"),
    ("Slack webhook", ("hooks.slack.com",), r"hooks\.slack\.com/services/T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{16,}"),
    ("Stripe key", ("_live_", "_test_"), rf"{_BEFORE}[rs]k_(?:live|test)_[A-Za-z0-9]{{16,}}"),
    ("Hugging Face token", ("hf_",), rf"{_BEFORE}hf_[A-Za-z0-9]{{30,}}"),
    ("Groq key", ("gsk_",), rf"{_BEFORE}gsk_[A-Za-z0-9]{{40,}}"),
    ("npm token", ("npm_",), rf"{_BEFORE}npm_[A-Za-z0-9]{{36}}"),
    ("JSON Web Token", ("eyJ",), rf"{_BEFORE}eyJ[A-Za-z0-9_-]{{8,}}\.eyJ[A-Za-z0-9_-]{{8,}}\.[A-Za-z0-9_-]*"),
    ("private key", ("PRIVATE KEY",), r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    ("bearer token", ("earer ", "EARER "), rf"{_BEFORE}(?:[Bb]earer|BEARER) +(?=[A-Za-z._~+/-]*[0-9])[A-Za-z0-9._~+/-]{{16,}}"),
)


@cache  # compiling takes longer than importing all of this package's other parts
def _in_text() -> tuple[tuple[str, tuple[str, ...], re.Pattern[str]], ...]:
    return tuple((what, anchors, re.compile(pattern)) for what, anchors, pattern in _PATTERNS)


@cache
def _in_bytes() -> tuple[tuple[str, tuple[bytes, ...], re.Pattern[bytes]], ...]:
    return tuple((what, tuple(anchor.encode() for anchor in anchors), re.compile(pattern.encode())) for what, anchors, pattern in _PATTERNS)


@cache
def _any_anchor() -> re.Pattern[str]:
    return re.compile("|".join(re.escape(anchor) for _, anchors, _ in _PATTERNS for anchor in anchors))


LONGEST = 512
"""Bytes of a token that are enough to know it."""

PII_RULES = (
    RedactRule("email", regex=r"[A-Za-z0-9][A-Za-z0-9._%+-]*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"),
    RedactRule("phone", regex=r"(?<![\w.+-])\+[1-9][0-9](?:[ ().-]{0,2}[0-9]){6,13}(?![\w-])"),
    RedactRule("card", regex=r"(?<![\w.-])(?:4[0-9]{3}|5[1-5][0-9]{2}|6011)(?:[ -]?[0-9]{4}){3}(?![\w.-])"),
    RedactRule("iban", regex=r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,4})?(?![A-Za-z0-9])"),
)
"""Personal data, for projects that want it out of their recordings; off by default because it changes what agents read."""


def unknown_secrets(text: str) -> list[str]:
    """What sorts of token stand in `text`, each once."""
    found = (what for what, anchors, pattern in _in_text() if any(anchor in text for anchor in anchors) and pattern.search(text))
    return list(dict.fromkeys(found))


def unknown_secrets_in_bytes(data: bytes) -> list[str]:
    """The same for bytes."""
    found = (what for what, anchors, pattern in _in_bytes() if any(anchor in data for anchor in anchors) and pattern.search(data))
    return list(dict.fromkeys(found))


def masked(text: str) -> str:
    """`text` as it may be shown: `[looks like an OpenAI key]` in place of every token."""
    if _any_anchor().search(text) is None:
        return text
    for what, anchors, pattern in _PATTERNS:
        if any(anchor in text for anchor in anchors):
            text = re.sub(pattern, _mask(what), text)  # compiled when it is needed, then kept by `re`
    return text


def masked_value(value: Any) -> Any:
    """A JSON value with every text in it masked, names too. Before it is written as JSON: escapes would hide where a token begins."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {masked(str(name)): masked_value(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [masked_value(member) for member in value]
    return value


def _mask(what: str) -> str:
    return f"[looks like {'an' if what[0] in 'AEIOU' or what.startswith('npm') else 'a'} {what}]"
