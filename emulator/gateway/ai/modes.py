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
    OUTSIDE = "outside"
    FAIL = "fail"


_NEED_RECORDING = (AiMode.RECORD, AiMode.NEW, AiMode.ONCE, AiMode.CHECK)

_POLICY: dict[tuple[AiMode, Found], Action] = {
    (AiMode.REPLAY, Found.HIT): Action.REPLAY,
    (AiMode.REPLAY, Found.MISSING): Action.FAIL,
    (AiMode.REPLAY, Found.EXHAUSTED): Action.FAIL,
    (AiMode.LIVE, Found.HIT): Action.OUTSIDE,
    (AiMode.LIVE, Found.MISSING): Action.OUTSIDE,
    (AiMode.LIVE, Found.EXHAUSTED): Action.OUTSIDE,
    (AiMode.STUB, Found.HIT): Action.OUTSIDE,
    (AiMode.STUB, Found.MISSING): Action.OUTSIDE,
    (AiMode.STUB, Found.EXHAUSTED): Action.OUTSIDE,
    (AiMode.AUTO, Found.HIT): Action.REPLAY,
    (AiMode.AUTO, Found.MISSING): Action.OUTSIDE,
    (AiMode.AUTO, Found.EXHAUSTED): Action.OUTSIDE,
}


def parse_mode(text: str) -> AiMode:
    """The mode named `text`. Raises UsageError E240 for an unknown name, E241 for one that needs recording."""
    try:
        mode = AiMode(text)
    except ValueError:
        known = ", ".join(mode.value for mode in AiMode if mode not in _NEED_RECORDING)
        raise UsageError("E240", f"there is no AI mode {text!r}", where="--ai", hint=f"use one of: {known}") from None
    check_supported(mode)
    return mode


def check_supported(mode: AiMode) -> None:
    """Raise UsageError E241 when `mode` stores or compares answers, which this version does not do."""
    if mode in _NEED_RECORDING:
        raise UsageError(
            "E241",
            f"AI mode {mode.value!r} stores or compares answers of a live model, and this version cannot record yet",
            where=f"--ai {mode.value}",
            hint="use --ai auto (recordings, then the stub), --ai replay (recordings only), --ai live or --ai stub\n"
            "recordings can be written by hand: fixtures/README.md",
        )


def decide(mode: AiMode, found: Found, *, ci: bool) -> Action:
    """What `mode` does with a request of which the recordings have `found`. With `ci`, auto is as strict as replay."""
    effective = AiMode.REPLAY if ci and mode is AiMode.AUTO else mode
    return _POLICY[effective, found]
