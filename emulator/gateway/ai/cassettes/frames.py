"""A conversation over a WebSocket as a body: one line for each frame, so that recordings, faults and reports treat it as any other stream.

A line is `{"dir": "in" | "out"}` with `json`, `text` or `b64`, which is what a recording's event has: `out` is what user code sent, `in`
what the model said. The body's end is the model's Close. Pure, but for Inbox, which waits.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from collections.abc import Iterator
from typing import Any

from emulator.gateway.ai.canonical import compact

MEDIA_TYPE = "application/x-agents-emu-websocket"

Message = str | bytes


def line(direction: str, message: Message) -> bytes:
    """One frame. A JSON object is written as such where its text comes back exactly from that."""
    if isinstance(message, bytes):
        return _written({"dir": direction, "b64": base64.b64encode(message).decode()})
    try:
        value = json.loads(message)
    except ValueError:
        value = None
    if isinstance(value, dict | list) and compact(value) == message:
        return _written({"dir": direction, "json": value})
    return _written({"dir": direction, "text": message})


def message_of(frame: dict[str, Any]) -> Message:
    """What a line's frame carries. Raises ValueError for broken base64."""
    if "b64" in frame:
        return base64.b64decode(frame["b64"], validate=True)
    return compact(frame["json"]) if "json" in frame else str(frame.get("text", ""))


def encode_frame(event: dict[str, Any]) -> bytes:
    """The line of a recording's event; `dir` is `in` where it is not given."""
    return _written({"dir": event.get("dir", "in"), **{name: event[name] for name in ("json", "text", "b64") if name in event}})


class Lines:
    """Chunks to frames; a chunk may end anywhere."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[dict[str, Any]]:
        """The frames that are whole by now. Raises ValueError when one is no JSON object."""
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        for one in whole:
            frame = json.loads(one)
            if not isinstance(frame, dict):
                raise ValueError("a frame is an object")
            yield frame


class Inbox:
    """What user code sends, in order, until it says Close."""

    def __init__(self) -> None:
        self._waiting: deque[Message] = deque()
        self._count = 0
        self._news = asyncio.Event()
        self.closed = asyncio.Event()
        self.replayed = False
        """Nobody reads: a recording answers."""

    def put(self, message: Message) -> None:
        """A frame came."""
        self._waiting.append(message)
        self._count += 1
        self._news.set()

    def close(self) -> None:
        """No more frames come."""
        self.closed.set()
        self._news.set()

    async def next(self) -> Message | None:
        """The next frame; None once all are read and no more come."""
        while not self._waiting:
            if self.closed.is_set():
                return None
            await self._wait()
        return self._waiting.popleft()

    async def heard(self, count: int) -> bool:
        """Wait until so many frames have come, read or not; False when there will never be so many."""
        while self._count < count:
            if self.closed.is_set():
                return False
            await self._wait()
        return True

    async def _wait(self) -> None:
        self._news.clear()
        await self._news.wait()


def _written(frame: dict[str, Any]) -> bytes:
    return compact(frame).encode("utf-8", "backslashreplace") + b"\n"
