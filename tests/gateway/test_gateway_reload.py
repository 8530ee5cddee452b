"""What a save leads to."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from emulator.config import LogLevel, Reload
from emulator.gateway.clocks import SystemClock
from emulator.gateway.console import Note, Reloaded
from emulator.gateway.journal import Journal
from emulator.gateway.reload import Reloader


class Hosts:
    """Loads whatever it is told to."""

    def __init__(self) -> None:
        self.loaded = 0

    async def reload(self, *, keep_sockets: bool) -> Any:
        self.loaded += 1
        return SimpleNamespace(error=None, ms=1, sockets=0, reset=0, kept=True)


async def test_options_are_read_at_the_start_alone(tmp_path: Path) -> None:
    """Whoever saves them is told, each time, and the code is not loaded again for it."""
    shown: list[Any] = []
    hosts = Hosts()
    project = SimpleNamespace(root=tmp_path, config_path=tmp_path / "wrangler.jsonc", assets=None)
    reloader = Reloader(
        cast(Any, project),
        Reload.KEEP,
        cast(Any, hosts),
        cast(Any, SimpleNamespace(show=shown.append)),
        Journal(SystemClock()),
        reread=lambda: cast(Any, project),
        adopt=lambda again: None,
    )
    options, code = tmp_path / "agents-emu.toml", tmp_path / "entry.py"
    await reloader.changed({options})
    await reloader.changed({options, code})
    first, second, third = shown
    assert first == second == Note("options.changed", "agents-emu.toml is read at the start: restart", level=LogLevel.WARN)
    assert isinstance(third, Reloaded) and third.paths == ("entry.py",)
    assert hosts.loaded == 1
