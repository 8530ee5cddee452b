"""What is read whole has a bound."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from emulator.config.ai import BackendConfig, BackendType
from emulator.config.speed import INSTANT
from emulator.gateway.ai.backends.openai import OpenAi
from emulator.gateway.ai.bodies import read_at_most
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.replay import Pacer
from emulator.gateway.exchange import Headers, Response


class Endless:
    """A body without an end, that knows whether it was closed."""

    def __init__(self) -> None:
        self.sent = 0
        self.closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        self.sent += 1
        return b"x" * 65536

    async def aclose(self) -> None:
        self.closed = True


async def test_a_body_is_read_to_its_bound_and_closed() -> None:
    body = Endless()
    assert await read_at_most(body, 100_000) == (b"x" * 100_000, False)
    assert body.closed and body.sent == 2
    assert await read_at_most(b"short", 100) == (b"short", True)


@pytest.mark.parametrize(("status", "code"), [(500, 3040), (200, 502)])
async def test_a_backend_that_never_stops_is_an_error(status: int, code: int) -> None:
    body = Endless()

    async def fetch(method: str, url: str, headers: Headers, data: bytes) -> Response:
        return Response(status, [("content-type", "application/json")], body)

    config = BackendConfig("endless", BackendType.OPENAI, base_url="http://127.0.0.1:9/v1")
    backend = OpenAi(config, lookup=lambda name: None, fetch=fetch, pacer=Pacer(INSTANT))
    reply = await backend.run(ModelRequest(Kind.RUN, "@cf/zai-org/glm-4.7-flash", {"prompt": "hi"}), "m")
    assert isinstance(reply.response.body, bytes) and str(code).encode() in reply.response.body
    assert body.closed and body.sent < 2000
