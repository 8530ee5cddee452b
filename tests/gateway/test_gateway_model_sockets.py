"""A conversation with a model as a socket of the link: who ends it, what breaks it, and how far it may be ahead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from emulator.gateway.ai.cassettes.frames import Inbox, line
from emulator.gateway.exchange import Request, Response
from emulator.gateway.failures import NetworkFailure
from emulator.gateway.model_sockets import ModelSockets
from emulator.wire import frames
from emulator.wire.frames import Frame, Kind

HEAD = SimpleNamespace(method="GET", url="https://workers-binding.ai/run?version=3", headers=[(b"upgrade", b"websocket")])


class FakeIncoming:
    """One REQUEST of a host, and everything that it was told."""

    def __init__(self) -> None:
        self.id = 4
        self.head = HEAD
        self.told: list[Any] = []
        self.sent: list[tuple[Kind, bytes, int]] = []
        self.link = self
        self.task: asyncio.Task[None] | None = None
        self.on_cancel: Any = None

    def spawn(self, work: Any) -> asyncio.Task[None]:
        self.task = asyncio.create_task(work)
        return self.task

    def send(self, kind: int, ident: int, payload: bytes = b"", flags: int = 0) -> None:
        assert ident == self.id
        self.sent.append((Kind(kind), payload, flags))

    def upgrade(self, headers: Any) -> None:
        self.told.append(("upgrade", headers))

    def respond(self, status: int, reason: bytes, headers: Any, body: Any) -> None:
        self.told.append(("respond", status, body))

    def fail(self, error: dict[str, Any]) -> None:
        self.told.append(("fail", error["message"]))


class Bench:
    def __init__(self, body: Any, status: int = 101, *, replayed: bool = False) -> None:
        self.incoming = FakeIncoming()
        self.book = SimpleNamespace(outgoing={})

        async def converse(request: Request, inbox: Inbox) -> Response:
            inbox.replayed = replayed
            made = body(inbox) if callable(body) else body
            if isinstance(made, Exception):
                raise made
            return Response(status, [("content-type", "x"), ("cf-ai-req-id", "r")], made)

        ModelSockets(self.book, converse).open(self.incoming)  # type: ignore[arg-type]

    async def told(self) -> None:
        while not self.incoming.told:
            await asyncio.sleep(0)

    def take(self, kind: Kind, payload: bytes = b"") -> None:
        self.book.outgoing[4].take(Frame(kind, 0, 4, 0, payload))

    async def ended(self) -> list[tuple[Kind, bytes, int]]:
        assert self.incoming.task is not None
        await asyncio.wait_for(self.incoming.task, 5)
        assert self.book.outgoing == {}
        return self.incoming.sent


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def test_the_model_ends_it():
    async def body(inbox: Inbox) -> AsyncIterator[bytes]:
        yield line("in", "hello") + line("in", b"\x01")

    bench = Bench(body)
    await until(lambda: len(bench.incoming.sent) == 3)
    assert bench.incoming.told == [("upgrade", [(b"upgrade", b"websocket"), (b"cf-ai-req-id", b"r")])]
    bench.take(Kind.CLOSE, frames.write_close(1000, ""))
    text, binary, close, gone = await bench.ended()
    assert (text[:2], binary[:2]) == ((Kind.TEXT, b"hello"), (Kind.BINARY, b"\x01"))
    assert close == (Kind.CLOSE, frames.write_close(1000, ""), frames.CLEAN)
    assert gone[0] is Kind.GONE


@pytest.mark.parametrize("replayed", [True, False])
async def test_user_code_ends_it(replayed: bool):
    closed = []

    async def body(inbox: Inbox) -> AsyncIterator[bytes]:
        try:
            if replayed:
                await asyncio.Event().wait()  # a recording that would go on for minutes
            while (message := await inbox.next()) is not None:
                yield line("out", message)
            yield line("in", "bye")
        finally:
            closed.append(True)

    bench = Bench(body, replayed=replayed)
    await bench.told()
    bench.take(Kind.TEXT, b"one")
    bench.take(Kind.CLOSE, frames.write_close(4001, "enough"))
    sent = await bench.ended()
    assert [kind for kind, _, _ in sent] == ([] if replayed else [Kind.TEXT]) + [Kind.CLOSE, Kind.GONE]
    assert sent[-2] == (Kind.CLOSE, frames.write_close(4001, "enough"), frames.CLEAN)
    assert closed == [True]


async def test_a_replay_waits_for_what_user_code_sends():
    async def body(inbox: Inbox) -> AsyncIterator[bytes]:
        yield line("out", "first") + line("in", "answer")

    bench = Bench(body, replayed=True)
    await bench.told()
    for _ in range(20):
        await asyncio.sleep(0)
    assert bench.incoming.sent == []
    bench.take(Kind.BINARY, b"anything")
    await until(lambda: len(bench.incoming.sent) == 2)
    bench.take(Kind.CLOSE)
    assert [kind for kind, _, _ in await bench.ended()] == [Kind.TEXT, Kind.CLOSE, Kind.GONE]


@pytest.mark.parametrize("broken", [NetworkFailure.lost("torn"), None])
async def test_a_broken_conversation(broken: Exception | None):
    async def body(inbox: Inbox) -> AsyncIterator[bytes]:
        yield line("in", "a")
        if broken is not None:
            raise broken
        yield b"no frame\n"

    sent = await Bench(body).ended()
    assert [(kind, flags) for kind, _, flags in sent] == [(Kind.TEXT, 0), (Kind.CLOSE, 0), (Kind.GONE, 0)]
    assert frames.read_close(sent[1][1])[0] == 1006


async def test_it_is_no_further_ahead_than_its_window():
    big = "x" * (frames.SOCKET_WINDOW // 2)

    async def body(inbox: Inbox) -> AsyncIterator[bytes]:
        for _ in range(3):
            yield line("in", big)

    bench = Bench(body)
    await until(lambda: len(bench.incoming.sent) == 2)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(bench.incoming.sent) == 2
    bench.take(Kind.CREDIT, frames.write_credit(len(big)))
    await until(lambda: len(bench.incoming.sent) == 4)
    bench.take(Kind.CLOSE)
    await bench.ended()


async def test_no_conversation():
    refused = Bench(b"no", 400)
    await refused.told()
    assert refused.incoming.told == [("respond", 400, b"no")]
    failed = Bench(lambda inbox: NetworkFailure.lost("the network"))
    await failed.told()
    assert failed.incoming.told == [("fail", "Network connection lost.")]


async def test_a_host_that_gives_up():
    async def body(inbox: Inbox) -> AsyncIterator[bytes]:
        yield line("in", "a")
        await asyncio.Event().wait()

    bench = Bench(body)
    await until(lambda: bool(bench.incoming.sent))
    bench.incoming.on_cancel("reset")
    with pytest.raises(asyncio.CancelledError):
        await bench.incoming.task
    assert bench.book.outgoing == {}
