"""Client WebSockets over real connections: handshake, frames, closing, credit, auto-response, faults (durable-objects.md 5)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import struct
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
from aiohttp import WSMsgType

from emulator.gateway.clocks import SystemClock
from emulator.gateway.journal import Journal
from emulator.gateway.sockets import SocketBook
from emulator.wire.frames import Kind

LIMIT = 32 * 1024 * 1024


async def connect(client: aiohttp.ClientSession, server: Any, path: str = "/ws", **options: Any) -> aiohttp.ClientWebSocketResponse:
    """An open socket, its two greetings read."""
    ws = await client.ws_connect(server.url + path, autoclose=False, max_msg_size=0, **options)
    assert [await ws.receive_str(), await ws.receive_str()] == ["early", "opened"]
    return ws


async def heard(client: aiohttp.ClientSession, server: Any) -> list[str]:
    async with client.get(server.url + "/heard") as response:
        return json.loads(await response.read())


def masked(opcode: int, payload: bytes, *, fin: bool = True, rsv: int = 0) -> bytes:
    """A client's frame."""
    mask = b"\x01\x02\x03\x04"
    body = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    head = bytes([(0x80 if fin else 0) | rsv | opcode])
    if len(payload) < 126:
        head += bytes([0x80 | len(payload)])
    elif len(payload) < 65536:
        head += b"\xfe" + struct.pack("!H", len(payload))
    else:
        head += b"\xff" + struct.pack("!Q", len(payload))
    return head + mask + body


