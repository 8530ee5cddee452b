"""The life of one object in a host, as a table (durable-objects.md 1.3, 6).

::

    INACTIVE ──start──▶ STARTING ──constructed──▶ ACTIVE ──quiet──▶ IDLE ──expire──▶ HIBERNATED | INACTIVE
       ▲                    │ failed                 ▲    ◀─event──┘                      │ start
       └────────────────────┴──────── reset ─────────┴───────────────────────────────────┘

An instance is *busy* while anything it began is unfinished: an event, a task, a timer, an outgoing request, a standard WebSocket, a stub
somebody holds (S-99). `idle_ms` after the last of them it is dropped: to HIBERNATED when it has sockets accepted for hibernation,
else to INACTIVE. A future alarm or an auto-response keeps nothing awake (S-100).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from emulator.errors import InternalError

IDLE_MS = 10_000
"""What the real runtime waits (S-97, S-98)."""


class State(Enum):
    """Where an object is; the values are what the control API shows."""

    __hash__ = object.__hash__  # members are single objects; Enum's own hash is a Python call for each look-up

    INACTIVE = "inactive"
    STARTING = "starting"
    ACTIVE = "active"
    IDLE = "idle"
    HIBERNATED = "hibernated"


class Step(Enum):
    """What can happen to it."""

    __hash__ = object.__hash__

    START = "start"
    CONSTRUCTED = "constructed"
    FAILED = "failed"
    BUSY = "busy"
    QUIET = "quiet"
    EXPIRE = "expire"
    RESET = "reset"
    RESTORE = "restore"


_TABLE: dict[State, dict[Step, State]] = {
    State.INACTIVE: {Step.START: State.STARTING, Step.RESTORE: State.HIBERNATED, Step.RESET: State.INACTIVE},
    State.STARTING: {Step.CONSTRUCTED: State.ACTIVE, Step.FAILED: State.INACTIVE, Step.RESET: State.INACTIVE},
    State.ACTIVE: {Step.QUIET: State.IDLE, Step.RESET: State.INACTIVE, Step.EXPIRE: State.INACTIVE},
    State.IDLE: {Step.BUSY: State.ACTIVE, Step.EXPIRE: State.INACTIVE, Step.RESET: State.INACTIVE},
    State.HIBERNATED: {Step.START: State.STARTING, Step.RESTORE: State.HIBERNATED, Step.RESET: State.INACTIVE},
}


@dataclass(slots=True)
class Lifecycle:
    """State, generation and idle deadline of one object. `idle_ms` 0 or less = never dropped for idleness."""

    idle_ms: int = IDLE_MS
    state: State = State.INACTIVE
    generation: int = 0
    idle_since_ms: int | None = None

    def step(self, step: Step, now_ms: int, *, hibernatable: bool = False) -> State:
        """Go one step; an unlisted pair is our bug. `hibernatable` = sockets survive an EXPIRE."""
        target = _TABLE[self.state].get(step)
        if target is None:
            raise InternalError("E901", f"an object cannot {step.value} while {self.state.value}")
        if step is Step.EXPIRE and hibernatable:
            target = State.HIBERNATED
        if step is Step.START:
            self.generation += 1
        self.idle_since_ms = now_ms if target is State.IDLE else None
        self.state = target
        return target

    def next_deadline(self) -> int | None:
        """When it expires if nothing happens before, in ms since 1970."""
        if self.idle_since_ms is None or self.idle_ms <= 0:
            return None
        return self.idle_since_ms + self.idle_ms
