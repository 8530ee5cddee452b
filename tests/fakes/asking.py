"""Backends under test, asked as the AI service asks them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from emulator.config.ai import BackendConfig, BackendType, Credential
from emulator.config.speed import Speed
from emulator.gateway.ai.backends.server import Server
from emulator.gateway.ai.canonical import Kind, ModelRequest, RawBody
from emulator.gateway.ai.replay import Pacer
from emulator.gateway.ai.reply import Reply
from emulator.gateway.network import Network

LEGACY = "@cf/meta/llama-3.1-8b-instruct"
CHAT = "@cf/zai-org/glm-4.7-flash"


def pacer(sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> Pacer:
    return Pacer(Speed.parse("instant"), sleep=sleep)


@dataclass
class Asker:
    """One backend, and the way to ask it. `variables` are what `env:` credentials are read from."""

    server: Server
    variables: dict[str, str]

    async def ask(self, inputs: Any, *, target: str = LEGACY, model: str = "gpt-4o", **more: Any) -> Reply:
        return await self.server.run(ModelRequest(Kind.RUN, target, inputs, **more), model)


@asynccontextmanager
async def asker(
    kind: Callable[..., Server],
    backend_type: BackendType,
    base_url: str,
    *,
    name: str = "fake",
    key: str | None = None,
    account: str | None = None,
    timeout_ms: int = 10_000,
    map_overload: bool = True,
    models: tuple[str, ...] = (),
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    variables: dict[str, str] | None = None,
) -> AsyncIterator[Asker]:
    """`key` and `account` are written as in agents-emu.toml: `env:NAME` or the value."""
    known = variables if variables is not None else {}
    network = Network()
    config = BackendConfig(name, backend_type, base_url, credential(key), credential(account), timeout_ms)
    try:
        yield Asker(
            kind(config, lookup=known.get, fetch=network.fetch, pacer=pacer(sleep), map_overload=map_overload, models=models),
            known,
        )
    finally:
        await network.close()


def credential(text: str | None) -> Credential | None:
    if text is None:
        return None
    return Credential(text, text.removeprefix("env:") if text.startswith("env:") else None, "agents-emu.toml:1")


def stream_input(target: str, content_type: str, data: bytes, described: Any, inputs: Any = None) -> ModelRequest:
    """A call whose input is a stream."""
    return ModelRequest(Kind.STREAM_INPUT, target, {"inputs": inputs or {}, "stream": described}, raw=RawBody(content_type, data))


async def chunks(reply: Reply) -> list[bytes]:
    body = reply.response.body
    return [body] if isinstance(body, bytes) else [chunk async for chunk in body]


async def body(reply: Reply) -> bytes:
    return b"".join(await chunks(reply))


async def value(reply: Reply) -> Any:
    """The JSON of a good answer."""
    data = await body(reply)
    assert (reply.response.status, reply.response.header("content-type")) == (200, "application/json"), data
    return json.loads(data)


async def events(reply: Reply) -> list[Any]:
    """The events of a good stream; `[DONE]` as text."""
    assert (reply.response.status, reply.response.header("content-type")) == (200, "text/event-stream"), await body(reply)
    texts = (await body(reply)).decode().split("\n\n")
    assert texts.pop() == ""
    return [text.removeprefix("data: ") if text == "data: [DONE]" else json.loads(text.removeprefix("data: ")) for text in texts]


async def error(reply: Reply) -> tuple[int, int, str]:
    """Status, code and text of an error in Workers AI's envelope."""
    document = json.loads(await body(reply))
    assert reply.response.header("content-type") == "application/json"
    assert document["success"] is False
    return reply.response.status, document["errors"][0]["code"], document["errors"][0]["message"]
