"""The floor: the least a server of this design can cost. An aiohttp server passes each request and each WebSocket message over a Unix
socket to a second Python process, which answers what the Echo agent of `project/` answers. No objects, no storage, no isolation.

    python -m bench.floor PORT PATH      PATH is where the Unix socket comes to be
"""

from __future__ import annotations

import asyncio
import itertools
import json
import struct
import sys
from collections.abc import Callable

import uvloop

_HEAD = struct.Struct("<IIB")
"""Bytes that follow, number of the request or socket, kind."""
_REQUEST, _OPEN, _MESSAGE, _CLOSE = range(4)

OnFrame = Callable[["_Link", int, int, bytes], None]


class _Link(asyncio.Protocol):
    """One end of the Unix socket."""

    def __init__(self, on_frame: OnFrame) -> None:
        self._on_frame = on_frame
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def send(self, kind: int, ident: int, payload: bytes = b"") -> None:
        assert self._transport is not None
        self._transport.write(_HEAD.pack(len(payload), ident, kind) + payload)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        view, at = bytes(self._buffer), 0
        while len(view) - at >= _HEAD.size:
            size, ident, kind = _HEAD.unpack_from(view, at)
            end = at + _HEAD.size + size
            if end > len(view):
                break
            self._on_frame(self, kind, ident, view[end - size : end])
            at = end
        del self._buffer[:at]

    def connection_lost(self, exc: Exception | None) -> None:
        asyncio.get_running_loop().stop()


def _behind(path: str) -> None:
    """The second process: answers frames until the first one is gone."""

    def answer(link: _Link, kind: int, ident: int, payload: bytes) -> None:
        if kind == _REQUEST:
            name = json.loads(payload)["path"].rsplit("/", 1)[1]
            body = json.dumps({"name": name, "marker": "floor"})
            head = {"status": 200, "headers": {"content-type": "application/json"}, "body": body}
            link.send(_REQUEST, ident, json.dumps(head).encode())
        elif kind == _MESSAGE:
            link.send(_MESSAGE, ident, payload)

    async def connect() -> None:
        await asyncio.get_running_loop().create_unix_connection(lambda: _Link(answer), path)

    loop = uvloop.new_event_loop()
    loop.run_until_complete(connect())
    loop.run_forever()


async def _in_front(port: int, path: str) -> None:
    """The first process: everything a client sees."""
    from aiohttp import WSMsgType, web

    answers: dict[int, asyncio.Future[bytes]] = {}
    sockets: dict[int, asyncio.Queue[bytes]] = {}
    numbers = itertools.count(1)
    connected: asyncio.Future[_Link] = asyncio.get_running_loop().create_future()

    def from_behind(_: _Link, kind: int, ident: int, payload: bytes) -> None:
        if kind == _REQUEST:
            answers.pop(ident).set_result(payload)
        elif ident in sockets:
            sockets[ident].put_nowait(payload)

    class Accepted(_Link):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            connected.set_result(self)

    async def request(request: web.Request) -> web.StreamResponse:
        if request.headers.get("upgrade", "").lower() == "websocket":
            return await socket(request)
        ident = next(numbers)
        answer = answers[ident] = asyncio.get_running_loop().create_future()
        message = {"method": request.method, "path": request.path, "headers": dict(request.headers)}
        link.send(_REQUEST, ident, json.dumps(message).encode())
        head = json.loads(await answer)
        return web.Response(status=head["status"], headers=head["headers"], body=head["body"].encode())

    async def socket(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse(compress=False)
        await response.prepare(request)
        ident = next(numbers)
        queue = sockets[ident] = asyncio.Queue()
        link.send(_OPEN, ident)

        async def write() -> None:
            while True:
                await response.send_str((await queue.get()).decode())

        writing = asyncio.create_task(write())
        async for message in response:
            if message.type is WSMsgType.TEXT:
                link.send(_MESSAGE, ident, message.data.encode())
        writing.cancel()
        del sockets[ident]
        link.send(_CLOSE, ident)
        return response

    await asyncio.get_running_loop().create_unix_server(lambda: Accepted(from_behind), path)
    # It ends when this process does, because the link is lost then.
    await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.floor", "--behind", path)
    link = await connected
    app = web.Application()
    app.router.add_route("*", "/echo/{name}", request)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


def main() -> None:
    """Serve until terminated."""
    if sys.argv[1] == "--behind":
        _behind(sys.argv[2])
    else:
        uvloop.run(_in_front(int(sys.argv[1]), sys.argv[2]))


if __name__ == "__main__":
    main()
