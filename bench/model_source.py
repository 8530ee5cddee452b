"""A model that costs next to nothing: chat completions, streamed, as long as the model's name says.

python -m bench.model_source        prints its port, serves until terminated
"""

from __future__ import annotations

import asyncio
import json
from functools import cache

import uvloop

LENGTHS = {"short": (10, 5), "chunks": (5_000, 5), "large": (12_800, 4_096)}
"""By model: how many chunks, and characters of text in each. `large` is 50 MiB of text."""
_AT_ONCE = 1 << 16
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
            body = json.loads(await reader.readexactly(int(fields[b"content-length"])))
            writer.write(_HEAD)
            count, size = LENGTHS[body["model"].rsplit("/", 1)[1]]
            for _ in range(count):
                writer.write(_event(size))
                if writer.transport.get_write_buffer_size() > _AT_ONCE:
                    await writer.drain()
            writer.write(_framed(b"data: [DONE]\n\n") + b"0\r\n\r\n")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # the client is done
    finally:
        writer.close()


@cache
def _event(size: int) -> bytes:
    choice = {"index": 0, "delta": {"content": "x" * (size - 1) + " "}, "finish_reason": None}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}
    return _framed(b"data: " + json.dumps(chunk).encode() + b"\n\n")


def _framed(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def _main() -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_main())
