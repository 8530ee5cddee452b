"""Server-sent events, as an OpenAI-compatible endpoint streams them."""

import json
from collections.abc import AsyncIterator
from typing import Any


async def payloads(stream: Any) -> AsyncIterator[dict[str, Any]]:
    """Yield the JSON of each `data:` event of a ReadableStream, up to `[DONE]`."""
    rest = b""
    async for part in stream:
        *lines, rest = (rest + part.to_bytes()).split(b"\n")
        for line in lines:
            line = line.strip()
            if line == b"data: [DONE]":
                return
            if line.startswith(b"data: "):
                yield json.loads(line[len(b"data: ") :])
