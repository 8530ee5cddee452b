"""An answer on its way to the caller, and where it came from. Every step of a model call takes and gives this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from emulator.gateway.exchange import Response


class Source(StrEnum):
    """Who answered."""

    RECORDING = "recording"
    CACHE = "cache"
    """AI Gateway's cache (ai-binding.md 3.3)."""
    STUB = "stub"
    BACKEND = "backend"
    """A model's own server, asked by us on behalf of the binding."""
    LIVE = "live"
    """The server that user code addressed itself."""
    FAULT = "fault"
    """A fault that was asked for took the place of an answer."""
    NONE = "none"
    """Nobody: a miss, a refusal, an error of ours."""

    @property
    def outside(self) -> bool:
        """Whether a real server answered, so that there is something to record."""
        return self in (Source.BACKEND, Source.LIVE)


@dataclass(slots=True)
class Reply:
    """`response` streams as chunks arrive. `backend` is its name in `agents-emu.toml`, `backend_model` the name it knows the model by.
    `warnings` say what a translation dropped or clamped. `usage` is given where it is known before the body is read (recordings and the
    stub); else usage.py reads it from the body as it passes."""

    response: Response
    source: Source
    recording: str | None = None
    backend: str | None = None
    backend_model: str | None = None
    warnings: list[str] = field(default_factory=list)
    usage: Mapping[str, Any] | None = None
