"""The link's Node end (emulator/hosts/node/wire) with the gateway's Python end at the other side: bodies, flow control, loss."""

from __future__ import annotations

import asyncio
import hashlib
import json
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from emulator.config import Options, choose_node
from emulator.wire import frames
from emulator.wire.exchange import Answer, BodyBroken, BodyReader, Incoming, RemoteError
from emulator.wire.frames import Frame, Kind
from emulator.wire.link import Link

PARTNER = Path(__file__).parent / "link_partner.mjs"
BOUND_S = 20


class Gateway:
    """The Python end, remembering what it was told, and the process at the other."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[Incoming] = asyncio.Queue()
        self.calls: asyncio.Queue[tuple[Incoming, dict[str, Any]]] = asyncio.Queue()
        self.frames: asyncio.Queue[Frame] = asyncio.Queue()
        self.notes: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.ended: asyncio.Queue[Exception | None] = asyncio.Queue()
        self.link = Link(self, odd=True, clock=lambda: 42)
        self.process: asyncio.subprocess.Process

    def on_request(self, incoming: Incoming) -> None:
        self.incoming.put_nowait(incoming)

    def on_call(self, incoming: Incoming, call: dict[str, Any]) -> None:
        self.calls.put_nowait((incoming, call))

    def on_note(self, note: dict[str, Any], now_ms: int) -> None:
        self.notes.put_nowait(note)

    def on_socket(self, frame: Frame) -> None:
        self.frames.put_nowait(frame)

    def on_session(self, frame: Frame) -> None:
        self.frames.put_nowait(frame)

    def on_lost(self, error: Exception | None) -> None:
        self.ended.put_nowait(error)

    def get(self, path: str, body: Any = None, method: bytes = b"GET", upgrade: bool = False) -> Any:
        return self.link.request(b"worker", method, f"http://h{path}".encode(), [(b"a", "ä".encode("latin-1"))], body, upgrade=upgrade)

    async def ask(self, op: str, **rest: Any) -> Any:
        return await self.link.call(op, **rest)

    async def quiet(self) -> list[Any]:
        """Wait until no exchange is open at either end but this question; gives what the other end remembers."""
        while True:
            stats = await self.ask("stats")
            if stats["open"] == 1 and self.link.open_exchanges == 0:
                return stats["events"]
            await asyncio.sleep(0.005)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    gateway = Gateway()
    connected = asyncio.get_running_loop().create_future()

    def connection() -> Link:
        connected.set_result(None)
        return gateway.link

    path = tmp_path / "link.sock"
    server = await asyncio.get_running_loop().create_unix_server(connection, str(path))
    node = choose_node(Options(persist_to=tmp_path, fixtures=tmp_path)).path
    gateway.process = await asyncio.create_subprocess_exec(node, PARTNER, path, stdin=asyncio.subprocess.DEVNULL, stdout=PIPE)
    try:
        async with asyncio.timeout(BOUND_S):
            await connected
            hello = await gateway.frames.get()
            assert (hello.kind, hello.json()["kind"]) == (Kind.HELLO, "node")
            yield gateway
    finally:
        gateway.link.close()
        await asyncio.wait_for(gateway.process.wait(), BOUND_S)
        server.close()


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def read(answer: Answer) -> list[bytes]:
    return [chunk async for chunk in answer.body] if isinstance(answer.body, BodyReader) else [answer.body]


async def test_a_whole_body_there_and_back(gateway: Gateway) -> None:
    answer = await gateway.get("/echo", b"whole", b"POST").answer
    assert (answer.status, answer.reason, answer.body) == (201, "Made", b"whole")
    assert answer.headers == [(b"x-method", b"POST"), (b"a", "ä".encode("latin-1"))]
    assert (await gateway.get("/echo").answer).body == b""
    assert await gateway.quiet() == []


async def test_chunks_keep_their_bounds_both_ways(gateway: Gateway) -> None:
    sent = [b"a", b"b" * 20_000, b"c" * 70_000, b"d", b"e" * 300_000, b"f"]
    assert await read(await gateway.get("/echo", chunks(*sent)).answer) == sent
    assert await gateway.quiet() == []


async def test_large_bodies_arrive_whole(gateway: Gateway) -> None:
    body = bytes(range(256)) * 20_000
    answer = await gateway.get("/digest", body).answer
    told = json.loads(answer.body)
    assert told["sha256"] == hashlib.sha256(body).hexdigest()
    assert max(told["sizes"]) == frames.BODY_WINDOW // 2
    assert b"".join(await read(await gateway.get("/text").answer)) == "grüß ".encode() * 100_000
    await gateway.quiet()


async def test_a_body_waits_for_its_reader(gateway: Gateway) -> None:
    answer = await gateway.get("/stream").answer
    await gateway.ask("stats")
    assert (await gateway.ask("stats"))["produced"] <= frames.BODY_WINDOW + 2 * 50_000
    assert await read(answer) == [bytes([number]) * 50_000 for number in range(100)]
    await gateway.quiet()


async def test_a_reader_that_waits_holds_the_sender_back(gateway: Gateway) -> None:
    """The host reads nothing of a held request's body but its first chunk."""
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield bytes(50_000)

    exchange = gateway.get("/hold", endless())
    await gateway.ask("stats")
    await gateway.ask("stats")
    assert taken <= frames.BODY_WINDOW // 50_000 + 2
    exchange.cancel("enough")
    assert await gateway.quiet() == [["cancelled", "enough"]]


