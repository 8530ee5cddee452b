"""Gateways in processes of their own, driven over real sockets. What runs behind them is scripted_host.py."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "journeys")]

from harness import npm  # noqa: E402

SERVE = HERE / "serve.py"
FRONT_PROJECT = HERE / "front_project"
FRONT_INSTALLED = HERE.parents[1] / "build" / "front-project"
FRONT_ASSETS = {"not_found_handling": "single-page-application", "run_worker_first": ["/hello", "/assets/*"]}
WRANGLER = {
    "name": "t",
    "main": "main.py",
    "compatibility_date": "2026-11-01",
    "durable_objects": {"bindings": [{"name": "ECHO", "class_name": "Echo"}]},
    "migrations": [{"tag": "v1", "new_sqlite_classes": ["Echo"]}],
}
BOUND_S = 20.0


class Server:
    """One gateway process. Every wait is bounded by BOUND_S."""

    def __init__(self, root: Path, **flags: Any) -> None:
        self.root = root
        self.flags = {"port": "0", "log_format": "json", **flags}
        self.events: list[dict[str, Any]] = []
        self._spawn()

    def _spawn(self) -> None:
        self._out = self.root.with_suffix(".log").open("a+b")
        self._out.seek(0, os.SEEK_END)
        self._read_to = self._out.tell()
        self.process = subprocess.Popen(
            [sys.executable, str(SERVE), str(self.root), json.dumps(self.flags)], stdout=self._out, stderr=subprocess.STDOUT
        )
        ready = self.wait_event("ready")
        self.url = ready["url"].rstrip("/")
        self.port = int(self.url.rpartition(":")[2])

    @property
    def output(self) -> str:
        """Everything it has printed since it was spawned."""
        return self.root.with_suffix(".log").read_bytes()[self._read_to :].decode()

    def lines(self) -> list[dict[str, Any]]:
        """Its events, and what SIGUSR1 prints."""
        found = []
        for line in self.output.splitlines():
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                found.append({**event, **event.get("data", {})})
        return found

    def wait_event(self, name: str, count: int = 1, where: Callable[[dict[str, Any]], bool] = lambda event: True) -> dict[str, Any]:
        """The `count`-th event of that name."""
        deadline = time.monotonic() + BOUND_S
        while time.monotonic() < deadline:
            found = [event for event in self.lines() if event.get("ev") == name and where(event)]
            if len(found) >= count:
                return found[count - 1]
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise AssertionError(f"no {name} event #{count} in:\n{self.output}")

    async def event(self, name: str, count: int = 1, where: Callable[[dict[str, Any]], bool] = lambda event: True) -> dict[str, Any]:
        return await asyncio.to_thread(self.wait_event, name, count, where)

    def write(self, source: str) -> None:
        """Save the project's code."""
        (self.root / "main.py").write_text(source)

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    async def tasks(self) -> int:
        """How many tasks its event loop has."""
        before = sum("tasks" in line for line in self.lines())
        self.process.send_signal(signal.SIGUSR1)
        for _ in range(1000):
            found = [line for line in self.lines() if "tasks" in line]
            if len(found) > before:
                return int(found[-1]["tasks"])
            await asyncio.sleep(0.01)
        raise AssertionError("no answer to SIGUSR1")

    def children(self) -> list[int]:
        """Processes it has spawned."""
        return children_of(self.process.pid)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(BOUND_S)

    def again(self) -> None:
        """Start it anew on the same project."""
        self._spawn()

    def journal(self) -> list[dict[str, Any]]:
        text = (self.root / ".agents-emu" / "journal.ndjson").read_text()
        return [json.loads(line) for line in text.splitlines()]


def children_of(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                    found.append(int(entry.name))
    return found


async def until(condition: Callable[[], Any]) -> None:
    """Wait until `condition()` holds (it may be a coroutine function)."""
    deadline = time.monotonic() + BOUND_S
    while time.monotonic() < deadline:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the condition was not met in time")


@pytest.fixture(name="until")
def _until() -> Callable[..., Any]:
    return until


def make_project(root: Path, **more: Any) -> Path:
    root.mkdir(exist_ok=True)
    (root / "wrangler.jsonc").write_text(json.dumps({**WRANGLER, **more}))
    (root / "main.py").write_text("v1")
    return root


@pytest.fixture(name="make_project")
def _make_project() -> Callable[..., Path]:
    return make_project


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start gateways; all are ended after the test. Keywords `wrangler` = further configuration, the rest = options."""
    started: list[Server] = []

    def start(root: Path | None = None, wrangler: dict[str, Any] | None = None, **flags: Any) -> Server:
        if root is None:
            root = make_project(tmp_path / f"project{len(started)}", **(wrangler or {}))
        server = Server(root, **flags)
        started.append(server)
        return server

    yield start
    for server in started:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One gateway for a whole file of tests that do not disturb each other."""
    running = Server(make_project(tmp_path_factory.mktemp("gateway") / "project"))
    yield running
    running.process.kill()
    running.process.wait()


@pytest.fixture(scope="module")
def serve_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """As `serve`, for a whole file."""
    started: list[Server] = []

    def start(wrangler: dict[str, Any] | None = None, **flags: Any) -> Server:
        server = Server(make_project(tmp_path_factory.mktemp("gateway") / "project", **(wrangler or {})), **flags)
        started.append(server)
        return server

    yield start
    for server in started:
        server.process.kill()
        server.process.wait()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """A client without pooled connections of other tests."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=BOUND_S), auto_decompress=False) as session:
        yield session


@pytest.fixture(scope="session")
def front_modules() -> Path:
    """Vite, installed once."""
    npm.install(FRONT_INSTALLED, FRONT_PROJECT, [FRONT_PROJECT / "package.json"])
    return FRONT_INSTALLED / "node_modules"


@pytest.fixture
def front_project(tmp_path: Path, front_modules: Path) -> Callable[..., Path]:
    """Makes a copy of the project with Vite; keywords go to its wrangler file, where None takes a key out."""

    def make(**wrangler: Any) -> Path:
        root = tmp_path / "front"
        shutil.copytree(FRONT_PROJECT, root)
        keys = {key: value for key, value in {"assets": FRONT_ASSETS, **wrangler}.items() if value is not None}
        make_project(root, **keys)
        (root / "node_modules").mkdir()
        # Vite keeps its cache among the modules, and tests must not share that.
        for package in front_modules.iterdir():
            (root / "node_modules" / package.name).symlink_to(package)
        shutil.move(root / "plugin", root / "node_modules/@cloudflare/vite-plugin")
        return root

    return make
