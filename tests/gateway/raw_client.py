"""The control API in two functions, and a client whose sockets show what TCP does."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp

API = "/cdn-cgi/emu/api/"


async def ask(client: aiohttp.ClientSession, server: Any, method: str, path: str, body: Any = None) -> Any:
    async with client.request(method, server.url + API + path, json=body) as response:
        answer = await response.json(content_type=None)
        assert response.status == 200, answer
        return answer


async def refused(client: aiohttp.ClientSession, server: Any, method: str, path: str, body: Any = None) -> tuple[int, str]:
    async with client.request(method, server.url + API + path, json=body) as response:
        return response.status, (await response.json(content_type=None))["error"]["code"]


class RawClient:
    """A client that sees what TCP says: the bytes, and whether they end by FIN or by a reset. Not asyncio's streams: they forget what
    they have when a reset comes."""

    def __init__(self, tcp: socket.socket) -> None:
        self.tcp = tcp
        self._bytes = b""

    @classmethod
    async def connect(cls, server: Any, path: str = "/ws") -> RawClient:
        loop = asyncio.get_running_loop()
        tcp = socket.socket()
        tcp.setblocking(False)
        await loop.sock_connect(tcp, ("127.0.0.1", server.port))
        one = cls(tcp)
        await loop.sock_sendall(
            tcp,
            f"GET {path} HTTP/1.1\r\nHost: localhost:{server.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode(),
        )
        while b"\r\n\r\n" not in one._bytes:
            await one._more()
        one._bytes = one._bytes.partition(b"\r\n\r\n")[2]
        return one

    async def _more(self) -> None:
        data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.tcp, 65536), 10)
        if not data:
            raise EOFError
        self._bytes += data

    async def _exactly(self, size: int) -> bytes:
        while len(self._bytes) < size:
            await self._more()
        found, self._bytes = self._bytes[:size], self._bytes[size:]
        return found

    async def send(self, text: str) -> None:
        data = text.encode()
        await asyncio.get_running_loop().sock_sendall(self.tcp, bytes([0x81, 0x80 | len(data)]) + b"\0\0\0\0" + data)

    async def message(self) -> tuple[int, bytes]:
        first, size = await self._exactly(2)
        if size == 126:
            size = int.from_bytes(await self._exactly(2))
        return first & 0x0F, await self._exactly(size)

    async def to_the_end(self) -> tuple[list[str], str]:
        """Every text that still comes, and what ended it: `close <code> <reason>`, `fin` or `reset`."""
        texts: list[str] = []
        try:
            while True:
                opcode, payload = await self.message()
                if opcode == 8:
                    return texts, f"close {int.from_bytes(payload[:2])} {payload[2:].decode()}"
                texts.append(payload.decode())
        except EOFError:
            return texts, "fin"
        except ConnectionResetError:
            return texts, "reset"
        finally:
            self.tcp.close()


async def newest(client: aiohttp.ClientSession, server: Any) -> int:
    return int(max(row["id"] for row in (await ask(client, server, "GET", "sockets"))["sockets"]))
