"""`cassette.json`: what holds for a whole cassette (ai-binding.md 7.1; for people: fixtures/README.md)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from emulator.errors import RecordingError
from emulator.gateway.ai.canonical import NORMALISERS
from emulator.gateway.ai.cassettes.problems import FORMAT, broken, foreign_format

MANIFEST = "cassette.json"
NOT_RECORDINGS = frozenset({MANIFEST, "faults.json"})
"""JSON files of a cassette that are no recordings."""
_REGEX = "regex:"


@dataclass(frozen=True, slots=True)
class Manifest:
    """`normalise` is resolved, as canonical() takes it: `regex:NAME` has become `regex:NAME=PATTERN`. `recorded` is the day on which
    the whole cassette was last recorded; None of `max_age_days` means the project's."""

    normalise: tuple[str, ...] = ()
    max_age_days: int | None = None
    recorded: date | None = None


def read_manifest(file: Path) -> Manifest:
    """The manifest in `file`. Raises RecordingError E501 or E505 with the place."""
    value = read_manifest_document(file)
    days = value.get("max_age_days")
    if days is not None and (isinstance(days, bool) or not isinstance(days, int) or days < 1):
        raise broken(file, " $.max_age_days", "must be a number of days", 'for example "max_age_days": 90')
    recorded = value.get("recorded")
    try:
        day = None if recorded is None else date.fromisoformat(recorded)
    except (TypeError, ValueError):
        raise broken(file, " $.recorded", "must be a date", 'for example "recorded": "2026-11-22"') from None
    return Manifest(_rules(file, value), days, day)


def read_manifest_document(file: Path) -> dict[str, Any]:
    """The JSON object in `file`, empty when there is no file."""
    try:
        value = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise broken(file, "", f"cannot be read: {error}", "correct the file; its recordings are used without it") from None
    if not isinstance(value, dict):
        raise broken(file, " $", "must be an object", 'for example {"format": 1, "normalise": ["iso-datetime"]}')
    if value.get("format", FORMAT) != FORMAT:
        raise foreign_format(file, value["format"])
    return value


def manifest_text(document: Mapping[str, Any]) -> bytes:
    """The file for a manifest."""
    return (json.dumps({"format": FORMAT, **document}, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def rules_label(normalise: tuple[str, ...]) -> str:
    """What `match.rules` of a recording says about how its key was made."""
    return "+".join(["default@1", *(name.split("=", 1)[0] for name in normalise)])


def _rules(file: Path, value: Mapping[str, Any]) -> tuple[str, ...]:
    names, patterns = value.get("normalise", []), value.get("patterns", {})
    if not isinstance(patterns, dict) or not all(isinstance(pattern, str) for pattern in patterns.values()):
        raise broken(file, " $.patterns", "must be an object of regular expressions by name", 'for example {"order": "ORD-[0-9]+"}')
    known = [*NORMALISERS, *(f"{_REGEX}{name}" for name in patterns)]
    if not isinstance(names, list) or not all(isinstance(name, str) and name in known for name in names):
        raise broken(file, " $.normalise", "must be a list of normaliser names", f"known: {', '.join(known)}")
    return tuple(_resolved(file, name, patterns) for name in names)


def _resolved(file: Path, name: str, patterns: Mapping[str, str]) -> str:
    if not name.startswith(_REGEX):
        return name
    pattern = patterns[name.removeprefix(_REGEX)]
    try:
        re.compile(pattern)
    except re.error as error:
        where = f" $.patterns.{name.removeprefix(_REGEX)}"
        raise RecordingError("E501", f"not a regular expression: {error}", where=f"{file}{where}", hint="correct it") from None
    return f"{name}={pattern}"
