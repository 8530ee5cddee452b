"""Verbs on the state of objects: save it, exchange it for a saved one, remove it (docs/state.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emulator.errors import UsageError
from emulator.gateway.clocks import Clock
from emulator.gateway.snapshots.answers import exchanged_answer, listed_answer, saved_answer
from emulator.gateway.snapshots.live import LiveState
from emulator.gateway.snapshots.scope import Scope, parse_scope
from emulator.gateway.verbs.route import Call, Route


class StateVerbs:
    """`state`, `state/save`, `state/load`, `state/reset`. A body's `class` and `object` narrow what is meant."""

    def __init__(self, state: LiveState, worker: str, clock: Clock, *, virtual: bool) -> None:
        self._state = state
        self._worker = worker
        self._clock = clock
        self._virtual = virtual

    def routes(self) -> Sequence[Route]:
        """Where they are."""
        return [
            Route("GET", "state", self.list),
            Route("GET", "state/{snapshot}", self.show),
            Route("POST", "state/save", lambda call: self.save(call.body), whole=True),
            Route("POST", "state/load", lambda call: self.load(call.body), whole=True),
            Route("POST", "state/reset", lambda call: self.reset(call.body), whole=True),
        ]

    async def list(self, call: Call) -> Any:
        """Every snapshot."""
        return listed_answer(self._state.snapshots)

    async def show(self, call: Call) -> Any:
        """One, with its objects."""
        return self._state.snapshots.describe(call.parts["snapshot"])

    async def save(self, body: Mapping[str, Any]) -> Any:
        """`{"name", "class"?, "object"?, "replace"?}`."""
        name, replace = _name(body), body.get("replace", False)
        if not isinstance(replace, bool):
            raise UsageError("E227", "replace is true or false")
        manifest, left_out = await self._state.save(name, self._scope(body), replace=replace)
        return saved_answer(name, manifest, left_out, self._state.snapshots.library.folder / name)

    async def load(self, body: Mapping[str, Any]) -> Any:
        """`{"name", "class"?, "object"?}`."""
        narrowed = body.get("class") is not None or body.get("object") is not None
        name = _name(body)
        done = await self._state.load(name, self._scope(body) if narrowed else None)
        return {"loaded": name, **exchanged_answer(done, self._clock.now_ms() if self._virtual else None)}

    async def reset(self, body: Mapping[str, Any]) -> Any:
        """`{"class"?, "object"?}`."""
        scope = self._scope(body)
        return {"reset": str(scope), **exchanged_answer(await self._state.reset(scope), None)}

    def _scope(self, body: Mapping[str, Any]) -> Scope:
        return parse_scope(self._worker, body.get("class"), body.get("object"))


def _name(body: Mapping[str, Any]) -> str:
    name = body.get("name")
    if not isinstance(name, str):
        raise UsageError("E227", 'a snapshot is named: {"name": text}')
    return name
