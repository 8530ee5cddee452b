"""The host's side of a session on the link: hello, load, start, serve, drain (wire/README.md)."""

from __future__ import annotations

import asyncio
import gc
import os
import platform
from collections.abc import Callable
from typing import Any

from emulator.hosts.python.faults import error_object
from emulator.hosts.python.host import Host
from emulator.hosts.python.owner import Ended
from emulator.hosts.python.stall import StallWatch
from emulator.wire.exchange import Incoming
from emulator.wire.frames import PROTOCOL, Frame, Kind
from emulator.wire.link import Link

GC_THRESHOLDS = (20_000, 4, 2)
"""A request leaves few cycles behind, a dropped instance is one of some hundred objects that had time to grow old. At the default first
threshold the collector takes a tenth of the host's time; at higher others dropped instances pile up."""


class Session:
    """What arrives on the link, in the order of the session's life. `ended` is done when the process should end."""

    def __init__(self, clock: Callable[[], int], fallback_path: list[str]) -> None:
        self.link = Link(self, odd=False, clock=clock)
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._host = Host(self.link, fallback_path)
        self._started = False
        self._stall: StallWatch | None = None

    def hello(self) -> None:
        """The first frame."""
        runtime = f"{platform.python_implementation()} {platform.python_version()}"
        self.link.send_json(Kind.HELLO, {"protocols": [PROTOCOL], "kind": "python", "pid": os.getpid(), "runtime": runtime})

    # -- Receiver

    def on_session(self, frame: Frame) -> None:
        """PRELOAD, LOAD, START, DRAIN."""
        match frame.kind:
            case Kind.PRELOAD:
                self._host.preload(frame.json()["modules"])
            case Kind.LOAD:
                self._load(frame.json()["project"])
            case Kind.START:
                self._start(frame.json())
            case Kind.DRAIN:
                order = frame.json()
                self.link.spawn(self._drain(order["grace_ms"], order["message"]))

    def _load(self, project: dict[str, Any]) -> None:
        try:
            self._host.load(project)
        except Exception as error:
            self.link.send_json(Kind.FAILED, error_object(error))
            return
        self.link.send_json(Kind.READY, self._host.describe())

    def _start(self, order: dict[str, Any]) -> None:
        self._host.sockets.restore(order["sockets"], order["auto_responses"])
        # What is loaded now stays: the collector need not walk it again, and runs less often than the interpreter's defaults let it.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        self._started = True
        self._stall = StallWatch(self._host, asyncio.get_running_loop())
        self._host.points.resumed = self._stall.resumed
        self._stall.start()

    async def _drain(self, grace_ms: int, message: str) -> None:
        reset = await self._host.drain(grace_ms, message) if self._started else 0
        self.link.send_json(Kind.DRAINED, {"reset": reset})
        self.link.flush()
        self._end(0)

    def on_request(self, incoming: Incoming) -> None:
        """A client's request for the Worker."""
        assert self._started, "requests come after START"
        self._host.requests.take(incoming)

    def on_call(self, incoming: Incoming, call: dict[str, Any]) -> None:
        """An operation of the gateway."""
        self.link.spawn(self._operate(incoming, call))

    async def _operate(self, incoming: Incoming, call: dict[str, Any]) -> None:
        try:
            incoming.result(await self._host.operations.operate(call))
        except Ended as error:
            incoming.fail(error_object(error))

    def on_socket(self, frame: Frame) -> None:
        """A frame of a socket."""
        self._host.sockets.take(frame)

    def on_note(self, note: dict[str, Any], now_ms: int) -> None:
        """Unknown ones are ignored, as the protocol says."""
        match note.get("op"):
            case "network":
                self._host.network(note["reach"])
            case "points":
                self._host.points.order(note["on"], note.get("trap"))

    def on_lost(self, error: Exception | None) -> None:
        """The gateway is gone: so are we."""
        self._end(0 if error is None else 1)

    def _end(self, code: int) -> None:
        if self._stall is not None:
            self._stall.stop()
        if not self.ended.done():
            self.ended.set_result(code)
