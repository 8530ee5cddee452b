"""The random part of what the gateway makes up. With a seed it is the same in every run; without one it is real chance."""

from __future__ import annotations

import hashlib
import os
from random import Random

_BITS = 53
"""What fits a number of JavaScript."""


class Chance:
    """`seed` is the user's, None for real chance. Each kind of draw has a stream of its own: one more id changes no delay."""

    def __init__(self, seed: int | None) -> None:
        self.seed = seed
        self.restart()

    def restart(self) -> None:
        """Begin anew, as at the server's start."""
        self._hosts = 0
        self._ids = Random(self._derived("ids"))
        self._delays = Random(self._derived("delays"))

    def bytes(self, count: int) -> bytes:
        """For ids that clients and user code see."""
        return os.urandom(count) if self.seed is None else self._ids.randbytes(count)

    def fraction(self) -> float:
        """From 0 to 1, for delays."""
        return self._delays.random()

    def host_seed(self) -> int | None:
        """What the next host that loads code draws from: another for each, so that no id comes twice. None for real chance."""
        if self.seed is None:
            return None
        self._hosts += 1
        return self._derived(f"host {self._hosts}")

    def _derived(self, purpose: str) -> int | None:
        if self.seed is None:
            return None
        digest = hashlib.sha256(f"{self.seed}/{purpose}".encode()).digest()
        return int.from_bytes(digest[:8]) >> (64 - _BITS)
