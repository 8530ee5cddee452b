"""Two ends of a link over a real socket pair: exchanges, flow control, cancelling, loss."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from emulator.wire import frames
from emulator.wire.exchange import Answer, BodyBroken, BodyReader, Incoming, LinkLost, RemoteError
from emulator.wire.frames import Frame, Kind
from emulator.wire.link import Link


class End:
    """One end, remembering what it was told. `answer` deals with requests and calls."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[Incoming] = asyncio.Queue()
        self.calls: asyncio.Queue[tuple[Incoming, dict[str, Any]]] = asyncio.Queue()
        self.frames: asyncio.Queue[Frame] = asyncio.Queue()
        self.notes: list[dict[str, Any]] = []
        self.ended: asyncio.Queue[Exception | None] = asyncio.Queue()
        self.taken: set[int] = set()
        self.link: Link = None  # type: ignore[assignment]

    def on_request(self, incoming: Incoming) -> None:
        self.incoming.put_nowait(incoming)

    def on_call(self, incoming: Incoming, call: dict[str, Any]) -> None:
        self.calls.put_nowait((incoming, call))

    def on_note(self, note: dict[str, Any], now_ms: int) -> None:
        self.notes.append({**note, "now_ms": now_ms})

    def on_socket(self, frame: Frame) -> None:
        self.frames.put_nowait(frame)

    def on_session(self, frame: Frame) -> None:
        self.frames.put_nowait(frame)

    def on_lost(self, error: Exception | None) -> None:
        self.ended.put_nowait(error)

    async def next_request(self) -> Incoming:
        return await asyncio.wait_for(self.incoming.get(), 5)

    async def next_frame(self) -> Frame:
        return await asyncio.wait_for(self.frames.get(), 5)


@pytest.fixture
async def ends() -> AsyncIterator[tuple[End, End]]:
    gateway, host = End(), End()
    for end, connection, odd in zip((gateway, host), socket.socketpair(), (True, False), strict=True):
        connection.setblocking(False)
        end.link = Link(end, odd=odd, clock=lambda: 42, taken=end.taken)
        await asyncio.get_running_loop().create_connection(lambda end=end: end.link, sock=connection)  # type: ignore[misc]
    yield gateway, host
    gateway.link.close()
    host.link.close()


async def settle() -> None:
    """Let what was written arrive and what arrived be done."""
    for _ in range(20):
        await asyncio.sleep(0)


async def drained(*ends: End) -> None:
    """Wait until no exchange is open at any of these ends."""
    async with asyncio.timeout(5):
        while any(end.link.open_exchanges for end in ends):
            await asyncio.sleep(0.005)


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_a_request_and_its_answer(ends: tuple[End, End]) -> None:
    gateway, host = ends
    exchange = gateway.link.request(b"worker", b"POST", b"http://h/", [(b"a", b"1")], b"whole")
    incoming = await host.next_request()
    assert incoming.head is not None
    assert (incoming.id, incoming.now_ms, incoming.head.method, incoming.body) == (1, 42, "POST", b"whole")
    incoming.respond(201, b"Created", [(b"b", b"2"), (b"b", b"3")], b"body")
    answer: Answer = await exchange.answer
    assert (answer.status, answer.reason, answer.headers, answer.body) == (201, "Created", [(b"b", b"2"), (b"b", b"3")], b"body")
    await drained(gateway, host)


async def test_ids_are_odd_and_even_and_skip_what_is_taken(ends: tuple[End, End]) -> None:
    gateway, host = ends
    gateway.taken |= {1, 5}
    assert [gateway.link.request(b"worker", b"GET", b"/", []).id for _ in range(3)] == [3, 7, 9]
    assert [host.link.request(b"ai", b"GET", b"/", []).id for _ in range(2)] == [2, 4]


async def test_streams_both_ways_keep_their_chunks(ends: tuple[End, End]) -> None:
    gateway, host = ends
    exchange = gateway.link.request(b"worker", b"POST", b"/", [], chunks(b"a", b"bb", b"ccc"))
    incoming = await host.next_request()
    assert isinstance(incoming.body, BodyReader)
    incoming.respond(200, b"OK", [], incoming.body)
    answer = await exchange.answer
    assert [chunk async for chunk in answer.body] == [b"a", b"bb", b"ccc"]
    await drained(gateway, host)


