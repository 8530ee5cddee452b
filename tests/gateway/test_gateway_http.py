"""The edge over real sockets: heads, bodies both ways, errors, clients that leave."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import struct
import zlib
from types import SimpleNamespace
from typing import Any

import aiohttp
import brotli
import pytest

from emulator.core.routing import Attributor
from emulator.gateway.clocks import SystemClock
from emulator.gateway.dispatcher import Dispatcher
from emulator.gateway.http import Edge
from emulator.gateway.journal import Journal
from emulator.gateway.sockets import SocketBook


async def raw(server: Any, text: bytes) -> bytes:
    """Send bytes, read to the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(text)
    data = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return data


async def heard(client: aiohttp.ClientSession, server: Any) -> list[str]:
    async with client.get(server.url + "/heard") as response:
        return json.loads(await response.read())


async def test_the_host_sees_the_request_as_the_client_sent_it(server: Any) -> None:
    answer = await raw(
        server,
        b"PATCH /head/?q=%2F%c3%a4&x HTTP/1.1\r\nHost: my.host:99\r\nX-Mixed: a\r\nx-mixed: b\r\nX-Latin: \xe4\r\n"
        b"CF-Connecting-IP: 6.6.6.6\r\nX-Agents-Lifecycle-Props: x\r\nX-Cf-Agents-Subagent-Url: y\r\nConnection: close\r\n\r\n",
    )
    assert b"no such script" in answer  # the trailing slash and the query reach the host undecoded
    answer = await raw(
        server,
        b"PATCH /head?q=%2F%c3%a4&x HTTP/1.1\r\nHost: my.host:99\r\nX-Mixed: a\r\nx-mixed: b\r\nX-Latin: \xe4\r\n"
        b"CF-Connecting-IP: 6.6.6.6\r\nX-Agents-Lifecycle-Props: x\r\nX-Cf-Agents-Subagent-Url: y\r\nConnection: close\r\n\r\n",
    )
    fields = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert fields == {
        "method": "PATCH",
        "url": "http://my.host:99/head?q=%2F%c3%a4&x",
        "headers": [
            ["Host", "my.host:99"],
            ["X-Mixed", "a"],
            ["x-mixed", "b"],
            ["X-Latin", "ä"],
            ["cf-connecting-ip", "127.0.0.1"],
        ],
    }


