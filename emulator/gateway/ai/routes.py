"""Which backend answers for a model id (ai-binding.md 7.9): the first route whose pattern fits the id as the user wrote it.

Without routes the only backend whose keys are present answers, else the stub. Nothing here opens a connection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from emulator.config.ai import AiConfig
from emulator.gateway.ai.backends import Backend, Fetch
from emulator.gateway.ai.replay import Pacer


@dataclass(frozen=True, slots=True)
class Chosen:
    """`backend` None is the stub. `name` is the backend's name, `model` what it calls the model, `reason` one clause for people."""

    backend: Backend | None
    name: str
    model: str
    reason: str


class Routes:
    """The route table. `lookup` gives the value of a variable (`OPENAI_API_KEY`) at the time of a call; time limits run on `pacer`."""

    def __init__(self, config: AiConfig, lookup: Callable[[str], str | None], fetch: Fetch, pacer: Pacer | None = None) -> None:
        self._config = config

    def choose(self, model_id: str) -> Chosen:
        """Who answers for `model_id`. Never raises: an id that no route knows, a missing key or an unknown `to` gives a backend whose
        `run` answers the error."""
        raise NotImplementedError

    def rows(self) -> list[dict[str, Any]]:
        """The table for status and banner: `match, to, model, type, base_url, key_present`; never a key."""
        raise NotImplementedError
