"""Clients cut off on command: with a Close frame, by a real TCP reset, by silence; at once, behind exactly k messages, behind k chunks of
a model's answer (drops.py, client_socket.py)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType
from raw_client import RawClient, ask, newest, refused

from emulator.gateway.drops import Drop, Drops, Mode


async def connect(client: aiohttp.ClientSession, server: Any, path: str = "/ws") -> tuple[aiohttp.ClientWebSocketResponse, int]:
    """An open socket, its two greetings read, and its id."""
    ws = await client.ws_connect(server.url + path, autoclose=False)
    assert [await ws.receive_str(), await ws.receive_str()] == ["early", "opened"]
    return ws, max(row["id"] for row in (await ask(client, server, "GET", "sockets"))["sockets"])


async def test_a_close_has_code_and_reason(server: Any, client: aiohttp.ClientSession) -> None:
    raw = await RawClient.connect(server)
    ident = await newest(client, server)
    assert await ask(client, server, "POST", f"sockets/{ident}/drop", {"code": 4010, "reason": "go away"}) == {
        "dropped": [ident],
        "armed": [],
    }
    assert await raw.to_the_end() == (["early", "opened"], "close 4010 go away")


async def test_a_reset_is_a_reset(server: Any, client: aiohttp.ClientSession, until: Any) -> None:
    raw = await RawClient.connect(server)
    ident = await newest(client, server)
    await ask(client, server, "POST", f"sockets/{ident}/drop", {"mode": "reset"})
    # What was sent before is not lost, and there is no Close frame and no FIN.
    assert await raw.to_the_end() == (["early", "opened"], "reset")

    async def heard() -> bool:
        async with client.get(server.url + "/heard") as response:
            said = json.loads(await response.read())
        return said[-2:] == ["close 1006 WebSocket disconnected without sending Close frame. False", "gone"]

    await until(heard)


@pytest.mark.parametrize("count", [0, 1, 7, 200])
@pytest.mark.parametrize(("mode", "end"), [("close", "close 1001 "), ("reset", "reset")])
async def test_exactly_so_many_frames(server: Any, client: aiohttp.ClientSession, mode: str, end: str, count: int) -> None:
    raw = await RawClient.connect(server)
    assert [await raw.message(), await raw.message()] == [(1, b"early"), (1, b"opened")]
    ident = await newest(client, server)
    answer = await ask(client, server, "POST", f"sockets/{ident}/drop", {"mode": mode, "after_frames": count})
    assert answer == {"dropped": [] if count else [ident], "armed": [ident] if count else []}
    if count:
        (row,) = [row for row in (await ask(client, server, "GET", "sockets"))["sockets"] if row["id"] == ident]
        assert row["armed"]["mode"] == mode and row["armed"]["after_frames"] == count
        await raw.send("burst 500")
    assert await raw.to_the_end() == ([str(number) for number in range(count)], end)


async def test_a_stall_holds_both_ways_and_loses_nothing(server: Any, client: aiohttp.ClientSession) -> None:
    ws, ident = await connect(client, server)
    await ask(client, server, "POST", f"sockets/{ident}/drop", {"mode": "stall", "after_frames": 2})
    await ws.send_str("burst 5")
    assert [await ws.receive_str(), await ws.receive_str()] == ["0", "1"]
    await ws.send_str("unheard")
    await ws.ping()
    with pytest.raises(TimeoutError):
        await ws.receive(0.1)
    assert [row["stalled"] for row in (await ask(client, server, "GET", "sockets"))["sockets"] if row["id"] == ident] == [True]
    assert await ask(client, server, "POST", f"sockets/{ident}/resume") == {"resumed": [ident]}
    assert [await ws.receive_str() for _ in range(4)] == ["2", "3", "4", "unheard"]
    assert await ask(client, server, "POST", f"sockets/{ident}/resume") == {"resumed": []}
    await ws.close()


async def test_a_client_may_leave_a_stall(server: Any, client: aiohttp.ClientSession, until: Any) -> None:
    ws, ident = await connect(client, server)
    await ask(client, server, "POST", f"sockets/{ident}/drop", {"mode": "stall"})
    await ws.send_str("never heard")
    assert ws._response.connection is not None and ws._response.connection.transport is not None
    ws._response.connection.transport.abort()

    async def left() -> bool:
        return ident not in [row["id"] for row in (await ask(client, server, "GET", "sockets"))["sockets"]]

    await until(left)


async def test_a_stalled_client_is_read_within_bounds(server: Any, client: aiohttp.ClientSession) -> None:
    ws, ident = await connect(client, server)
    await ask(client, server, "POST", f"sockets/{ident}/drop", {"mode": "stall"})
    sending = asyncio.create_task(flood(ws, 200))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(sending), 0.3)  # 20 MB do not fit into what the kernel and we hold
    await ask(client, server, "POST", f"sockets/{ident}/resume")
    received = 0
    while received < 200:
        message = await ws.receive(10)
        assert message.type is WSMsgType.BINARY and len(message.data) == 100_000
        received += 1
    await sending
    await ws.close()


async def flood(ws: aiohttp.ClientWebSocketResponse, count: int) -> None:
    for _ in range(count):
        await ws.send_bytes(b"x" * 100_000)


async def test_the_next_socket_of_an_object(server: Any, client: aiohttp.ClientSession) -> None:
    for after, mode in [(1, "reset"), (0, "close")]:
        fields = {"next": True, "mode": mode, "after_frames": after}
        assert (await ask(client, server, "POST", "objects/Echo/a/drop", fields))["next"] == "Echo/a"
    armed = (await ask(client, server, "GET", "sockets"))["next"]
    assert [(row["class"], row["mode"], row["after_frames"]) for row in armed] == [("Echo", "reset", 1), ("Echo", "close", 0)]
    assert await (await RawClient.connect(server)).to_the_end() == (["early"], "reset")
    assert await (await RawClient.connect(server)).to_the_end() == ([], "close 1001 ")
    assert (await ask(client, server, "GET", "sockets"))["next"] == []
    ws, _ = await connect(client, server)
    await ws.close()


async def test_by_object_and_all(server: Any, client: aiohttp.ClientSession) -> None:
    first, second = await RawClient.connect(server), await RawClient.connect(server)
    standard = await RawClient.connect(server, "/ws/standard")
    answer = await ask(client, server, "POST", "objects/Echo/a/drop", {"mode": "reset"})
    assert len(answer["dropped"]) == 2
    assert [(await one.to_the_end())[1] for one in (first, second)] == ["reset", "reset"]
    assert len((await ask(client, server, "POST", "sockets/drop"))["dropped"]) == 1
    assert (await standard.to_the_end())[1] == "close 1001 "
    assert await refused(client, server, "POST", "objects/Echo/a/drop") == (404, "E228")


async def test_what_is_armed_can_be_disarmed(server: Any, client: aiohttp.ClientSession) -> None:
    ws, ident = await connect(client, server)
    await ask(client, server, "POST", f"sockets/{ident}/drop", {"after_frames": 1})
    assert (await ask(client, server, "DELETE", f"sockets/{ident}/drop"))["disarmed"] == [ident]
    await ask(client, server, "POST", "objects/Echo/a/drop", {"next": True})
    await ask(client, server, "POST", "sockets/drop", {"after_chunks": 3})
    gone = await ask(client, server, "DELETE", "sockets/drop")
    assert ident in gone["disarmed"] and gone["next"] == 1
    await ws.send_str("still here")
    assert await ws.receive_str() == "still here"
    await ws.close()


@pytest.mark.parametrize(
    "body",
    [
        {"mode": "burn"},
        {"mode": ["reset"]},
        {"code": 1005},
        {"code": 99},
        {"code": True},
        {"reason": "x" * 200},
        {"after_frames": -1},
        {"after_frames": 1.5},
        {"after_chunks": "3"},
        {"after_frames": 1, "after_chunks": 1},
        {"mode": "reset", "code": 1001},
        {"afterframes": 1},
        {"next": "yes"},
    ],
)
async def test_a_drop_that_makes_no_sense_changes_nothing(server: Any, client: aiohttp.ClientSession, body: dict[str, Any]) -> None:
    ws, _ = await connect(client, server)
    assert await refused(client, server, "POST", "objects/Echo/a/drop", body) == (400, "E227")
    assert await refused(client, server, "POST", "sockets/drop", body) == (400, "E227")
    await ws.send_str("still here")
    assert await ws.receive_str() == "still here"
    await ws.close()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "sockets/99999/drop"),
        ("POST", "sockets/none/drop"),
        ("POST", "sockets/99999/resume"),
        ("DELETE", "sockets/-1/drop"),
        ("POST", "objects/Echo/nobody/drop"),
        ("POST", "objects/Nope/a/drop"),
        ("POST", "objects/Nope/a/evict"),
    ],
)
async def test_what_is_not_there(server: Any, client: aiohttp.ClientSession, method: str, path: str) -> None:
    assert await refused(client, server, method, path) == (404, "E228")
    assert await refused(client, server, "POST", "objects/Nope/a/drop", {"next": True}) == (404, "E228")


async def test_chunks_of_a_models_answer(server: Any, client: aiohttp.ClientSession) -> None:
    """The scripted host asks the stub model for its object; a socket that counts is cut behind the third chunk of it."""
    raw = await RawClient.connect(server)
    ident = await newest(client, server)
    await ask(client, server, "POST", f"sockets/{ident}/drop", {"mode": "reset", "after_chunks": 3})
    async with client.get(server.url + "/ai/Echo/b") as response:
        others = int(await response.read())
    (row,) = [row for row in (await ask(client, server, "GET", "sockets"))["sockets"] if row["id"] == ident]
    assert row["armed"]["after_chunks"] == 3  # another object's model
    async with client.get(server.url + "/ai/Echo/a") as response:
        assert int(await response.read()) > 3
    # What the object made of the third chunk still came, nothing of the fourth.
    texts, end = await raw.to_the_end()
    assert (texts[2 + others :], end) == (["chunk 1", "chunk 2", "chunk 3"], "reset")


class FakeSocket:
    def __init__(self) -> None:
        self.drop: Drop | None = None
        self.struck = 0

    def strike(self) -> None:
        self.struck += 1
        self.drop = None


def test_a_socket_has_the_drop_it_was_given_last() -> None:
    drops, socket, key = Drops(), FakeSocket(), ("Echo", "a")
    drops.arm(socket, key, Drop(Mode.RESET, chunks_left=2))
    drops.arm(socket, key, Drop(Mode.RESET, chunks_left=3))
    assert drops.chunk_delivered(key) == drops.chunk_delivered(key) == drops.chunk_delivered(("Echo", "b")) == []
    assert socket.drop == Drop(Mode.RESET, chunks_left=1)
    assert drops.chunk_delivered(key) == [socket]
