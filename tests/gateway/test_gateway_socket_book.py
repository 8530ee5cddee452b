"""What the sockets' book lets go of: clients that do not answer a Close, auto-responses that nobody is left for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from emulator.gateway import client_socket
from emulator.gateway.client_socket import ClientSocket
from emulator.gateway.clocks import SystemClock
from emulator.gateway.journal import Journal
from emulator.gateway.sockets import ObjectRef, SocketBook


class Transport:
    """A client that reads everything and says nothing; it tells its protocol of its end as a real one does."""

    def __init__(self) -> None:
        self.sent = b""
        self.protocol: Any = None
        self.how: str | None = None

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def write(self, data: bytes) -> None:
        self.sent += data

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self._end("close")

    def abort(self) -> None:
        self._end("abort")

    def resume_reading(self) -> None: ...

    def _end(self, how: str) -> None:
        if self.how is None:
            self.how = how
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)


@pytest.fixture
def book() -> SocketBook:
    clock = SystemClock()
    return SocketBook(clock, Journal(clock))


def opened(book: SocketBook, ident: int, owner: str | None = None) -> tuple[ClientSocket, Transport]:
    socket, transport = book.expect(ident, "http://h/"), Transport()
    socket.open(transport, b"", b"")  # type: ignore[arg-type]
    if owner is not None:
        socket.object = ObjectRef("Echo", owner, None)
    return socket, transport


async def test_a_client_that_ignores_our_close_is_cut(book: SocketBook, until: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_socket, "CLOSE_WITHIN_S", 0.01)
    socket, transport = opened(book, 1)
    socket.close(1000, "bye")
    assert transport.how is None and transport.sent.endswith(b"bye")
    await until(lambda: socket.ended)
    assert transport.how == "abort"


async def test_a_client_that_answers_ends_the_wait(book: SocketBook, until: Any) -> None:
    socket, transport = opened(book, 1)
    socket.close(1000, "")
    socket.data_received(bytes((0x88, 0x82, 0, 0, 0, 0)) + (1000).to_bytes(2, "big"))
    await until(lambda: socket.ended)
    assert transport.how == "close"
    assert socket.lingering is not None and socket.lingering.cancelled()


async def test_auto_responses_survive_a_host_with_their_sockets_only(book: SocketBook) -> None:
    opened(book, 1, owner="a" * 64)
    book.auto_response("Echo", "a" * 64, "ping", "pong")
    book.auto_response("Echo", "b" * 64, "ping", "pong")
    assert book.host_ended() == 1
    assert [row["id"] for row in book.handover()["auto_responses"]] == ["a" * 64]
