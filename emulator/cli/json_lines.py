"""Events as programs read them: one JSON object on each line.

`{"v": 1, "ts": "2026-11-17T09:30:00.123Z", "lvl", "ev", "agent", "name", "gen", "data"}`; `agent`, `name` and `gen` are null for
what concerns no object. Names of events are public.
"""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from enum import Enum
from pathlib import PurePath
from typing import Any

from emulator.errors import EmuError
from emulator.gateway.console import Event, Subject

VERSION = 1
_HEAD = {"event", "level", "subject"}


def line(event: Event, now_ms: int) -> str:
    """One event as JSON, without a newline. `now_ms` is the time since 1970."""
    subject: Subject | None = getattr(event, "subject", None)
    moment = datetime.fromtimestamp(now_ms / 1000, UTC)
    entry = {
        "v": VERSION,
        "ts": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "lvl": event.level.value,
        "ev": event.event,
        "agent": subject.class_name if subject else None,
        "name": subject.name if subject else None,
        "gen": subject.generation if subject else None,
        "data": {field.name: _plain(getattr(event, field.name)) for field in dataclasses.fields(event) if field.name not in _HEAD},
    }
    return json.dumps(entry, ensure_ascii=True)


def error_data(error: EmuError) -> dict[str, str | None]:
    """An error as `--json` shows it."""
    return {"code": error.code, "what": error.what, "where": error.where, "hint": error.hint, "culprit": error.culprit.value}


def _plain(value: Any) -> Any:
    if isinstance(value, EmuError):
        value = error_data(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(member) for member in value]
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, PurePath) else value
