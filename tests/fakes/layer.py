"""The model layer without a server around it: the real parts on a clock of the test's own, and everything that they report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from emulator.config import AiMode, Options
from emulator.config.ai import AiConfig
from emulator.config.secrets import Redactor, Secrets
from emulator.gateway.ai.layer import Layer
from emulator.gateway.ai.replay import Pacer

CREATED_MS = 1_700_000_000_000


class Reports:
    """The journal as the layer sees it: entries in `events`, with their kind as `type`."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.chunks: list[tuple[str, int, int]] = []
        self._readers: list[tuple[Callable[[dict[str, Any]], None], frozenset[str]]] = []

    def add(self, kind: str, **fields: Any) -> None:
        self.events.append({"type": kind, **fields})
        for reader, kinds in self._readers:
            if kind in kinds:
                reader({"kind": kind, **fields})

    def subscribe(self, reader: Callable[[dict[str, Any]], None], kinds: frozenset[str]) -> Callable[[], None]:
        self._readers.append((reader, kinds))
        return lambda: self._readers.remove((reader, kinds))

    def chunk(self, call: str, number: int, size: int) -> None:
        self.chunks.append((call, number, size))


def make_layer(
    fixtures: Path,
    mode: AiMode = AiMode.REPLAY,
    *,
    pacer: Pacer,
    ci: bool = False,
    cassette: str | None = None,
    config: AiConfig | None = None,
    secrets: Mapping[str, str] | None = None,
) -> tuple[Layer, list[dict[str, Any]]]:
    """A layer over the cassettes in `fixtures`, and its reports. Log ids and request ids are the same in every test."""
    known = Secrets(secrets or {})
    options = Options(persist_to=fixtures / "state", fixtures=fixtures, ai_mode=mode, cassette=cassette, ci=ci, ai_speed=pacer.speed)
    options = replace(options, ai=config or AiConfig())
    reports = Reports()
    layer = Layer(
        fixtures.parent,
        options,
        reports,  # type: ignore[arg-type]
        Redactor(known),
        lambda: known,
        pacer=pacer,
        now_ms=lambda: CREATED_MS,
        entropy=lambda count: bytes(range(count)),
        recheck_ms=0,
    )
    return layer, reports.events
