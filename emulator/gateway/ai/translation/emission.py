"""Deltas in the shape of the model that was asked for: Workers AI's legacy shape or OpenAI chat (ai-binding.md 1.5, 4.2). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from emulator.gateway.ai.canonical import ModelRequest
from emulator.gateway.ai.catalogue import Model
from emulator.gateway.ai.translation.deltas import Delta


@dataclass(frozen=True, slots=True)
class Emission:
    """How to write one answer. `key` is the request's match key (hex): ids that the provider does not give derive from it."""

    model: Model
    key: str
    json_mode: bool = False

    @classmethod
    def of(cls, asked: ModelRequest) -> Emission:
        """For the answer to `asked`."""
        raise NotImplementedError


class Emitter:
    """One streamed answer as server-sent events."""

    def __init__(self, emission: Emission) -> None:
        self._emission = emission

    def emit(self, deltas: Sequence[Delta]) -> bytes:
        """The chunk for what one upstream event said; empty when there is nothing to say."""
        raise NotImplementedError


def whole(emission: Emission, deltas: Iterable[Delta]) -> dict[str, Any]:
    """The JSON answer. Raises Refused (upstream_errors.py) for a Failed, and when JSON mode was asked for and the text is none."""
    raise NotImplementedError
