"""The model layer in virtual time: the rhythm of a recording, the ids that a seed fixes, and the windows of AI Gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from emulator.clock.virtual import VirtualClock
from emulator.config import AiMode, Options, Redactor, Secrets
from emulator.config.ai import AiConfig, GatewayConfig, RateLimit, Technique
from emulator.config.instants import instant_ms
from emulator.config.speed import Speed
from emulator.gateway.ai.layer import Layer
from emulator.gateway.ai.replay import Pacer
from emulator.gateway.exchange import Request, Response
from emulator.gateway.journal.journal import Journal

START_MS = instant_ms("2026-01-01")
STREAM = {
    "framing": "sse",
    "events": [{"t": 100, "json": {"response": "one"}}, {"t": 250, "json": {"response": "two"}}, {"t": 250, "text": "[DONE]"}],
}


def recording(folder: Path, name: str, response: dict[str, Any], **request: Any) -> None:
    where = folder / "fixtures" / "ai" / "default"
    where.mkdir(parents=True, exist_ok=True)
    asked = {"kind": "binding.run", "target": "@cf/*", **request}
    document = {"format": 1, "id": name, "source": "manual", "request": asked, "match": {"repeat": "forever"}, "response": response}
    (where / f"{name}.json").write_text(json.dumps(document))


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_a_replayed_stream_goes_by_the_virtual_clock(
    serve: Any, make_project: Callable[..., Path], tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    root = make_project(tmp_path / "paced")
    recording(root, "words", {"status": 200, "stream": STREAM})
    server = serve(root, clock="virtual", ai_mode="replay", ai_speed="1x", seed="3")

    async def move(verb: str, **body: Any) -> dict[str, Any]:
        async with client.post(f"{server.url}/cdn-cgi/emu/api/clock/{verb}", json=body) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async with client.ws_connect(server.url + "/ws") as socket:
        assert [(await socket.receive()).data for _ in range(2)] == ["early", "opened"]
        asking = asyncio.create_task(client.get(server.url + "/ai/Echo/a"))
        for _ in range(100):
            if (at := (await move("settle"))["next_ms"]) is not None:
                break
        assert at == START_MS + 100, "the first chunk is due a tenth of a second after the call"
        seen = []
        while (answer := await move("step"))["steps"]:
            seen.append(answer["now_ms"] - START_MS)
        assert seen == [100, 250]
        assert [(await socket.receive()).data for _ in range(3)] == ["chunk 1", "chunk 2", "chunk 3"]
        assert await (await asking).text() == "3"


async def test_a_seed_fixes_the_ids_of_model_calls(
    serve: Any, make_project: Callable[..., Path], tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    async def ids(number: int, seed: str | None) -> list[str]:
        root = make_project(tmp_path / f"run{number}")
        recording(root, "words", {"status": 200, "stream": STREAM})
        server = serve(root, clock="virtual", ai_mode="replay", ai_speed="instant", **({"seed": seed} if seed else {}))
        for _ in range(3):
            async with client.get(server.url + "/ai/Echo/a") as response:
                assert response.status == 200
        async with client.get(server.url + "/cdn-cgi/emu/api/ai/calls") as response:
            return [call["request_id"] for call in (await response.json())["calls"]]

    first, again, random = await asyncio.gather(*(ids(n, seed) for n, seed in enumerate(["7", "7", None])))
    assert len(first) == len({*first}) == 3
    assert first == again
    assert not {*first} & {*random}


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START_MS)


@pytest.fixture
def ask(tmp_path: Path, clock: VirtualClock) -> Any:
    """Asks the layer as the binding does. The machine's own clock stands at 0."""
    recording(tmp_path, "words", {"status": 200, "json": {"response": "hi"}})
    limit = RateLimit(Technique.FIXED, 2, 60)
    config = AiConfig(gateways={"g": GatewayConfig("g", rate_limit=limit), "c": GatewayConfig("c")})
    options = Options(
        persist_to=tmp_path / "state", fixtures=tmp_path / "fixtures", ai_mode=AiMode.REPLAY, ai_speed=Speed.parse("instant"), ai=config
    )
    journal = Journal(clock, tmp_path / "journal.ndjson", Redactor(Secrets({})))
    layer = Layer(
        tmp_path,
        options,
        journal,
        Redactor(Secrets({})),
        dict,
        pacer=Pacer(options.ai_speed, clock.now_ms, clock.sleep),
        now_ms=clock.now_ms,
        machine=Pacer(options.ai_speed, lambda: 0.0),
        machine_ms=lambda: 0,
    )

    async def run(gateway: str, **more: Any) -> Response:
        body = json.dumps({"inputs": {"prompt": "hi"}, "options": {"gateway": {"id": gateway, **more}}}).encode()
        headers = [("cf-consn-model-id", "@cf/test/model"), ("content-type", "application/json")]
        return await layer.service.serve(Request("POST", "https://workers-binding.ai/ai-gateway/run?version=3", headers, _once(body)))

    return run


async def test_rate_limits_and_caches_last_as_long_as_virtual_time(clock: VirtualClock, ask: Any) -> None:
    assert [(await ask("g")).status for _ in range(3)] == [200, 200, 429]
    clock.set(START_MS + 59_999)
    assert (await ask("g")).status == 429
    clock.set(START_MS + 60_000)
    assert (await ask("g")).status == 200

    async def cached() -> str | None:
        return (await ask("c", cacheTtl=3600)).header("cf-aig-cache-status")

    assert [await cached(), await cached()] == ["MISS", "HIT"]
    clock.set(clock.now_ms() + 3_599_000)
    assert await cached() == "HIT"
    clock.set(clock.now_ms() + 2_000)
    assert await cached() == "MISS"