async def test_a_body_waits_for_its_reader(ends: tuple[End, End]) -> None:
    gateway, host = ends
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 10_000
            yield b"x" * 10_000

    exchange = gateway.link.request(b"worker", b"GET", b"/", [])
    (await host.next_request()).respond(200, b"OK", [], endless())
    answer = await exchange.answer
    await asyncio.sleep(0.05)
    assert sent <= frames.BODY_WINDOW + 20_000
    for _ in range(30):
        assert await answer.body.read() is not None
    await asyncio.sleep(0.05)
    assert frames.BODY_WINDOW + 20_000 < sent <= 300_000 + frames.BODY_WINDOW + 20_000
    await answer.body.aclose()
    await drained(gateway, host)


async def test_a_large_body_arrives_whole(ends: tuple[End, End]) -> None:
    gateway, host = ends
    data = bytes(range(256)) * 8192
    exchange = gateway.link.request(b"worker", b"POST", b"/", [], data)
    incoming = await host.next_request()
    incoming.respond(200, b"OK", [], b"".join([chunk async for chunk in incoming.body]))  # type: ignore[union-attr]
    answer = await exchange.answer
    assert b"".join([chunk async for chunk in answer.body]) == data
    await drained(gateway, host)


async def test_a_source_that_fails_is_heard_by_the_reader(ends: tuple[End, End]) -> None:
    gateway, host = ends

    async def failing() -> AsyncIterator[bytes]:
        yield b"first"
        raise ValueError("broke")

    exchange = gateway.link.request(b"worker", b"GET", b"/", [])
    (await host.next_request()).respond(200, b"OK", [], failing())
    answer = await exchange.answer
    assert await answer.body.read() == b"first"
    with pytest.raises(BodyBroken, match="broke"):
        await answer.body.read()
    await drained(gateway, host)


async def test_cancel_before_the_answer(ends: tuple[End, End]) -> None:
    gateway, host = ends
    exchange = gateway.link.request(b"worker", b"POST", b"/", [], chunks(b"a"))
    incoming = await host.next_request()
    reasons: list[str] = []
    incoming.on_cancel = reasons.append
    exchange.cancel("gone")
    await settle()
    assert (reasons, incoming.cancelled) == (["gone"], True)
    incoming.respond(200, b"OK", [], chunks(b"nobody reads this"))
    await drained(gateway, host)


async def test_a_cancelled_waiter_can_still_cancel(ends: tuple[End, End]) -> None:
    gateway, host = ends
    exchange = gateway.link.request(b"worker", b"GET", b"/", [])
    incoming = await host.next_request()

    async def wait() -> None:
        try:
            await exchange.answer
        except asyncio.CancelledError:
            exchange.cancel("left")
            raise

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    await settle()
    assert incoming.cancelled
    await drained(gateway, host)


async def test_a_waiter_that_only_left_leaves_no_exchange(ends: tuple[End, End]) -> None:
    gateway, host = ends
    task = asyncio.create_task(_result(gateway.link.call("x")))
    incoming, _ = await asyncio.wait_for(host.calls.get(), 5)
    task.cancel()
    await asyncio.wait({task})
    incoming.result(1)
    await drained(gateway, host)


async def _result(future: asyncio.Future[Any]) -> Any:
    return await future


async def test_cancel_in_the_turn_of_the_response(ends: tuple[End, End]) -> None:
    """The pump of the response body is cancelled before its first step; its source is closed all the same."""
    gateway, host = ends
    closed: list[str] = []

    class Source:
        def __aiter__(self) -> Source:
            return self

        async def __anext__(self) -> bytes:
            await asyncio.sleep(3600)
            return b""

        async def aclose(self) -> None:
            closed.append("closed")

    exchange = gateway.link.request(b"worker", b"GET", b"/", [])
    incoming = await host.next_request()
    incoming.respond(200, b"OK", [], Source())
    incoming._take_cancel("at once")
    answer = await exchange.answer
    await settle()
    assert closed == ["closed"]
    assert host.link.open_exchanges == 0
    answer.body.cancel()


async def test_a_body_given_up_by_its_sender_breaks(ends: tuple[End, End]) -> None:
    gateway, host = ends

    async def slow() -> AsyncIterator[bytes]:
        yield b"a"
        await asyncio.sleep(3600)

    exchange = gateway.link.request(b"worker", b"POST", b"/", [], slow())
    incoming = await host.next_request()
    reader = incoming.body
    assert isinstance(reader, BodyReader)
    assert await reader.read() == b"a"
    incoming.respond(200, b"OK", [], b"early answer")
    await exchange.answer
    exchange.break_body("no more")
    with pytest.raises(BodyBroken, match="no more"):
        await reader.read()
    await drained(gateway, host)


