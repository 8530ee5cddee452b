"""A gateway for tests of the Python host: spawns the real process, loads a project of one file, plays the other end of the link."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from emulator.core.ids import Namespace
from emulator.wire.exchange import Answer, Incoming
from emulator.wire.frames import Frame, Kind
from emulator.wire.link import Link

ROOT = Path(__file__).parents[3]
START_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""
BOUND_S = 20


class _Tapped(Link):
    """A link that shows every frame before it takes it."""

    seen: Callable[[Frame], None]

    def _dispatch(self, frame: Frame) -> None:
        self.seen(frame)
        super()._dispatch(frame)


class Gateway:
    """One host process. `now_ms` is the time in the head of every frame; `turns` and `points` are the payloads' lines."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now_ms = START_MS
        self.turns: list[list[str]] = []
        self.points: list[list[str]] = []
        self.notes: list[dict[str, Any]] = []
        self.texts: list[str] = []
        self.alarms: list[int | None] = []
        self.asked: list[Incoming] = []
        self.answer: Callable[[Incoming], None] = lambda incoming: incoming.respond(200, b"OK", [], b"from outside")
        self.process: asyncio.subprocess.Process
        self._session: asyncio.Queue[Frame] = asyncio.Queue()
        self._news = asyncio.Event()
        self.link = _Tapped(self, odd=True, clock=lambda: self.now_ms)
        self.link.seen = self._seen

    # -- what the host says

    def _seen(self, frame: Frame) -> None:
        if frame.kind == Kind.TURN:
            self.turns.append(frame.payload.decode().split("\n"))
        elif frame.kind == Kind.POINT:
            self.points.append(frame.payload.decode().split("\n"))
        self._news.set()

    def on_session(self, frame: Frame) -> None:
        self._session.put_nowait(frame)

    def on_request(self, incoming: Incoming) -> None:
        self.asked.append(incoming)
        self.answer(incoming)

    def on_call(self, incoming: Incoming, call: dict[str, Any]) -> None:
        self.alarms.append(call["time_ms"])
        incoming.result({})

    def on_note(self, note: dict[str, Any], now_ms: int) -> None:
        self.notes.append(note)

    def on_socket(self, frame: Frame) -> None:
        if frame.kind == Kind.TEXT:
            self.texts.append(frame.payload.decode())

    def on_lost(self, error: Exception | None) -> None:
        self._news.set()

    # -- what a gateway does

    async def session_frame(self, kind: Kind) -> Frame:
        frame = await asyncio.wait_for(self._session.get(), BOUND_S)
        assert frame.kind == kind, (Kind(frame.kind).name, frame.payload)
        return frame

    async def fetch(self, path: str) -> Any:
        """A client's GET, and the answer's JSON."""
        answer: Answer = await asyncio.wait_for(self.request(path).answer, BOUND_S)
        body = answer.body if isinstance(answer.body, bytes) else b"".join([chunk async for chunk in answer.body])
        assert answer.status == 200, body
        return json.loads(body)

    def request(self, path: str, *, upgrade: bool = False) -> Any:
        """The same, under way."""
        return self.link.request(b"worker", b"GET", f"http://h{path}".encode(), [], upgrade=upgrade)

    async def call(self, op: str, **fields: Any) -> Any:
        return await asyncio.wait_for(self.link.call(op, **fields), BOUND_S)

    async def clock(self, by_ms: int = 0) -> int | None:
        """Go on by so much: the host's earliest timer that is left."""
        to_ms = self.now_ms + by_ms
        answer = self.link.call("clock", to_ms=to_ms)
        self.now_ms = to_ms
        result: int | None = (await asyncio.wait_for(answer, BOUND_S))["next_ms"]
        return result

    async def until(self, met: Callable[[], bool]) -> None:
        """Wait until the host has said enough."""
        async with asyncio.timeout(BOUND_S):
            while not met():
                self._news.clear()
                await self._news.wait()

    def id(self, name: str, class_name: str = "Box") -> str:
        return Namespace.of("t", class_name).id_from_name(name)


def write_project(root: Path, source: str) -> None:
    (root / "src").mkdir(parents=True, exist_ok=True)
    (root / "src" / "main.py").write_text(source)


@asynccontextmanager
async def host(root: Path, source: str, *, virtual: bool = True, seed: int | None = None, **project: Any) -> AsyncIterator[Gateway]:
    """A host that serves `source`, whose objects are of class `Box`."""
    write_project(root, source)
    gateway = Gateway(root)
    path = root / "link.sock"
    connected = asyncio.Event()

    def accept() -> asyncio.BaseProtocol:
        connected.set()
        return gateway.link

    server = await asyncio.get_running_loop().create_unix_server(accept, str(path))
    command = [sys.executable, "-m", "emulator.hosts.python", "--link", str(path)]
    gateway.process = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    try:
        await gateway.session_frame(Kind.HELLO)
        message = {
            "root": str(root),
            "main": "src/main.py",
            "name": "t",
            "compatibility_date": "2026-01-01",
            "flags": {},
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
