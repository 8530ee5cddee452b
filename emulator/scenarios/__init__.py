"""Scenarios: what clients do to a server, step by step, what shall come of it, and what came (docs/scenarios.md).

`Scenario` is the Python API; it is imported when it is asked for, because pure parts of this ring must not wait for aiohttp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emulator.scenarios.scenario import Scenario

__all__ = ["Scenario"]


def __getattr__(name: str) -> Any:
    if name == "Scenario":
        from emulator.scenarios.scenario import Scenario

        return Scenario
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