async def test_calls_results_errors_and_notes(ends: tuple[End, End]) -> None:
    gateway, host = ends
    first, second = host.link.call("one", x=1), host.link.call("two")
    host.link.note("log", text="ä")
    incoming, call = await gateway.calls.get()
    assert call == {"op": "one", "x": 1}
    incoming.result({"y": [None]})
    incoming, _ = await gateway.calls.get()
    incoming.fail({"name": "TypeError", "message": "no"})
    incoming.result("too late")
    assert await first == {"y": [None]}
    with pytest.raises(RemoteError, match="TypeError: no") as caught:
        await second
    assert caught.value.fields == {"name": "TypeError", "message": "no"}
    assert gateway.notes == [{"op": "log", "text": "ä", "now_ms": 42}]
    await drained(gateway, host)


async def test_an_upgrade_makes_a_socket_and_keeps_the_order(ends: tuple[End, End]) -> None:
    gateway, host = ends
    exchange = gateway.link.request(b"worker", b"GET", b"/", [], upgrade=True)
    incoming = await host.next_request()
    assert incoming.wants_upgrade
    host.link.send(Kind.TEXT, incoming.id, b"early")
    incoming.upgrade([(b"upgrade", b"websocket")])
    host.link.send(Kind.TEXT, incoming.id, b"late")
    host.link.send(Kind.CREDIT, incoming.id, frames.write_credit(7))
    answer = await exchange.answer
    assert (answer.status, answer.upgraded, answer.id) == (101, True, exchange.id)
    assert [(await gateway.next_frame()).payload for _ in range(2)] == [b"early", b"late"]
    assert frames.read_credit((await gateway.next_frame()).payload) == 7
    await drained(gateway, host)


@pytest.mark.parametrize("told", [True, False], ids=["cancelled", "waiter gone"])
async def test_an_upgrade_that_crosses_a_cancel_is_handed_up(ends: tuple[End, End], told: bool) -> None:
    gateway, host = ends
    exchange = gateway.link.request(b"worker", b"GET", b"/", [], upgrade=True)
    incoming = await host.next_request()
    incoming.upgrade([])
    if told:
        exchange.cancel("gone")
    else:
        exchange.answer.cancel()
    frame = await gateway.next_frame()
    assert (frame.kind, frame.id) == (Kind.RESPONSE, exchange.id)
    await drained(gateway)


async def test_the_loss_ends_every_wait(ends: tuple[End, End]) -> None:
    gateway, host = ends
    gateway.link.farewell = "the reason"
    request = gateway.link.request(b"worker", b"POST", b"/", [], chunks(b"x"))
    call = gateway.link.call("x")
    streaming = gateway.link.request(b"worker", b"GET", b"/", [])
    await host.next_request()
    (await host.next_request()).respond(200, b"OK", [], _forever())
    answer = await streaming.answer
    ping = asyncio.create_task(gateway.link.ping(30))
    await asyncio.sleep(0)
    host.link._transport.abort()  # type: ignore[union-attr]
    await asyncio.wait_for(gateway.ended.get(), 5)
    for future in (request.answer, call):
        with pytest.raises(LinkLost, match="the reason"):
            await future
    with pytest.raises(LinkLost):
        await answer.body.read()
    assert await ping is False
    with pytest.raises(LinkLost):
        await gateway.link.call("after the end")
    assert gateway.link.open_exchanges == 0


async def _forever() -> AsyncIterator[bytes]:
    await asyncio.sleep(3600)
    yield b""


async def test_ping(ends: tuple[End, End]) -> None:
    gateway, host = ends
    assert await gateway.link.ping(5)
    assert await host.link.ping(5)


async def test_nonsense_closes_the_link(ends: tuple[End, End]) -> None:
    gateway, host = ends
    host.link._transport.write(frames.HEAD.pack(0, 99, 0, 0, 0))  # type: ignore[union-attr]
    error = await asyncio.wait_for(gateway.ended.get(), 5)
    assert "unknown kind 99" in str(error)
    await asyncio.wait_for(host.ended.get(), 5)
