"""Vite's own WebSocket (hot module reload), carried as it is: bytes between the browser's connection and Vite's, as fast as both read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from emulator.errors import EmuError

_PROTOCOLS = (b"vite-hmr", b"vite-ping")


class Tunnels:
    """All that are open (http.HotSockets). `socket` gives the Unix socket where Vite is now, or raises EmuError."""

    def __init__(self, socket: Callable[[], Awaitable[Path]]) -> None:
        self._socket = socket
        self._open: set[_End] = set()

    def takes(self, protocol: bytes) -> bool:
        """Whether a handshake with this `Sec-WebSocket-Protocol` is for Vite."""
        return protocol in _PROTOCOLS

    async def join(self, transport: asyncio.Transport, sent: bytes) -> None:
        """Give a browser's connection to Vite; `sent` is what was read from it already, handshake included. Takes the transport; when
        there is no Vite, the browser is told so and asks again."""
        # Nothing may be read before it can be passed on.
        transport.pause_reading()
        there = _End(self._open)
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: there, str(await self._socket()))
        except (OSError, EmuError):
            transport.write(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            transport.close()
            return
        here = _End(self._open)
        here.other, there.other = there, here
        here.connection_made(transport)
        transport.set_protocol(here)
        if there.transport is not None:
            there.transport.write(sent)
        transport.resume_reading()

    def close(self) -> None:
        """Cut all of them: browsers look for Vite again, and reload the page when it is there."""
        for end in tuple(self._open):
            end.close()


class _End(asyncio.Protocol):
    """One of the two connections."""

    def __init__(self, all_open: set[_End]) -> None:
        self._all = all_open
        self.other: _End | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # uvloop's does what asyncio.Transport says without being one
        self._all.add(self)

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool | None:
        return None

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self._all.discard(self)
        self.transport = None
        if self.other is not None:
            self.other.close()

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()
