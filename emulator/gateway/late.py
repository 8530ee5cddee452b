"""Modules that a start does not need, imported beside the event loop: streams go on meanwhile."""

from __future__ import annotations

import asyncio
import importlib


async def late_import(name: str) -> None:
    """After this, importing `name` takes no time."""
    await asyncio.get_running_loop().run_in_executor(None, importlib.import_module, name)
