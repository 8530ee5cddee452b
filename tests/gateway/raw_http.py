"""One HTTP request, byte for byte as it is: no client here tidies paths or adds headers."""

from __future__ import annotations

import asyncio

BOUND_S = 20.0


async def ask(port: int, method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    """Status, headers by their names in lower case, and body of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    named = {"host": f"127.0.0.1:{port}", **headers, **({} if "connection" in headers else {"connection": "close"})}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items()), "", ""]
    writer.write("\r\n".join(lines).encode())
    try:
        async with asyncio.timeout(BOUND_S):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status = int(head.split(" ", 2)[1])
            pairs = [line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line]
            names = {name.lower(): value for name, value in pairs}
            body = await _body(reader, names) if method != "HEAD" and status not in (101, 204, 304) else b""
    finally:
        writer.close()
    return status, names, body


async def _body(reader: asyncio.StreamReader, names: dict[str, str]) -> bytes:
    if names.get("transfer-encoding") == "chunked":
        parts = []
        while size := int(await reader.readline(), 16):
            parts.append(await reader.readexactly(size))
            await reader.readline()
        return b"".join(parts)
    if "content-length" in names:
        return await reader.readexactly(int(names["content-length"]))
    return await reader.read()
