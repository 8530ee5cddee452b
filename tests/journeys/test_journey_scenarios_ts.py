"""A scenario on the chat in TypeScript: the same bytes in every run, on one server that is rewound in between."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

from harness import npm
from harness.server import SAMPLES, copy_project

from emulator.clock.idle_loop import IdleLoop
from emulator.scenarios import document, located, runner, server

RUNS = 10
TEXT = """
name: the client catches up
clients:
  a: {connect: Chat/me, kind: chat}
  b: Chat/me
steps:
  - connect: a
  - connect: b
  - chat: {client: a, text: hello, wait: false}
  - drop: {client: a, after_frames: 4}
  - answer: {client: a, text: {$contains: reload the page while I speak}}
  - advance: 15s
outcome:
  - chat: {object: Chat/me, messages: [{role: user, text: hello}, {role: assistant}]}
"""


async def transcripts(folder: Path) -> set[str]:
    scenario = document.build(located.parse(folder / "catches-up.yaml", TEXT))
    found = set()
    async with server.own_server(folder, scenario.settings, os.environ) as served:
        for _ in range(RUNS):
            await runner.rewind(served.place)
            run = await runner.run(scenario, served.place)
            assert run.failure is None, run.failure.render()
            found.add(run.transcript)
    return found


def test_every_run_is_the_same(tmp_path: Path) -> None:
    folder = copy_project(SAMPLES / "chat_ts", tmp_path / "chat_ts")
    (folder / "node_modules").symlink_to(npm.sample_modules(), target_is_directory=True)
    with asyncio.Runner(loop_factory=IdleLoop) as loop:
        (only,) = loop.run(transcripts(folder))
    assert re.search(r"^03\.\d+  a +reconnect", only, re.MULTILINE)
