"""Child processes that must not outlive their parent, however it ends: `kill -9` leaves it no chance to end them itself."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def end_with_parent(number: signal.Signals) -> Callable[[], None]:
    """For `preexec_fn`: the child gets this signal when its parent ends. The kernel ties it to the thread that forks, so start it from one
    that lives as long as the child shall. On Linux only; elsewhere nothing happens."""
    parent = os.getpid()

    def tie() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, number)
            # It may have ended before the kernel knew.
            if os.getppid() != parent:
                os.kill(os.getpid(), number)

    return tie
