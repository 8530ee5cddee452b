"""Connections of httpcore and httpcore2, which httpx, httpx2 and the SDKs of OpenAI and Anthropic stand on: their network streams."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import ModuleType
from typing import Any

from emulator.hosts.python.network.dialer import Dialer
from emulator.hosts.python.network.peer import Peer


def adapt_httpcore(module: ModuleType, dialer: Dialer) -> None:
    """`httpcore` or `httpcore2`: the default backends' `connect_tcp`, for both kinds of client."""
    dialer.waiting.expect()
    errors = Errors(module)

    async def connect_tcp(
        _self: Any, host: str, port: int, timeout: float | None = None, local_address: Any = None, socket_options: Any = None
    ) -> AsyncStream:
        """A stream to `host`."""
        return AsyncStream(dialer.dial(host, port, secure=False), errors)

    def connect_tcp_sync(
        _self: Any, host: str, port: int, timeout: float | None = None, local_address: Any = None, socket_options: Any = None
    ) -> SyncStream:
        """A stream to `host`."""
        dialer.waiting.check()
        return SyncStream(dialer.dial(host, port, secure=False), dialer, errors)

    module._backends.auto.AutoBackend.connect_tcp = connect_tcp
    module._backends.sync.SyncBackend.connect_tcp = connect_tcp_sync
    if hasattr(module, "AnyIOBackend"):
        module.AnyIOBackend.connect_tcp = connect_tcp


class Errors:
    """What this httpcore calls its errors; httpx translates them by class."""

    def __init__(self, module: ModuleType) -> None:
        self.connect: type[Exception] = module.ConnectError
        self.read: type[Exception] = module.ReadError
        self.write: type[Exception] = module.WriteError
        self.read_timeout: type[Exception] = module.ReadTimeout
        self.write_timeout: type[Exception] = module.WriteTimeout


class _Stream:
    def __init__(self, peer: Peer, errors: Errors) -> None:
        self._peer = peer
        self._errors = errors
        self._begun = False

    async def _write(self, buffer: bytes) -> None:
        try:
            self._peer.feed(buffer)
            await self._peer.drain()
        except ConnectionError as error:
            raise self._errors.write(str(error)) from error

    async def _read(self, max_bytes: int) -> bytes:
        try:
            data = await self._peer.receive_at_most(max_bytes)
        except ConnectionError as error:
            # Before the first byte it is the server that could not be reached.
            raise (self._errors.read if self._begun else self._errors.connect)(str(error)) from error
        self._begun = True
        return data

    def get_extra_info(self, info: str) -> Any:
        """No TLS, no socket; nothing arrives unasked on an idle connection."""
        return {"is_readable": False, "server_addr": self._peer.address}.get(info)


class AsyncStream(_Stream):
    """An AsyncNetworkStream."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await _within(self._read(max_bytes), timeout, self._errors.read_timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if buffer:
            await _within(self._write(buffer), timeout, self._errors.write_timeout)

    async def aclose(self) -> None:
        self._peer.close()

    async def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> AsyncStream:
        """From here on it is https: the gateway does the TLS."""
        self._peer.secure = True
        return self


class SyncStream(_Stream):
    """A NetworkStream."""

    def __init__(self, peer: Peer, dialer: Dialer, errors: Errors) -> None:
        super().__init__(peer, errors)
        self._waiting = dialer.waiting

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._waiting.wait(lambda: _within(self._read(max_bytes), timeout, self._errors.read_timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if buffer:
            self._waiting.wait(lambda: _within(self._write(buffer), timeout, self._errors.write_timeout))

    def close(self) -> None:
        self._waiting.later(self._peer.close)

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> SyncStream:
        """From here on it is https: the gateway does the TLS."""
        self._peer.secure = True
        return self


async def _within[T](work: Coroutine[Any, Any, T], timeout_s: float | None, late: type[Exception]) -> T:
    try:
        async with asyncio.timeout(timeout_s):
            return await work
    except TimeoutError as error:
        raise late("timed out") from error
