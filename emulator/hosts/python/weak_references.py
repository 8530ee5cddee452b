"""Weak references to an object that is over, and that something keeps in memory all the same.

On the platform a dropped instance goes with its isolate. Here the process stays, and a `WeakKeyDictionary` whose values hold their key
(the task registry of cf-agents 0.1.3 is one) would keep every instance that ever was, with all it holds.
"""

from __future__ import annotations

import asyncio
import weakref
from typing import Any


def expire(target: Any, loop: asyncio.AbstractEventLoop) -> None:
    """Tell all who refer weakly to `target` that it is gone, as its deallocation would: weak mappings and sets drop it, finalizers run.

    Each is told in a callback of its own, after those that are waiting: what was just cancelled ends first.
    """
    for reference in weakref.getweakrefs(target):
        callback = getattr(reference, "__callback__", None)
        if callback is not None:
            loop.call_soon(callback, reference)
