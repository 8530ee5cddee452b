"""A gateway for tests of the Node host: spawns the real process, loads a project, plays the other end of the link."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from link_gateway import START_MS, Gateway

from emulator.wire.frames import Kind

MAIN = Path(__file__).parents[3] / "emulator" / "hosts" / "node" / "main.mjs"


async def upgraded(gateway: Gateway, path: str) -> int:
    """A client's WebSocket: the socket's id."""
    asking = gateway.link.request(b"worker", b"GET", f"http://h{path}".encode(), [(b"upgrade", b"websocket")], upgrade=True)
    answer = await asyncio.wait_for(asking.answer, 10)
    assert answer.upgraded
    return answer.id


@asynccontextmanager
async def host(
    root: Path, node: Path, *, virtual: bool = True, seed: int | None = None, flags: bool = True, **project: Any
) -> AsyncIterator[Gateway]:
    """A host that serves `src/main.ts` of the project in `root`, whose objects are of class `Box`. `flags`: the process is told at its
    start what LOAD will say."""
    gateway = Gateway(root)
    path = root / "link.sock"
    server = await asyncio.get_running_loop().create_unix_server(lambda: gateway.link, str(path))
    command = [str(node), "--disable-warning=ExperimentalWarning", str(MAIN), "--link", str(path)]
    if flags:
        command += ["--virtual-clock"] * virtual + ["--seeded"] * (seed is not None)
    environ = {**os.environ, **({"UV_THREADPOOL_SIZE": "1", "TZ": "UTC"} if virtual else {})}
    gateway.process = await asyncio.create_subprocess_exec(*command, cwd=root, env=environ)
    try:
        await gateway.session_frame(Kind.HELLO)
        message = {
            "root": str(root),
            "main": "src/main.ts",
            "name": "t",
            "compatibility_date": "2026-01-01",
            "flags": {"nodejs_compat": True},
            "vars": {},
            "secrets": {},
            "bindings": [{"kind": "durable_object", "name": "BOX", "class": "Box"}],
            "classes": {"Box": "sqlite"},
            "state_dir": str(root / "state"),
            "idle_ms": 10_000,
            "clock": {"virtual": virtual, "now_ms": START_MS},
            "seed": seed,
            **project,
        }
        gateway.link.send_json(Kind.LOAD, {"protocol": 1, "project": message})
        await gateway.session_frame(Kind.READY)
        gateway.link.send_json(Kind.START, {"sockets": [], "auto_responses": []})
        yield gateway
    finally:
        server.close()
        gateway.link.close()
        try:
            await asyncio.wait_for(gateway.process.wait(), 2)
        except TimeoutError:
            gateway.process.kill()
            await gateway.process.wait()