async def test_a_source_that_fails_is_heard_by_the_reader(gateway: Gateway) -> None:
    answer = await gateway.get("/breaks").answer
    with pytest.raises(BodyBroken, match="the source broke"):
        await read(answer)
    assert await gateway.quiet() == [["source cancelled", "the source broke"]]


async def test_a_reader_that_leaves_cancels_the_source(gateway: Gateway) -> None:
    answer = await gateway.get("/stream").answer
    assert isinstance(answer.body, BodyReader)
    await answer.body.read()
    answer.body.cancel("seen enough")
    assert await gateway.quiet() == [["source cancelled", "seen enough"]]


async def test_a_client_that_leaves_before_the_answer(gateway: Gateway) -> None:
    exchange = gateway.get("/hold")
    await gateway.ask("stats")
    exchange.cancel("gone")
    assert await gateway.quiet() == [["cancelled", "gone"]]
    await gateway.ask("respond")
    assert await gateway.quiet() == [["cancelled", "gone"], ["source cancelled", "nobody waits for this response"]]


async def test_a_request_body_that_breaks(gateway: Gateway) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        raise ValueError("client cut off")
        yield b""

    exchange = gateway.get("/hold", breaking())
    while not (events := (await gateway.ask("stats"))["events"]):
        await asyncio.sleep(0.005)
    assert events == [["BodyBroken", "client cut off"]]
    exchange.cancel()
    await gateway.quiet()


async def test_calls_errors_and_notes(gateway: Gateway) -> None:
    assert await gateway.ask("echo", value={"a": [1, "ü", None]}) == {"a": [1, "ü", None]}
    with pytest.raises(RemoteError) as caught:
        await gateway.ask("unwritable")
    assert caught.value.fields["name"] == "TypeError"
    with pytest.raises(RemoteError) as caught:
        await gateway.get("/fails").answer
    assert caught.value.fields == {"name": "TypeError", "message": "no", "props": {"remote": True}}
    gateway.link.note("hint", text="hello")
    assert await gateway.notes.get() == {"op": "noted", "note": {"op": "hint", "text": "hello"}}
    asked = asyncio.ensure_future(gateway.ask("call", name="alarm"))
    incoming, call = await gateway.calls.get()
    assert (incoming.id % 2, call) == (0, {"op": "alarm", "number": 7})
    incoming.result({"on": "disk"})
    assert await asked == {"on": "disk"}
    asked = asyncio.ensure_future(gateway.ask("call", name="alarm"))
    incoming, _ = await gateway.calls.get()
    incoming.fail({"name": "Error", "message": "disk full", "props": {}})
    with pytest.raises(RemoteError, match="Error: Error: disk full"):
        await asked


