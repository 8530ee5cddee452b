"""Who serves the project: `agents-emu dev`, or a real `wrangler dev`. Both can be killed and come back on the same state and port."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
from harness import npm
from harness.server import CHECKOUT, copy_project, serving

from playing.stage import Server

PROJECT = Path(__file__).parents[1] / "project"
_INSTALLED = CHECKOUT / "build" / "parity"
PACKAGES = ("agents", "@cloudflare/ai-chat", "wrangler", "workerd")
_START_BOUND_S = 60
_STOP_BOUND_S = 10


def modules() -> Path:
    """The project's `node_modules`, of the very versions that the transcripts were recorded with. Raises CalledProcessError."""
    npm.install(_INSTALLED, PROJECT, [PROJECT / "package.json"])
    return _INSTALLED / "node_modules"


def versions() -> dict[str, str]:
    """What the project runs on."""
    installed = modules()
    return {package: json.loads((installed / package / "package.json").read_text("utf-8"))["version"] for package in PACKAGES}


@asynccontextmanager
async def emulator(folder: Path) -> AsyncIterator[Server]:
    """`agents-emu dev` on a copy of the project below `folder`."""
    async with serving(PROJECT, folder, modules=modules()) as server:
        yield server


class Wrangler:
    """`wrangler dev`, with workerd and all else that it starts in a process group of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._port = 0

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Start it and wait until the project answers. Raises AssertionError with what it printed."""
        self._port = self._port or _free_port()
        wrangler = self._folder / "project" / "node_modules" / "wrangler" / "bin" / "wrangler.js"
        with (self._folder / "output.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(npm.NODE, wrangler, "dev", "--local", "--ip", "127.0.0.1", "--port", str(self._port), "--inspector-port", "0"),
                *("--persist-to", self._folder / "state", "--show-interactive-dev-session=false"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder / "project",
                env={**npm.environment(), "CI": "1", "WRANGLER_SEND_METRICS": "false", "WRANGLER_LOG_PATH": str(self._folder / "logs")},
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(_START_BOUND_S), aiohttp.ClientSession() as session:
                while not await _answers(session, self.origin):
                    assert self._process.returncode is None, self.output()
                    await asyncio.sleep(0.1)
        except TimeoutError:
            await self.kill()
            raise AssertionError(f"wrangler does not answer:\n{self.output()}") from None

    def output(self) -> str:
        return (self._folder / "output.log").read_text("utf-8", "replace")

    async def kill(self) -> None:
        """`kill -9` of the whole tree."""
        await self._end(signal.SIGKILL)

    async def restart(self) -> None:
        await self.start()

    async def close(self) -> None:
        await self._end(signal.SIGKILL)

    async def _end(self, number: int) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):  # it ended by itself
            os.killpg(self._process.pid, number)
        await asyncio.wait_for(self._process.wait(), _STOP_BOUND_S)


@asynccontextmanager
async def wrangler(folder: Path) -> AsyncIterator[Server]:
    """`wrangler dev` on a copy of the project below `folder`."""
    project = copy_project(PROJECT, folder / "project")
    (project / "node_modules").symlink_to(modules(), target_is_directory=True)
    server = Wrangler(folder)
    try:
        await server.start()
        yield server
    finally:
        await server.close()


async def _answers(session: aiohttp.ClientSession, origin: str) -> bool:
    with suppress(aiohttp.ClientError):
        async with session.get(f"{origin}/elsewhere") as answer:
            return await answer.text() == "nobody here"
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