async def test_the_client_is_who_connected(server: Any) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, local_addr=("127.0.0.2", 0))
    writer.write(b"GET /head HTTP/1.1\r\nHost: h\r\nConnection: close\r\nCF-Connecting-IP: 6.6.6.6\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["headers"][-1] == ["cf-connecting-ip", "127.0.0.2"]


async def test_a_request_without_host_gets_our_address(server: Any) -> None:
    answer = await raw(server, b"GET /head HTTP/1.0\r\n\r\n")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["url"] == f"http://127.0.0.1:{server.port}/head"


async def test_a_request_with_a_whole_url(server: Any) -> None:
    answer = await raw(server, b"GET http://else.where/head?a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["url"] == "http://h/head?a"


async def test_a_target_with_raw_bytes_is_a_bad_request(server: Any, client: aiohttp.ClientSession) -> None:
    for target in (b"/head?\xe2\x82\xac", b"/\xff"):
        answer = await raw(server, b"GET " + target + b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 ")
    async with client.get(server.url + "/hello") as response:
        assert await response.read() == b"hello"


async def test_response_headers_keep_order_case_and_repetitions(server: Any) -> None:
    answer = await raw(server, b"GET /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert answer == (
        b"HTTP/1.1 200 OK\r\nx-a: 1\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nX-Z: 2\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    )


async def test_pipelined_requests_are_answered_in_order(server: Any) -> None:
    requests = b"".join(b"GET /%b HTTP/1.1\r\nHost: h\r\n\r\n" % path for path in (b"slow/50", b"hello", b"version"))
    answer = await raw(server, requests + b"GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert [part.partition(b"\r\n\r\n")[2] for part in answer.split(b"HTTP/1.1 200 OK\r\n")[1:]] == [b"v1", b"hello", b"v1", b"hello"]


@pytest.mark.parametrize("size", [0, 1, 1000, 262_144, 262_145, 3_000_000])
async def test_bodies_of_all_sizes_come_through(server: Any, client: aiohttp.ClientSession, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    async with client.post(server.url + "/echo", data=data) as response:
        assert await response.read() == data


async def test_a_body_sent_in_chunks_comes_through(server: Any, client: aiohttp.ClientSession) -> None:
    async def chunks() -> Any:
        for number in range(50):
            yield b"%d," % number
            await asyncio.sleep(0)

    async with client.post(server.url + "/echo", data=chunks()) as response:
        assert await response.read() == b"".join(b"%d," % number for number in range(50))


async def test_a_client_that_waits_for_continue_gets_it(server: Any, client: aiohttp.ClientSession) -> None:
    async with client.post(server.url + "/whole", data=b"x" * 1000, expect100=True) as response:
        assert await response.read() == b"1000"


async def test_a_stream_arrives_chunk_by_chunk(server: Any, client: aiohttp.ClientSession) -> None:
    async with client.get(server.url + "/stream/5/20") as response:
        assert response.headers["Transfer-Encoding"] == "chunked"
        chunks = [chunk async for chunk, _ in response.content.iter_chunks()]
    assert [chunk for chunk in chunks if chunk] == [b"data: %d\n\n" % number for number in range(5)]


async def test_a_client_that_does_not_read_stops_the_source(server: Any, client: aiohttp.ClientSession, until: Any) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
    writer.write(b"GET /flood HTTP/1.1\r\nHost: h\r\n\r\n")
    await reader.readexactly(1000)
    await asyncio.sleep(0.3)
    writer.transport.abort()

    async def flood_ended() -> bool:
        return any(line.startswith("flood ") for line in await heard(client, server))

    await until(flood_ended)
    sent = max(int(line.split()[1]) for line in await heard(client, server) if line.startswith("flood "))
    assert sent < 32 * 1024 * 1024  # the kernel's buffers and one window, not what a loop can make in 300 ms


async def test_an_upload_is_held_back_by_its_reader(server: Any, client: aiohttp.ClientSession) -> None:
    async with client.post(server.url + "/count", data=b"x" * 8_000_000) as response:
        assert await response.read() == b"8000000"


@pytest.mark.parametrize("code", ["204", "304"])
async def test_statuses_without_a_body(server: Any, code: str) -> None:
    answer = await raw(
        server, f"GET /status/{code} HTTP/1.1\r\nHost: h\r\n\r\nGET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode()
    )
    first, _, second = answer.partition(b"\r\n\r\n")
    assert first.startswith(f"HTTP/1.1 {code} ".encode())
    assert b"content-length" not in first
    assert second.endswith(b"hello")


async def test_head_has_the_length_and_no_body(server: Any) -> None:
    answer = await raw(server, b"HEAD /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert answer.endswith(b"content-length: 5\r\n\r\n")


async def test_http_1_0_gets_a_stream_by_closing(server: Any) -> None:
    answer = await raw(server, b"GET /stream/3/1 HTTP/1.0\r\n\r\n")
    assert answer.partition(b"\r\n\r\n")[2] == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
    assert b"chunked" not in answer


async def test_an_unknown_status_keeps_its_number(server: Any, client: aiohttp.ClientSession) -> None:
    async with client.get(server.url + "/status/599") as response:
        assert (response.status, await response.read()) == (599, b"body")


async def test_a_body_that_breaks_is_not_passed_off_as_whole(server: Any, client: aiohttp.ClientSession) -> None:
    async with client.get(server.url + "/broken") as response:
        assert response.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


@pytest.mark.parametrize(("announced", "real"), [(5, 3), (3, 5)])
async def test_a_body_of_the_wrong_length_breaks(server: Any, client: aiohttp.ClientSession, announced: int, real: int) -> None:
    answer = await raw(server, f"GET /length/{announced}/{real} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    assert answer.partition(b"\r\n\r\n")[2] == b"xxx"


async def test_an_error_of_the_worker_is_shown_as_text_and_logged(server: Any, client: aiohttp.ClientSession) -> None:
    async with client.get(server.url + "/error") as response:
        assert (response.status, response.headers["Content-Type"]) == (500, "text/plain; charset=utf-8")
        assert await response.text() == "Traceback:\n  ...\nValueError: nope\n"
    event = await server.event("error")
    assert "ValueError: nope" in json.dumps(event)


async def test_a_client_that_leaves_before_the_answer_is_told_to_the_host(server: Any, client: aiohttp.ClientSession, until: Any) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /hold?me HTTP/1.1\r\nHost: h\r\n\r\n")
    await asyncio.sleep(0.1)
    # A reset, as when a browser's tab dies.
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()

    async def told() -> bool:
        return "cancel hold?me The client has disconnected" in await heard(client, server)

    await until(told)


async def test_a_client_that_leaves_in_a_stream_closes_its_source(server: Any, client: aiohttp.ClientSession, until: Any) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /stream/100000/5 HTTP/1.1\r\nHost: h\r\n\r\n")
    await reader.readuntil(b"data: 3")
    writer.close()

    async def told() -> bool:
        return "stream closed" in await heard(client, server)

    await until(told)


async def test_garbage_is_a_bad_request_and_nothing_more(server: Any, client: aiohttp.ClientSession) -> None:
    assert (await raw(server, b"\x16\x03\x01nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400")
    async with client.get(server.url + "/hello") as response:
        assert await response.read() == b"hello"


async def test_each_request_is_one_line_with_its_object(server: Any, client: aiohttp.ClientSession) -> None:
    async with client.get(server.url + "/agents/echo/me%20too/x?secret=1"):
        pass
    event = await server.event("http.request", where=lambda event: event["path"].startswith("/agents/"))
    assert (event["method"], event["path"], event["status"]) == ("GET", "/agents/echo/me%20too/x", 404)
    assert "Echo" in json.dumps(event) and "me too" in json.dumps(event)


async def test_egress_streams_through(server: Any, client: aiohttp.ClientSession) -> None:
    async with client.get(f"{server.url}/egress/127.0.0.1:{server.port}/stream/3/1") as response:
        assert await response.read() == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"


async def test_headers_beyond_the_edges_limit_are_refused(server: Any) -> None:
    lines = b"".join(b"X-%d: %b\r\n" % (number, b"a" * 1000) for number in range(200))
    assert (await raw(server, b"GET /head HTTP/1.1\r\nHost: h\r\n" + lines)).startswith(b"HTTP/1.1 431 ")


async def test_a_wish_for_http_2_is_overheard(server: Any) -> None:
    wish = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    first = b"POST /whole HTTP/1.1\r\nHost: h\r\n" + wish + b"Content-Length: 5\r\n\r\nhello"
    answer = await raw(server, first + b"GET /head HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 ") == 2
    assert b"h2c" not in answer


async def test_what_follows_a_refused_handshake_is_http_again(server: Any) -> None:
    handshake = b"GET /head HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n"
    answer = await raw(server, handshake + b"GET /head HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 ") == 2


async def test_an_answer_reaches_a_client_that_is_still_sending(server: Any) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"POST /head HTTP/1.1\r\nHost: h\r\nContent-Length: 4000000\r\n\r\n" + b"a" * 1000)
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert answer.startswith(b"HTTP/1.1 200 ")
    # It is read, and not answered by a reset; the connection goes on behind it.
    writer.write(b"a" * 3_999_000 + b"GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert b"HTTP/1.1 200 " in await asyncio.wait_for(reader.read(), 10)
    writer.close()


async def test_a_body_in_broken_chunks_ends_the_connection(server: Any) -> None:
    head = b"POST /whole HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = await asyncio.wait_for(raw(server, head + b"5\r\nhello\r\nnonsense\r\n"), 10)
    assert b" 200 " not in answer


async def test_the_emulators_own_paths_and_the_workers_share_a_connection(server: Any) -> None:
    own = b"GET /cdn-cgi/emu/api/objects HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    answer = await raw(server, b"GET /head HTTP/1.1\r\nHost: h\r\n\r\n" + own)
    assert answer.count(b"HTTP/1.1 200 ") == 2
    assert b"connection: close" in answer.lower()


UNPACK = {"gzip": gzip.decompress, "br": brotli.decompress, "deflate": zlib.decompress}


@pytest.mark.parametrize("coding", UNPACK)
@pytest.mark.parametrize("how", ["whole", "stream"])
async def test_what_a_worker_calls_packed_is_packed(server: Any, client: aiohttp.ClientSession, coding: str, how: str) -> None:
    async with client.get(f"{server.url}/packed/{coding}/{how}") as response:
        assert response.headers["content-encoding"] == coding
        assert UNPACK[coding](await response.read()) == b"hello " * 1000
    answer = await raw(server, f"HEAD /packed/{coding}/{how} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
    assert answer.endswith(b"\r\n\r\n")


async def test_a_body_that_is_packed_already_passes(server: Any, client: aiohttp.ClientSession) -> None:
    async with client.get(f"{server.url}/packed/gzip/manual") as response:
        assert gzip.decompress(await response.read()) == b"packed by hand"


async def test_a_failure_of_ours_ends_the_connection_and_is_told() -> None:
    """Whatever an asset service raises, no client may wait for ever."""
    clock = SystemClock()
    journal = Journal(clock)
    broken = SimpleNamespace(is_workers=lambda path: False, at_edge=fail)
    book = SocketBook(clock, journal)
    edge = Edge(Dispatcher(book), book, journal, reserved=fail, attributor=Attributor(()), address="x", assets=broken)  # type: ignore[arg-type]
    server = await asyncio.get_running_loop().create_server(edge.connection, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    server.close()
    assert [entry["text"] for entry in journal.since(0) if entry["kind"] == "internal"] == ["GET /: RuntimeError: broken"]


async def fail(*_: Any) -> Any:
    raise RuntimeError("broken")