async def test_requests_of_the_host(gateway: Gateway) -> None:
    asked = asyncio.ensure_future(gateway.ask("ask", url="https://far/", count=40, size=20_000))
    incoming = await gateway.incoming.get()
    assert incoming.head is not None
    assert (incoming.head.target, incoming.head.method, incoming.head.headers) == ("egress", "PUT", [(b"x", b"y")])
    assert isinstance(incoming.body, BodyReader)
    body = b"".join([chunk async for chunk in incoming.body])
    assert len(body) == 800_000
    incoming.respond(202, b"Accepted", [(b"h", b"v")], chunks(b"x" * 200_000, b"y" * 200_000))
    told = await asked
    assert (told["status"], told["headers"], told["sizes"]) == (202, [["h", "v"]], [200_000, 200_000])
    asked = asyncio.ensure_future(gateway.ask("ask", url="https://far/"))
    incoming = await gateway.incoming.get()
    assert incoming.body is None
    incoming.fail({"name": "Error", "message": "unreachable", "props": {}})
    with pytest.raises(RemoteError, match="unreachable"):
        await asked
    await gateway.quiet()


@pytest.mark.parametrize("after", ["request", "answer"])
async def test_the_host_gives_a_request_up(gateway: Gateway, after: str) -> None:
    asked = asyncio.ensure_future(gateway.ask("abandon", url="https://far/", after=after))
    incoming = await gateway.incoming.get()
    stopped = False

    async def endless() -> AsyncIterator[bytes]:
        nonlocal stopped
        try:
            while True:
                yield bytes(10)
                await asyncio.sleep(0)
        finally:
            stopped = True

    if after == "answer":
        incoming.respond(200, b"OK", [], endless())
        assert await asked == "answered"
    else:
        assert await asked == "changed my mind"
        assert incoming.cancelled
    assert await gateway.quiet() == [["source cancelled", "changed my mind"]]
    assert stopped == (after == "answer")


async def test_a_socket_and_the_order_of_its_frames(gateway: Gateway) -> None:
    exchange = gateway.get("/socket", upgrade=True)
    answer = await exchange.answer
    assert (answer.status, answer.upgraded, answer.headers) == (101, True, [(b"sec-websocket-protocol", b"chat")])
    texts = ["before the handshake", "after it", "x" * 100_000, "", "ü"]
    for text in texts[2:]:
        gateway.link.send(int(Kind.TEXT), answer.id, text.encode())
    gateway.link.send(int(Kind.BINARY), answer.id, bytes(range(256)))
    came = [await gateway.frames.get() for _ in range(6)]
    assert [frame.payload.decode() for frame in came[:5]] == texts
    assert came[5].payload == bytes(range(256))
    gateway.link.send(int(Kind.CLOSE), answer.id, frames.write_close(4001, "bye"), frames.CLEAN)
    assert await gateway.quiet() == [["close", {"code": 4001, "reason": "bye"}]]


async def test_the_hosts_own_socket(gateway: Gateway) -> None:
    asked = asyncio.ensure_future(gateway.ask("ask", url="https://far/", upgrade=True))
    incoming = await gateway.incoming.get()
    assert incoming.wants_upgrade
    incoming.upgrade([])
    assert await asked == {"id": incoming.id, "upgraded": True}
    gateway.link.send(int(Kind.TEXT), incoming.id, b"hello")
    assert (await gateway.frames.get()).payload == b"hello"


async def test_ping(gateway: Gateway) -> None:
    assert await gateway.link.ping(BOUND_S)


async def test_the_loss_ends_every_wait(gateway: Gateway) -> None:
    gateway.get("/hold")
    asyncio.ensure_future(gateway.ask("call", name="alarm")).add_done_callback(lambda asked: asked.exception())
    await gateway.calls.get()
    gateway.link.close()
    assert gateway.process.stdout is not None
    assert json.loads(await gateway.process.stdout.readline()) == {"error": None, "held": True, "after": True}
    assert await gateway.process.wait() == 0


async def test_nonsense_closes_the_link(gateway: Gateway) -> None:
    gateway.link._transport.write(bytes(4) + b"\xff" + bytes(13))  # type: ignore[union-attr]
    assert gateway.process.stdout is not None
    assert json.loads(await gateway.process.stdout.readline())["error"] == "E911"
    assert await gateway.ended.get() is None


async def test_the_host_closes_after_all_it_has_to_say(gateway: Gateway) -> None:
    exchange = gateway.get("/text")
    gateway.link.send_json(int(Kind.DRAIN), {})
    answer = await exchange.answer
    assert answer.status == 200
    assert await gateway.ended.get() is None
