"""Why a host process ended that nobody had asked to: what its exit status and its last words say. Pure."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from enum import StrEnum

_DUMP_BEGINS = ("<--- Last few GCs --->", "FATAL ERROR: ")
"""Lines with which Node's report of its own death begins: pages of addresses follow."""
_HEAP = "JavaScript heap out of memory"


class Cause(StrEnum):
    """What the journal says of a crash."""

    HEAP = "heap"
    """JavaScript's heap was full."""
    OUTSIDE = "outside"
    """It was killed, and not by us: by a person, or by the system for want of memory."""
    CODE = "code"
    """Everything else: its output tells."""


def begins_dump(line: str) -> bool:
    """Whether the rest of a host's output is for nobody to read."""
    return line.startswith(_DUMP_BEGINS)


def cause_of(status: int, lines: Sequence[str], *, killed: bool) -> Cause:
    """`status` as subprocess has it, `lines` the last ones of its output, `killed` whether we did it."""
    if any(_HEAP in line for line in lines):
        return Cause.HEAP
    if status == -signal.SIGKILL and not killed:
        return Cause.OUTSIDE
    return Cause.CODE


def last_words(lines: Sequence[str], limit: int) -> list[str]:
    """The last lines a person should see: those before a dump."""
    end = next((at for at, line in enumerate(lines) if begins_dump(line)), len(lines))
    return list(lines[:end][-limit:])
