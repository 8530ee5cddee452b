"""A process without a network: it runs in a network namespace that has a loopback device and nothing else. Whatever it opens, a socket to
the outside fails in the kernel, so what works there needs no network.

A server in there is reached through a `Door`: a port of ours leads over a Unix socket, which namespaces do not part, to the same port
inside.

    python offline.py SOCKET PORT COMMAND...      run COMMAND in there; SOCKET is where the Unix socket comes to be
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1
_PR_SET_PDEATHSIG = 1
_PIECE = 1 << 16

Opens = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class Door:
    """`port` leads to the same port of the process that `command` runs without a network."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="emu-")  # a short path: Unix sockets have no long names
        self._server: asyncio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        path = self._path
        self._server = await asyncio.start_server(
            lambda *client: _relay(client, lambda: asyncio.open_unix_connection(path)), "127.0.0.1", 0
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *failure: object) -> None:
        assert self._server is not None
        self._server.close()
        self._folder.cleanup()

    def command(self, *words: str | Path) -> tuple[str | Path, ...]:
        """What to run so that `words` run without a network."""
        return (sys.executable, __file__, self._path, str(self.port), *words)

    @property
    def _path(self) -> str:
        return str(Path(self._folder.name) / "s")


def possible() -> bool:
    """Whether this system lets us make such namespaces."""
    if sys.platform != "linux":
        return False
    return subprocess.run([sys.executable, __file__, "", "0", "/bin/true"], check=False, capture_output=True).returncode == 0


def main() -> None:
    """Leave the network, then become the command. Raises OSError where the system allows none of it."""
    path, port, *command = sys.argv[1:]
    _leave()
    if path and os.fork() == 0:
        # It ends with the command, whichever way that ends.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        asyncio.run(_inside(path, int(port)))
    os.execv(command[0], command)


def _leave() -> None:
    if os.geteuid() == 0:
        os.unshare(os.CLONE_NEWNET)
    else:
        user, group = os.geteuid(), os.getegid()
        os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


async def _inside(path: str, port: int) -> None:
    server = await asyncio.start_unix_server(lambda *client: _relay(client, lambda: asyncio.open_connection("127.0.0.1", port)), path)
    await server.serve_forever()


async def _relay(client: tuple[asyncio.StreamReader, asyncio.StreamWriter], opens: Opens) -> None:
    """All bytes both ways; who tears one end tears the other."""
    reader, writer = client
    try:
        far_reader, far_writer = await opens()
    except OSError:
        writer.transport.abort()
        return
    await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
    for end in (writer, far_writer):
        end.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()
    except OSError:
        writer.transport.abort()


if __name__ == "__main__":
    main()
