"""Putting one function in another's place, also where a library has taken it by name already (`from time import time`)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

_KEPT = {"emulator", "debugpy", "pydevd", "_pydevd_bundle", "_pydev_bundle", "_pydevd_frame_eval", "greenlet", "__main__"}
"""Ours, which chooses by itself, and a developer's tools."""


def replace(pairs: Iterable[tuple[Callable[..., Any], Callable[..., Any]]]) -> None:
    """Every module-level name outside the standard library that is the first of a pair becomes the second. A spare process has imported
    libraries before it knew that the clock is virtual; what they keep elsewhere (a default argument) stays as it is."""
    # By identity: what modules hold need not be hashable.
    replacements = {id(old): new for old, new in pairs}
    for name, module in list(sys.modules.items()):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top in _KEPT or not isinstance(module, ModuleType):
            continue
        held = vars(module)
        for key, value in list(held.items()):
            new = replacements.get(id(value))
            if new is not None:
                held[key] = new
