"""`agents-emu dev` as a child process: started on a copy of a project, watched, killed, and checked for leftovers."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from harness import offline
from harness.waiting import eventually

CHECKOUT = Path(__file__).parents[3]
PROJECTS = Path(__file__).parents[1] / "projects"
SAMPLES = CHECKOUT / "sample_agents"
COMMAND = Path(sys.executable).with_name("agents-emu")

START_BOUND_S = 30
STOP_BOUND_S = 10
_MARK = "AGENTS_EMU_JOURNEY"


class ServerFailed(AssertionError):
    """The server ended or hung where it should serve; the text holds what it printed."""


@dataclass
class Server:
    """One project being served. `folder` is the copy that may be edited; state and log lie beside it and outlive restarts."""

    folder: Path
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    command: tuple[str | Path, ...] = (COMMAND,)
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    ready: dict[str, Any] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    session: aiohttp.ClientSession | None = None

    @property
    def state(self) -> Path:
        return self.folder.with_name("state")

    @property
    def log(self) -> Path:
        return self.folder.with_name("output.log")

    @property
    def origin(self) -> str:
        """`http://127.0.0.1:PORT`, no slash at the end."""
        return str(self.ready["url"]).rstrip("/")

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`, as the client library wants it."""
        return self.origin.removeprefix("http://")

    def output(self) -> str:
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    async def start(self, *, port: int = 0) -> None:
        """Start it and wait until it can serve. Raises ServerFailed."""
        ready_file = self.folder.with_name("ready.json")
        ready_file.unlink(missing_ok=True)
        environment = {name: value for name, value in os.environ.items() if name != "CI"} | self.environment | {_MARK: self.token}
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(*self.command, "dev", self.folder, "--port", str(port), "--ready-file", ready_file, "--persist-to", self.state),
                *self.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                cwd=self.folder.parent,
            )
        try:
            async with asyncio.timeout(START_BOUND_S):
                while not ready_file.exists():
                    if self.process.returncode is not None:
                        raise ServerFailed(f"the server ended with {self.process.returncode}:\n{self.output()}")
                    await asyncio.sleep(0.02)
        except TimeoutError:
            await self.kill()
            raise ServerFailed(f"not ready after {START_BOUND_S} s:\n{self.output()}") from None
        self.ready = json.loads(ready_file.read_text("utf-8"))
        if self.session is None:
            self.session = aiohttp.ClientSession()

    async def stop(self) -> int:
        """End it as Ctrl-C does; its exit code. Raises ServerFailed when it hangs or leaves a process behind."""
        process = self._running()
        process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(STOP_BOUND_S):
                code = await process.wait()
        except TimeoutError:
            await self.kill()
            raise ServerFailed(f"still there {STOP_BOUND_S} s after SIGINT:\n{self.output()}") from None
        await self.assert_alone()
        return code

    async def kill(self) -> None:
        """`kill -9` of the gateway; returns when nothing of it is left."""
        process = self._running()
        if process.returncode is None:
            process.kill()
        await process.wait()
        await self.assert_alone()

    async def restart(self) -> None:
        """Start it again on the same port, so that clients find it."""
        await self.start(port=int(self.host.rsplit(":", 1)[1]))

    async def close(self) -> None:
        """Stop it if it still runs, and give everything back."""
        try:
            if self.process is not None and self.process.returncode is None:
                await self.stop()
        finally:
            if self.session is not None:
                await self.session.close()

    async def assert_alone(self) -> None:
        """No process that this server started is alive."""
        for _ in range(100):
            left = _marked(self.token)
            if not left:
                return
            await asyncio.sleep(0.05)
        raise ServerFailed(f"processes left behind: {left}\n{self.output()}")

    def _running(self) -> asyncio.subprocess.Process:
        if self.process is None:
            raise ServerFailed("the server was never started")
        return self.process

    async def get(self, path: str, **options: Any) -> tuple[int, Any]:
        """Status and body (JSON when it says so) of `path`."""
        return await self.request("GET", path, **options)

    async def request(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        assert self.session is not None
        async with self.session.request(method, self.origin + path, **options) as response:
            json_body = response.content_type == "application/json"
            return response.status, await (response.json() if json_body else response.text())

    async def control(self, method: str, path: str, **options: Any) -> Any:
        """A verb of the control API, which must succeed."""
        status, body = await self.request(method, f"/cdn-cgi/emu/api/{path}", **options)
        assert status < 300, f"{method} {path}: {status} {body}"
        return body

    async def each_mode(self) -> AsyncIterator[str]:
        """The modes in which a fresh clone must run, one after the other: `auto`, `replay`, and `stub`, which gets no recordings at all."""
        for mode in ("auto", "replay", "stub"):
            await self.control("POST", "ai/session", json={"mode": mode})
            if mode == "stub":
                shutil.rmtree(self.folder / "fixtures")
            yield mode

    async def assert_whole_streams(self) -> None:
        """Nothing that any client was sent broke a promise of the chat protocol: the checker knows no false alarm."""
        if self.process is None or self.process.returncode is not None:
            return
        status, found = await self.request("GET", "/cdn-cgi/emu/api/violations")
        if status == 200:
            assert found["violations"] == [], found["violations"]

    async def crash_host(self, kind: str) -> None:
        """`kill -9` of the host; returns when another one serves. What is sent to a host that dies just then is lost with it."""
        await self.control("POST", f"hosts/{kind}/crash")

        async def another_serves() -> bool:
            return (await self.get("/agents"))[0] == 404  # user code has no such route, and said so

        await eventually(another_serves)


def _marked(token: str) -> list[int]:
    """Processes whose environment carries our mark: the server's own and all it started. Empty where there is no /proc."""
    mark = f"{_MARK}={token}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:  # ended while we looked, or another user's
            continue
    return found


def copy_project(source: Path, folder: Path) -> Path:
    """A copy of the project in `folder`, without what a run left in the original."""
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns(".wrangler", ".agents-emu", ".venv*", "__pycache__", "node_modules"))
    return folder


@asynccontextmanager
async def serving(
    source: Path, folder: Path, *arguments: str, modules: Path | None = None, whole_streams: bool = True, **environment: str
) -> AsyncIterator[Server]:
    """A server on a copy of the project `source`, below `folder`; `modules` is what its node_modules leads to. With `whole_streams` no chat
    stream may have broken the protocol of today's SDK."""
    async with _served(_project(source, folder, modules), arguments, environment) as server:
        yield server
        if whole_streams:
            await server.assert_whole_streams()


@asynccontextmanager
async def serving_offline(
    source: Path, folder: Path, *arguments: str, modules: Path | None = None, **environment: str
) -> AsyncIterator[Server]:
    """The same without any network, and with CI=1, as in a build that must not depend on either."""
    if not offline.possible():
        pytest.skip("this system lets us make no network namespace")
    async with offline.Door() as door:
        command = door.command(COMMAND)
        async with _served(_project(source, folder, modules), arguments, {"CI": "1"} | environment, command, door.port) as server:
            yield server
            await server.assert_whole_streams()


def _project(source: Path, folder: Path, modules: Path | None) -> Path:
    project = copy_project(source, folder / "project")
    if modules is not None:
        (project / "node_modules").symlink_to(modules, target_is_directory=True)
    return project


@asynccontextmanager
async def _served(
    project: Path, arguments: tuple[str, ...], environment: dict[str, str], command: tuple[str | Path, ...] = (COMMAND,), port: int = 0
) -> AsyncIterator[Server]:
    server = Server(project, arguments, environment, command)
    try:
        await server.start(port=port)
        yield server
    finally:
        await server.close()