async def raw_socket(server: Any, path: str = "/ws", behind: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A socket without a client library; `behind` is sent in the same write as the handshake."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=2**26)
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: localhost:{server.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        + behind
    )
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert head.startswith(b"HTTP/1.1 101 ") and b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    return reader, writer


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    first, second = await asyncio.wait_for(reader.readexactly(2), 10)
    size = second & 127
    if size == 126:
        size = struct.unpack("!H", await reader.readexactly(2))[0]
    elif size == 127:
        size = struct.unpack("!Q", await reader.readexactly(8))[0]
    return first & 15, await reader.readexactly(size)


async def test_the_handshake_carries_the_hosts_headers_and_no_extension(server: Any, client: aiohttp.ClientSession) -> None:
    ws = await connect(client, server, protocols=["other", "chat"], compress=15)
    assert (ws.protocol, ws.compress) == (None, 0)  # a subprotocol is the object's to choose, not ours
    await ws.close()
    ws = await connect(client, server, "/ws/protocol", protocols=["other", "chat"])
    assert ws.protocol == "chat"
    await ws.close()


async def test_a_refused_handshake_is_an_ordinary_response(server: Any, client: aiohttp.ClientSession) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await client.ws_connect(server.url + "/ws/refuse")
    assert caught.value.status == 403
    async with client.get(server.url + "/cdn-cgi/emu/api/sockets") as response:
        assert await response.json() == {"sockets": [], "next": []}


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 3_000_000])
async def test_messages_of_all_sizes_are_echoed(server: Any, client: aiohttp.ClientSession, size: int) -> None:
    ws = await connect(client, server)
    data = os.urandom(size)
    await ws.send_bytes(data)
    assert await ws.receive_bytes() == data
    await ws.send_str("ä" * (size // 2))
    assert await ws.receive_str() == "ä" * (size // 2)
    await ws.close()


async def test_text_that_is_no_utf8_is_passed_on_as_it_is(server: Any) -> None:
    reader, writer = await raw_socket(server)
    writer.write(masked(1, b"\xff\xfe ok"))
    frames = [await read_frame(reader) for _ in range(3)]
    assert frames == [(1, b"early"), (1, b"opened"), (1, b"\xff\xfe ok")]
    writer.close()


async def test_fragments_are_joined_and_pings_answered_between_them(server: Any) -> None:
    reader, writer = await raw_socket(server)
    for part in (masked(1, b"a", fin=False), masked(9, b"ping!"), masked(0, b"b", fin=False), masked(0, b"c")):
        for byte in part:
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
    frames = [await read_frame(reader) for _ in range(4)]
    assert frames == [(1, b"early"), (1, b"opened"), (10, b"ping!"), (1, b"abc")]
    writer.close()


async def test_what_comes_in_one_packet_with_the_handshake_is_not_lost(server: Any) -> None:
    reader, writer = await raw_socket(server, behind=masked(1, b"eager") + masked(1, b"beaver")[:3])
    assert [await read_frame(reader) for _ in range(3)] == [(1, b"early"), (1, b"opened"), (1, b"eager")]
    writer.write(masked(1, b"beaver")[3:])
    assert await read_frame(reader) == (1, b"beaver")
    writer.close()


async def test_a_burst_arrives_whole_and_in_order(server: Any, client: aiohttp.ClientSession) -> None:
    ws = await connect(client, server)
    await ws.send_str("burst 5000")
    assert [await ws.receive_str() for _ in range(5000)] == [str(number) for number in range(5000)]
    await ws.close()


async def test_many_messages_keep_their_order(server: Any, client: aiohttp.ClientSession) -> None:
    ws = await connect(client, server)
    for number in range(2000):
        await ws.send_str(str(number))
    assert [await ws.receive_str() for _ in range(2000)] == [str(number) for number in range(2000)]
    await ws.close()


async def test_the_clients_close_is_heard_and_answered(server: Any, client: aiohttp.ClientSession, until: Any) -> None:
    reader, writer = await raw_socket(server)
    writer.write(masked(8, struct.pack("!H", 3456) + b"bye"))
    frames = [await read_frame(reader) for _ in range(3)]
    assert frames[2] == (8, struct.pack("!H", 3456) + b"bye")
    assert await asyncio.wait_for(reader.read(), 10) == b""

    async def told() -> bool:
        lines = await heard(client, server)
        return "close 3456 bye True" in lines and lines[lines.index("close 3456 bye True") + 1 :].count("gone") >= 1

    await until(told)
    writer.close()


async def test_a_close_without_a_code(server: Any, client: aiohttp.ClientSession, until: Any) -> None:
    reader, writer = await raw_socket(server)
    writer.write(masked(8, b""))
    frames = [await read_frame(reader) for _ in range(3)]
    assert frames[2] == (8, b"")

    async def told() -> bool:
        return "close None  True" in await heard(client, server)

    await until(told)
    writer.close()


@pytest.mark.parametrize("how", ["fin", "reset"])
async def test_a_connection_that_ends_without_close(server: Any, client: aiohttp.ClientSession, until: Any, how: str) -> None:
    line = "close 1006 WebSocket disconnected without sending Close frame. False"
    before = (await heard(client, server)).count(line)
    _, writer = await raw_socket(server)
    if how == "reset":
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()

    async def told() -> bool:
        return (await heard(client, server)).count(line) == before + 1

    await until(told)


async def test_the_objects_close_comes_first_and_messages_still_arrive(server: Any, until: Any, client: aiohttp.ClientSession) -> None:
    reader, writer = await raw_socket(server)
    writer.write(masked(1, b"close 4001 enough"))
    frames = [await read_frame(reader) for _ in range(3)]
    assert frames[2] == (8, struct.pack("!H", 4001) + b"enough")
    writer.write(masked(1, b"attach") + masked(8, struct.pack("!H", 4001) + b"enough"))
    assert await asyncio.wait_for(reader.read(), 10) == b""

    async def told() -> bool:
        return "close 4001 enough True" in await heard(client, server)

    await until(told)
    writer.close()


async def test_a_cut_sends_no_close_frame(server: Any, client: aiohttp.ClientSession) -> None:
    ws = await connect(client, server)
    await ws.send_str("cut")
    message = await ws.receive()
    assert message.type in (WSMsgType.CLOSED, WSMsgType.CLOSE) and ws.close_code in (None, 1006)


async def test_an_oversized_message_is_a_fault_with_its_size(server: Any, client: aiohttp.ClientSession, until: Any) -> None:
    reader, writer = await raw_socket(server)
    writer.write(b"\x82\xff" + struct.pack("!Q", LIMIT + 1) + b"\0\0\0\0" + b"x" * 1000)
    frames = [await read_frame(reader) for _ in range(3)]
    text = f"Message is too large: {LIMIT + 1} > {LIMIT}"
    assert frames[2] == (8, struct.pack("!H", 1009) + text.encode())

    async def told() -> bool:
        return f"fault {text}" in await heard(client, server)

    await until(told)
    writer.close()


@pytest.mark.parametrize(
    "frame",
    [
        b"\x81\x01x",
        masked(3, b""),
        masked(0, b"x"),
        masked(1, b"x", rsv=0x40),
        masked(9, b"x" * 126),
        masked(8, b"\x03"),
        masked(9, b"", fin=False),
    ],
    ids=["unmasked", "opcode", "continuation", "extension", "long ping", "half code", "fragmented ping"],
)
async def test_a_broken_frame_closes_with_1002(server: Any, frame: bytes) -> None:
    reader, writer = await raw_socket(server)
    writer.write(frame)
    frames = [await read_frame(reader) for _ in range(3)]
    assert (frames[2][0], frames[2][1][:2]) == (8, struct.pack("!H", 1002))
    writer.close()


async def test_the_largest_message_passes(server: Any, client: aiohttp.ClientSession) -> None:
    ws = await connect(client, server)
    data = b"\xa5" * LIMIT
    await ws.send_bytes(data)
    assert await ws.receive_bytes() == data
    await ws.close()


async def test_without_credit_the_gateway_stops_reading(serve: Any) -> None:
    _, writer = await raw_socket(serve())
    writer.write(masked(1, b"no credit"))
    message = masked(2, b"x" * 60000)
    sent = 0
    # What fits is the window, and the kernel's buffers on the way; an endless reader would take it all.
    try:
        async with asyncio.timeout(1.5):
            while sent < 400_000_000:
                writer.write(message)
                sent += len(message)
                await writer.drain()
    except TimeoutError:
        pass
    assert sent < 60_000_000
    writer.transport.abort()


async def test_empty_messages_do_not_pile_up_for_a_host_that_stands_still(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve()
    reader, writer = await raw_socket(server)
    assert [(await read_frame(reader))[1] for _ in range(2)] == [b"early", b"opened"]
    async with client.get(server.url + "/pid") as response:
        host = int(await response.text())
    os.kill(host, signal.SIGSTOP)
    message, sent = masked(2, b"") * 10_000, 0
    try:
        async with asyncio.timeout(3):
            while sent < 10_000_000:
                writer.write(message)
                sent += 10_000
                await writer.drain()
    except TimeoutError:
        pass
    assert sent < 5_000_000
    writer.transport.abort()


def test_a_socket_that_was_held_is_read_again_when_the_link_has_drained() -> None:
    journal = Journal(SystemClock())
    book = SocketBook(SystemClock(), journal)
    client = book.expect(1, "http://h/ws")
    transport, link = Mock(), Mock(congested=True)
    client.transport = transport
    book.resume(link)
    book.deliver(client, Kind.BINARY, b"")
    book.deliver(client, Kind.BINARY, b"")
    assert (client.paused, transport.pause_reading.call_count) == (True, 1)
    link.on_drained()
    assert (client.paused, transport.resume_reading.call_count) == (False, 1)


async def test_an_auto_response_is_exact_and_not_passed_on(server: Any, client: aiohttp.ClientSession, until: Any) -> None:
    ws = await connect(client, server)
    async with client.get(server.url + "/auto/ping/pong"):
        pass
    await ws.send_str("ping")
    await ws.send_str("ping ")
    await ws.send_bytes(b"ping")
    answers = [await ws.receive(), await ws.receive(), await ws.receive()]
    assert [answer.data for answer in answers] == ["pong", "ping ", b"ping"]

    async def told() -> bool:
        return "answered" in await heard(client, server)

    await until(told)
    await ws.close()


async def test_a_client_gone_during_its_handshake_is_told_to_the_host(server: Any, client: aiohttp.ClientSession, until: Any) -> None:
    before = (await heard(client, server)).count("gone")
    for delay in (0.05, 0.099, 0.1, 0.101, 0.15):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            b"GET /slowws/100 HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await asyncio.sleep(delay)
        writer.transport.abort()

    async def nothing_open() -> bool:
        async with client.get(server.url + "/cdn-cgi/emu/api/sockets") as response:
            open_sockets = (await response.json())["sockets"]
        async with client.get(server.url + "/state") as response:
            at_host = json.loads(await response.read())["sockets"]
        return not open_sockets and not at_host

    await until(nothing_open)
    assert (await heard(client, server)).count("gone") >= before


async def test_the_control_api_lists_and_drops(server: Any, client: aiohttp.ClientSession) -> None:
    ws = await connect(client, server)
    async with client.get(server.url + "/cdn-cgi/emu/api/sockets") as response:
        (row,) = (await response.json())["sockets"]
    assert (row["class"], row["name"], row["tags"], row["hibernatable"]) == ("Echo", "a", ["t1", "t2"], True)
    drop = f"{server.url}/cdn-cgi/emu/api/sockets/{row['id']}/drop"
    async with client.post(drop, json={"mode": "close", "code": 4000, "reason": "dropped"}) as response:
        assert response.status == 200
    message = await ws.receive()
    assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, 4000, "dropped")
    await ws.close()
    ws = await connect(client, server)
    async with client.get(server.url + "/cdn-cgi/emu/api/sockets") as response:
        ident = (await response.json())["sockets"][-1]["id"]
    async with client.post(f"{server.url}/cdn-cgi/emu/api/sockets/{ident}/drop", json={"mode": "reset"}) as response:
        assert response.status == 200
    assert (await ws.receive()).type is not WSMsgType.TEXT


async def test_user_code_opens_sockets_to_the_outside(server: Any, client: aiohttp.ClientSession) -> None:
    async with client.get(f"{server.url}/far/127.0.0.1:{server.port}/ws") as response:
        assert (response.status, await response.read()) == (200, b"early")


async def test_a_far_side_may_answer_with_a_response(server: Any, client: aiohttp.ClientSession) -> None:
    async with client.get(f"{server.url}/far/127.0.0.1:{server.port}/ws/refuse") as response:
        assert (response.status, await response.read()) == (403, b"no")


async def test_a_far_side_that_is_not_there_is_a_lost_connection(server: Any, client: aiohttp.ClientSession, unused_tcp_port: int) -> None:
    async with client.get(f"{server.url}/far/127.0.0.1:{unused_tcp_port}/") as response:
        assert response.status == 500
