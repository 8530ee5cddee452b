"""How far sockets of user code may go: what is not HTTP cannot be recorded, so it follows the mode alone (design 4.6)."""

from __future__ import annotations

from enum import StrEnum

from emulator.config import AiMode
from emulator.gateway.ai.playback import Playback


class Reach(StrEnum):
    """The `reach` of a `network` note (wire/README.md)."""

    OUTSIDE = "outside"
    LOOPBACK = "loopback"
    NOTHING = "nothing"


def reach_of(playback: Playback) -> Reach:
    """As for requests that no recording answers (egress.py): nowhere in modes that fail them, to this machine in `auto` under CI."""
    if not playback.strict:
        return Reach.OUTSIDE
    return Reach.LOOPBACK if playback.mode is AiMode.AUTO else Reach.NOTHING
