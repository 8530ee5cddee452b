"""What `http.client`, and with it urllib3, requests and urllib.request, takes for its socket: a Peer, waited for."""

from __future__ import annotations

import errno
import io
import os
import socket
from collections.abc import Buffer
from typing import Any

from emulator.hosts.python.network.peer import Peer
from emulator.hosts.python.network.waiting import Waiting

_never_readable: list[int] = []


class PeerSocket:
    """The part of `socket.socket` that clients use. Like a socket it stays open until its files are closed too."""

    def __init__(self, peer: Peer, waiting: Waiting, timeout_s: Any) -> None:
        waiting.check()
        self.peer = peer
        self._waiting = waiting
        self._timeout_s: float | None = timeout_s if isinstance(timeout_s, int | float) else socket.getdefaulttimeout()
        self._late = False
        self._files = 0
        self._closed = False

    def sendall(self, data: Buffer, _flags: int = 0) -> None:
        """Returns when a request's answer begins: a failure to connect must come here and not while reading, as clients expect."""
        self._waiting.wait(lambda: self._write(bytes(data)), self._timeout_s)
        try:
            self._waiting.wait(self.peer.head_is_there, self._timeout_s)
        except TimeoutError:
            # It is reading that takes too long, and it has waited long enough.
            self._late = True

    async def _write(self, data: bytes) -> None:
        self.peer.feed(data)
        await self.peer.drain()

    def send(self, data: Buffer, flags: int = 0) -> int:
        self.sendall(data, flags)
        return memoryview(data).nbytes

    def recv_into(self, buffer: Buffer, size: int = 0, _flags: int = 0) -> int:
        """As much of the next piece as fits."""
        view = memoryview(buffer).cast("B")
        self._check_late()
        return self._waiting.wait(lambda: self._read_into(view[:size] if size else view), self._timeout_s)

    async def _read_into(self, view: memoryview) -> int:
        data = await self.peer.receive_at_most(len(view))
        view[: len(data)] = data
        return len(data)

    def recv(self, size: int, _flags: int = 0) -> bytes:
        self._check_late()
        return self._waiting.wait(lambda: self.peer.receive_at_most(size), self._timeout_s)

    def _check_late(self) -> None:
        if self._late:
            self._late = False
            raise TimeoutError("timed out")

    def makefile(self, mode: str = "r", buffering: int | None = None, **text: Any) -> Any:
        """A file of it, as `socket.makefile`."""
        self._files += 1
        raw = _RawFile(self, readable="w" not in mode or "r" in mode, writable="w" in mode)
        if buffering == 0:
            return raw
        size = io.DEFAULT_BUFFER_SIZE if buffering is None or buffering < 0 else buffering
        buffered = io.BufferedWriter(raw, size) if "w" in mode else io.BufferedReader(raw, size)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, **text)

    def file_closed(self) -> None:
        """One of its files is closed."""
        self._files -= 1
        if self._closed:
            self.close()

    def close(self) -> None:
        self._closed = True
        if self._files <= 0:
            self._waiting.later(self.peer.close)

    def shutdown(self, _how: int) -> None:
        self._waiting.later(self.peer.close)

    def fileno(self) -> int:
        """A file that is never ready: pools look there whether the server has hung up on an idle connection."""
        if not _never_readable:
            _never_readable.extend(os.pipe())
        return _never_readable[0]

    def settimeout(self, timeout_s: float | None) -> None:
        self._timeout_s = timeout_s

    def gettimeout(self) -> float | None:
        return self._timeout_s

    def setblocking(self, blocking: bool) -> None:
        if not blocking:
            raise OSError(errno.EOPNOTSUPP, "this socket can only wait")
        self._timeout_s = None

    def getpeername(self) -> tuple[str, int]:
        return self.peer.address

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 0

    def setsockopt(self, *_option: Any) -> None:
        """There is no TCP here to set options of."""

    def __enter__(self) -> PeerSocket:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class _RawFile(io.RawIOBase):
    def __init__(self, owner: PeerSocket, *, readable: bool, writable: bool) -> None:
        self._owner = owner
        self._readable = readable
        self._writable = writable

    def readable(self) -> bool:
        return self._readable

    def writable(self) -> bool:
        return self._writable

    def readinto(self, buffer: Buffer, /) -> int:
        return self._owner.recv_into(buffer)

    def write(self, data: Buffer, /) -> int:
        return self._owner.send(data)

    def fileno(self) -> int:
        return self._owner.fileno()

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._owner.file_closed()
