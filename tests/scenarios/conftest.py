"""One server for each test module, rewound between tests; scenarios run on a loop that can tell when it is idle, as in the command."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.clock.idle_loop import IdleLoop
from emulator.scenarios import document, located, runner, server
from emulator.scenarios.document import Document, Settings
from emulator.scenarios.runner import Run
from emulator.scenarios.world import Place

SAMPLES = Path(__file__).parents[2] / "sample_agents"


class Stage:
    """A server on a copy of a sample. `play` runs the text of a scenario on it."""

    def __init__(self, loop: asyncio.Runner, folder: Path, place: Place) -> None:
        self._loop = loop
        self.folder = folder
        self.place = place

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run(work)

    def document(self, text: str) -> Document:
        return document.build(located.parse(self.folder / "scenario.yaml", text))

    def play(self, text: str, **options: Any) -> Run:
        return self._loop.run(self._play(self.document(text), options))

    async def _play(self, scenario: Document, options: dict[str, Any]) -> Run:
        await runner.rewind(self.place)
        return await runner.run(scenario, self.place, **options)


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Stage]]:
    """Starts a server on a copy of a sample."""
    with asyncio.Runner(loop_factory=IdleLoop) as loop:
        opened = []

        def start(sample: str) -> Stage:
            folder = tmp_path_factory.mktemp(sample) / sample
            ignored = shutil.ignore_patterns(".wrangler", ".agents-emu", "node_modules", "__pycache__")
            shutil.copytree(SAMPLES / sample, folder, ignore=ignored)
            context = server.own_server(folder, Settings(), os.environ)
            served = loop.run(context.__aenter__())
            opened.append(context)
            return Stage(loop, folder, served.place)

        try:
            yield start
        finally:
            for context in opened:
                loop.run(context.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def stage(staged: Callable[[str], Stage]) -> Stage:
    """A server of the chat in Python."""
    return staged("chat_py")
