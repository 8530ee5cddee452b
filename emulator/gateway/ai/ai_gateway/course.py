"""Whom to ask, in order: the entries of a request, and the models of dynamic routes among them (ai-binding.md 3.3 "Fallback")."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace

from emulator.gateway.ai.ai_gateway import refusals
from emulator.gateway.ai.ai_gateway.dynamic_routes import BrokenRoute, Walk
from emulator.gateway.ai.ai_gateway.entries import Entry, with_model
from emulator.gateway.ai.ai_gateway.refusals import Refusal
from emulator.gateway.ai.ai_gateway.settings import MOST_ATTEMPTS, Settings
from emulator.gateway.ai.ai_gateway.state import GatewayState

Candidate = tuple[Entry, Settings]


class Course:
    """One request's candidates. `refusal` says why there is no further one, when that is no model's error."""

    def __init__(
        self,
        entries: Sequence[Entry],
        settings_of: Callable[[Entry], Settings],
        state: GatewayState,
        headers: Mapping[str, str],
        now_ms: Callable[[], float],
    ) -> None:
        self._entries = entries
        self._settings_of = settings_of
        self._state = state
        self._headers = headers
        self._now_ms = now_ms
        self._walks: list[Walk] = []
        self.refusal: Refusal | None = None

    def candidates(self) -> Generator[Candidate, bool]:
        """One after the other; send whether the last one answered. Ends when one did and no route wants to go on, or with the list."""
        for entry in self._entries:
            settings = self._settings_of(entry)
            route = entry.dynamic_route
            self.refusal = None
            if (yield (entry, settings)) if route is None else (yield from self._walk(entry, route, settings)):
                return

    def spend(self, usd: float) -> None:
        """Note what the request cost under the budgets of the routes it took."""
        for walk in self._walks:
            walk.spend(usd)

    def _walk(self, entry: Entry, route: str, settings: Settings) -> Generator[Candidate, bool, bool]:
        facts = {"metadata": settings.metadata or {}, "headers": {**self._headers, **entry.headers}, "body": entry.query}
        answered = asked = False
        try:
            walk = Walk(self._state.route(route), facts, self._state.routing, self._now_ms)
            self._walks.append(walk)
            models = walk.models()
            node = next(models, None)
            while node is not None:
                asked = True
                chosen = replace(
                    settings,
                    max_attempts=min(node.attempts, MOST_ATTEMPTS),
                    timeout_ms=node.timeout_ms or settings.timeout_ms,
                )
                this_one = yield with_model(entry, node.provider, node.model), chosen
                answered = answered or this_one
                try:
                    node = models.send(this_one)
                except StopIteration:
                    node = None
        except BrokenRoute as error:
            self.refusal = refusals.broken_route(str(error))
            return answered
        if walk.limited_by is not None and not answered:
            self.refusal = refusals.RATE_LIMITED
        elif not asked:
            self.refusal = refusals.no_model_response(route)
        return answered
