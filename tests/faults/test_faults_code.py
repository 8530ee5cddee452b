"""User code that raises, clients that break rules: the culprit is named with its place, and everything else goes on."""

from __future__ import annotations

import asyncio
import re

import aiohttp
from harness.server import Server
from harness.waiting import eventually

from emulator.core.ids import Namespace

LARGEST = 32 << 20
"""Bytes of the largest message (durable-objects.md 5.2)."""


async def shown_since(server: Server, mark: int, *words: str) -> str:
    """The output after position `mark`, once all words are in it."""

    async def there() -> str | None:
        text = server.output()[mark:]
        return text if all(word in text for word in words) else None

    return await eventually(there)


def line_of(server: Server, code: str) -> str:
    """`entry.py:LINE` of a line of the project's code."""
    lines = (server.folder / "src" / "entry.py").read_text("utf-8").splitlines()
    return f"entry.py:{next(number for number, line in enumerate(lines, 1) if code in line)}"


async def still_serving(server: Server) -> None:
    assert await server.get("/well/hello") == (200, "hello")


async def test_an_exception_in_the_constructor(server: Server):
    mark = len(server.output())
    status, body = await server.get("/unborn/hello")
    assert status == 500 and "RuntimeError: not born today" in body
    text = await shown_since(server, mark, "GET /unborn/hello 500")
    assert "E401 RuntimeError: not born today in constructor   Thing/unborn" in text
    assert line_of(server, "not born today") in text
    assert text.count("E401") == 1, "once, though the constructor and the caller both failed"
    await still_serving(server)


async def test_an_exception_in_fetch(server: Server):
    mark = len(server.output())
    status, body = await server.get("/one/boom")
    assert status == 500 and "RuntimeError: no answer today" in body
    text = await shown_since(server, mark, "GET /one/boom 500")
    assert "E401 RuntimeError: no answer today in fetch   Thing/one" in text
    assert line_of(server, "no answer today") in text
    assert text.count("E401") == 1 and "emulator/hosts" not in text, "the user's frames and no others"
    assert await server.get("/one/hello") == (200, "hello"), "the object lives on"


async def test_an_exception_in_web_socket_message(server: Server, session: aiohttp.ClientSession):
    mark = len(server.output())
    async with session.ws_connect(f"{server.origin}/two/ws") as ws:
        await ws.send_str("boom")
        await ws.send_str("hello")
        assert await ws.receive_str(timeout=5) == "5", "the socket stays open"
    text = await shown_since(server, mark, "E401 RuntimeError: cannot read that in webSocketMessage   Thing/two")
    assert line_of(server, "cannot read that") in text
    await still_serving(server)


async def test_an_exception_in_alarm_is_tried_again(server: Server):
    mark = len(server.output())
    assert (await server.get("/three/badalarm"))[0] == 200
    text = await shown_since(server, mark, "E401 RuntimeError: no ringing today in alarm   Thing/three", "alarm failed, again in ")
    assert line_of(server, "no ringing today") in text
    assert 1900 <= int(re.search(r"again in (\d+) ms", text)[1]) <= 2600, "2 s and up to a quarter more"
    await still_serving(server)
    await shown_since(server, mark, "(retry 1)")
    assert (await server.get("/three/mend"))[0] == 200

    async def rung() -> bool:
        return (await server.get("/three/about"))[1]["alarms"] == 1

    await eventually(rung)


async def test_an_attachment_over_the_limit_is_the_callers_exception(server: Server, session: aiohttp.ClientSession):
    mark = len(server.output())
    async with session.ws_connect(f"{server.origin}/four/ws") as ws:
        await ws.send_str("attach")
        await ws.send_str("hello")
        assert await ws.receive_str(timeout=5) == "5"
    text = await shown_since(server, mark, "E401", "webSocketMessage   Thing/four")
    assert "16384" in text and line_of(server, "serializeAttachment") in text


async def test_a_message_over_the_limit_ends_its_socket_only(server: Server, session: aiohttp.ClientSession):
    async with (
        session.ws_connect(f"{server.origin}/five/ws", max_msg_size=0) as large,
        session.ws_connect(f"{server.origin}/five/ws") as other,
    ):
        await large.send_str("x" * LARGEST)
        assert await large.receive_str(timeout=20) == str(LARGEST)
        await large.send_str("x" * (LARGEST + 1))
        assert (await large.receive(timeout=5)).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        assert large.close_code == 1009
        await other.send_str("hello")
        assert await other.receive_str(timeout=5) == "5"


async def test_text_that_is_no_utf_8_is_delivered_with_replacement_characters(server: Server, session: aiohttp.ClientSession):
    """As the platform does it (durable-objects.md 5.3)."""
    async with session.ws_connect(f"{server.origin}/six/ws") as ws:
        await ws._writer.send_frame(b"echo \xff\xfe", aiohttp.WSMsgType.TEXT)
        assert await ws.receive_str(timeout=5) == "echo \ufffd\ufffd"


async def test_what_is_no_http_is_answered_and_forgotten(server: Server):
    host, port = server.host.split(":")
    for words in (b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: nine\r\n\r\n"):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(words)
        assert (await asyncio.wait_for(reader.read(), 5)).split(b" ")[1] == b"400"
        writer.close()
    await still_serving(server)


async def test_an_object_whose_file_is_no_database(server: Server):
    """Only that object fails; the file and the next step are named."""
    assert (await server.get("/seven/count"))[0] == 200
    await server.control("POST", "objects/Thing/seven/evict")
    ident = Namespace.of("faults", "Thing").id_from_name("seven")
    (file,) = server.state.rglob(f"{ident}.sqlite")
    for extra in file.parent.glob(f"{ident}.sqlite-*"):
        extra.unlink()
    file.write_bytes(b"this is no database, and never was one" * 100)
    mark = len(server.output())
    status, body = await server.get("/seven/about")
    assert status == 500 and "E350" in body and file.name in body and f"mv '{file}'" in body
    text = await shown_since(server, mark, "E350", file.name, "next")
    assert "Thing/seven" in text
    await still_serving(server)
    file.unlink()
    assert (await server.get("/seven/about"))[1]["count"] == 0
