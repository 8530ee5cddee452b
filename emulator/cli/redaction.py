"""Events without secret values: what is shown never holds them, whatever user code prints."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from emulator.errors import EmuError
from emulator.gateway.console import Event

Redact = Callable[[str], str]


def redacted(event: Event, redact: Redact) -> Event:
    """The event with every text of it redacted, before any formatting can tear a value apart."""
    clean: Event = _clean(event, redact)
    return clean


def _clean(value: Any, redact: Redact) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, tuple):
        return tuple(_clean(member, redact) for member in value)
    if isinstance(value, dict):
        return {name: _clean(member, redact) for name, member in value.items()}
    if isinstance(value, EmuError):
        where, hint = (redact(text) if text else None for text in (value.where, value.hint))
        error = EmuError(value.code, redact(value.what), where=where, hint=hint)
        error.culprit = value.culprit
        return error
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(value, **{field.name: _clean(getattr(value, field.name), redact) for field in dataclasses.fields(value)})
    return value
