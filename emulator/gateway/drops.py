"""How a client's connection ends from outside, and when: at once, behind exactly so many frames, or behind so many model chunks.

A drop may also be armed before there is a socket: for the next one that an object accepts. What a drop does to the connection is in
client_socket.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol


class Mode(StrEnum):
    """What becomes of the connection."""

    CLOSE = "close"
    """A Close frame with code and reason."""
    RESET = "reset"
    """A TCP reset without one, as when a phone leaves its network. What was sent before still arrives."""
    STALL = "stall"
    """It stays, and nothing goes through it until it is resumed, as in a tunnel."""


@dataclass(slots=True)
class Drop:
    """One that is armed or under way. `frames_left` and `chunks_left` count down to 0; None does not count."""

    mode: Mode
    code: int = 1001
    reason: str = ""
    frames_left: int | None = None
    chunks_left: int | None = None

    @property
    def due(self) -> bool:
        """Whether nothing is left to wait for."""
        return not self.frames_left and not self.chunks_left

    def frame_sent(self) -> bool:
        """A message has gone to the client; whether that was the last one."""
        if self.frames_left is None:
            return False
        self.frames_left -= 1
        return self.frames_left <= 0

    def chunk_delivered(self) -> bool:
        """A model's chunk has gone to the object; whether that was the last one."""
        if self.chunks_left is None:
            return False
        self.chunks_left -= 1
        return self.chunks_left <= 0

    def fields(self) -> dict[str, Any]:
        """For people and the journal."""
        found: dict[str, Any] = {"mode": self.mode.value}
        if self.mode is Mode.CLOSE:
            found |= {"code": self.code, "reason": self.reason}
        if self.frames_left is not None:
            found["after_frames"] = self.frames_left
        if self.chunks_left is not None:
            found["after_chunks"] = self.chunks_left
        return found


class Droppable(Protocol):
    """A client's socket."""

    drop: Drop | None

    def strike(self) -> None:
        """Do what `drop` says."""


ObjectKey = tuple[str, str]
"""Class and id."""


class Drops:
    """What is armed. A socket has at most one drop: the last one that was given."""

    def __init__(self) -> None:
        self._next: dict[ObjectKey, deque[Drop]] = {}
        self._counting: dict[ObjectKey, list[Droppable]] = {}
        """Sockets that wait for chunks, by their object."""

    def arm(self, socket: Droppable, key: ObjectKey | None, drop: Drop) -> None:
        """Drop this socket when it is time, which may be now. `key` is its object's, None when it is not known."""
        self.disarm(socket)
        socket.drop = drop
        if drop.due:
            socket.strike()
        elif drop.chunks_left is not None and key is not None:
            self._counting.setdefault(key, []).append(socket)

    def arm_next(self, key: ObjectKey, drop: Drop) -> None:
        """Drop the next socket that the object accepts for hibernation; several of these are for one socket each, in order."""
        self._next.setdefault(key, deque()).append(drop)

    def disarm(self, socket: Droppable) -> bool:
        """The socket's drop shall not happen, or it has ended; whether one was armed."""
        armed, socket.drop = socket.drop is not None, None
        for key, sockets in list(self._counting.items()):
            if socket in sockets:
                sockets.remove(socket)
                if not sockets:
                    del self._counting[key]
        return armed

    def disarm_next(self) -> int:
        """Drops of sockets that do not exist yet shall not happen; how many there were."""
        count = sum(map(len, self._next.values()))
        self._next.clear()
        return count

    def accepted(self, socket: Droppable, key: ObjectKey) -> None:
        """An object has accepted a socket."""
        waiting = self._next.get(key)
        if waiting is None:
            return
        drop = waiting.popleft()
        if not waiting:
            del self._next[key]
        # Even one that is due waits for the end of the handshake (ClientSocket.open).
        socket.drop = drop
        if drop.chunks_left:
            self._counting.setdefault(key, []).append(socket)

    def chunk_delivered(self, key: ObjectKey) -> list[Droppable]:
        """A model's chunk has gone to the object: the sockets that are due by it."""
        return [socket for socket in self._counting.get(key, ()) if socket.drop is not None and socket.drop.chunk_delivered()]

    def waiting(self) -> Iterator[tuple[ObjectKey, Iterable[Drop]]]:
        """What is armed for sockets that do not exist yet."""
        yield from self._next.items()
