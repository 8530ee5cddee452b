"""Where an answer comes from: one table, mode x what the recordings have (ai-binding.md 7.4, design 4.6).

The same table serves the binding and every outbound request of user code; the last resort differs (`Source.STUB` for the
binding, `Source.NETWORK` for outbound requests), so the table says OUTSIDE and the two services know what that means.
"""

from __future__ import annotations

from enum import Enum

from emulator.config.options import AiMode
from emulator.errors import UsageError


class Found(Enum):
    """What the recordings have for a request."""

    HIT = "hit"
    MISSING = "missing"
    EXHAUSTED = "exhausted"


class Action(Enum):
    """What to do with a request."""

    REPLAY = "replay"
    """Its recording answers."""
    OUTSIDE = "outside"
    """A real server or the stub answers; nothing is stored."""
    STORE = "store"
    """A real server answers and that is recorded; what the stub says is not."""
    COMPARE = "compare"
    """Its recording answers; a real server is asked too, and the two are compared."""
    FAIL = "fail"


_POLICY: dict[AiMode, tuple[Action, Action, Action]] = {
    # mode: what a hit, a miss, and a request whose recordings are used up lead to
    AiMode.REPLAY: (Action.REPLAY, Action.FAIL, Action.FAIL),
    AiMode.RECORD: (Action.STORE, Action.STORE, Action.STORE),
    AiMode.NEW: (Action.REPLAY, Action.STORE, Action.STORE),
    AiMode.CHECK: (Action.COMPARE, Action.FAIL, Action.FAIL),
    AiMode.AUTO: (Action.REPLAY, Action.STORE, Action.STORE),
    AiMode.LIVE: (Action.OUTSIDE, Action.OUTSIDE, Action.OUTSIDE),
    AiMode.STUB: (Action.OUTSIDE, Action.OUTSIDE, Action.OUTSIDE),
}
_COLUMN = {Found.HIT: 0, Found.MISSING: 1, Found.EXHAUSTED: 2}

SEARCHES = frozenset({AiMode.REPLAY, AiMode.NEW, AiMode.ONCE, AiMode.CHECK, AiMode.AUTO})
"""Modes that ask the recordings at all."""
STORES = frozenset({AiMode.RECORD, AiMode.NEW, AiMode.ONCE, AiMode.AUTO})
"""Modes that may write recordings."""


def parse_mode(text: str) -> AiMode:
    """The mode named `text`. Raises UsageError E240 for an unknown name."""
    try:
        return AiMode(text)
    except ValueError:
        known = ", ".join(mode.value for mode in AiMode)
        raise UsageError("E240", f"there is no AI mode {text!r}", where="--ai", hint=f"use one of: {known}") from None


def effective(mode: AiMode, *, ci: bool, cassette_exists: bool) -> AiMode:
    """The row of the table that holds: `auto` is `replay` under CI, `once` is `new` until its cassette exists, then `replay`."""
    if mode is AiMode.AUTO and ci:
        return AiMode.REPLAY
    if mode is AiMode.ONCE:
        return AiMode.REPLAY if cassette_exists else AiMode.NEW
    return mode


def decide(mode: AiMode, found: Found) -> Action:
    """What an `effective` mode does with a request of which the recordings have `found`."""
    return _POLICY[mode][_COLUMN[found]]
