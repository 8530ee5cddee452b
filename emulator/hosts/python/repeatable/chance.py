"""Randomness from a seed: `os.urandom` and all that stands on it (`secrets`, `uuid4`, `SystemRandom`, the surface's `crypto` and
`Math.random`, ids of objects), the `random` module, and what `uuid1` makes of machine and moment.

One stream feeds them all, in the order in which code asks. Libraries that draw in C (OpenSSL) are not led (docs/parity.md).
"""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Callable
from typing import Any

from emulator.hosts.python.repeatable.replacing import replace


def install_seed(seed: int) -> None:
    """For as long as the process lives; every value from now on repeats with the seed."""
    source = random.Random(seed)

    def urandom(size: int, /) -> bytes:
        """Return a bytes object containing random bytes."""
        return source.randbytes(size)

    def getrandom(size: int, flags: int = 0) -> bytes:
        """Obtain a series of random bytes."""
        return source.randbytes(size)

    unseeded = random.Random.seed

    def seed_generator(self: random.Random, a: Any = None, version: int = 2) -> None:
        """Initialize internal state from a seed; without one from the run's."""
        unseeded(self, source.getrandbits(128) if a is None else a, version)

    pairs: list[tuple[Callable[..., Any], Callable[..., Any]]] = [(os.urandom, urandom)]
    os.urandom = urandom
    random._urandom = urandom  # type: ignore[attr-defined]
    if hasattr(os, "getrandom"):
        pairs.append((os.getrandom, getrandom))
        os.getrandom = getrandom
    random.Random.seed = seed_generator  # type: ignore[method-assign]
    pairs.append((random.seed, random._inst.seed))
    random.seed = random._inst.seed
    random.seed(source.getrandbits(128))
    # uuid1 would ask the system for its moment and the network card for its address.
    uuid._generate_time_safe = None  # type: ignore[attr-defined]
    uuid._node = source.getrandbits(48) | 1 << 40  # type: ignore[attr-defined]
    replace(pairs)
