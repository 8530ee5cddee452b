"""Shared pieces for tests of the AI service: a cassette writer, a clock that only moves when slept on, a ready service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fakes.layer import make_layer

from emulator.config import AiMode
from emulator.config.speed import Speed
from emulator.gateway.ai.layer import Layer
from emulator.gateway.ai.playback import Playback
from emulator.gateway.ai.replay import Pacer
from emulator.gateway.ai.service import AiService
from emulator.gateway.exchange import Request, Response


class FakeClock:
    """Sleeping moves it on at once, and still lets the loop turn."""

    def __init__(self) -> None:
        self.ms = 0.0
        self.slept_ms: list[float] = []

    def now_ms(self) -> float:
        return self.ms

    async def sleep(self, seconds: float) -> None:
        self.slept_ms.append(round(seconds * 1000, 6))
        self.ms += seconds * 1000
        await asyncio.sleep(0)


@dataclass
class Cassettes:
    """Writes recordings below a fixtures folder."""

    root: Path
    written: int = 0

    def folder(self, cassette: str = "default") -> Path:
        folder = self.root / "ai" / cassette
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def write(self, name: str, document: dict[str, Any], cassette: str = "default") -> Path:
        path = self.folder(cassette) / f"{name}.json"
        path.write_text(json.dumps({"format": 1, "id": name, "source": "recorded", **document}))
        return path

    def recorded(self, name: str, inputs: Any, answer: Any, *, target: str = "@cf/test/model", **match: Any) -> Path:
        request = {"kind": "binding.run", "target": target, "body": inputs}
        return self.write(name, {"request": request, "match": match, "response": {"status": 200, "json": answer}})

    def manual(
        self, name: str, where: list[Any], answer: Any, *, target: str = "@cf/test/model", cassette: str = "default", **match: Any
    ) -> Path:
        document = {"source": "manual", "request": {"kind": "binding.run", "target": target}, "match": {"where": where, **match}}
        return self.write(name, {**document, "response": {"status": 200, "json": answer}}, cassette)


@dataclass
class Bench:
    """A service over a fixtures folder, with everything that it reported."""

    layer: Layer
    clock: FakeClock
    events: list[dict[str, Any]]

    @property
    def service(self) -> AiService:
        return self.layer.service

    @property
    def playback(self) -> Playback:
        return self.layer.playback

    async def run(self, inputs: Any, *, model: str = "@cf/test/model", options: Any = None, path: str = "/run?version=3") -> Response:
        headers = [("content-type", "application/json"), ("cf-consn-model-id", model)]
        return await self.post(path, {"inputs": inputs, "options": options or {}}, headers)

    async def post(self, path: str, body: Any, headers: list[tuple[str, str]] | None = None, method: str = "POST") -> Response:
        return await self.service.serve(
            Request(method, f"https://workers-binding.ai{path}", headers or [], once(json.dumps(body).encode()))
        )

    async def get(self, path: str, headers: list[tuple[str, str]] | None = None) -> Response:
        return await self.service.serve(Request("GET", f"https://workers-binding.ai{path}", headers or []))


async def once(data: bytes):
    yield data


async def read(response: Response) -> bytes:
    if isinstance(response.body, bytes):
        return response.body
    return b"".join([chunk async for chunk in response.body])


async def read_json(response: Response) -> Any:
    assert response.header("content-type") == "application/json"
    return json.loads(await read(response))


@pytest.fixture
def cassettes(tmp_path: Path) -> Cassettes:
    return Cassettes(tmp_path / "fixtures")


@pytest.fixture
def bench(cassettes: Cassettes) -> Callable[..., Bench]:
    def make(mode: AiMode = AiMode.REPLAY, *, ci: bool = False, speed: str = "instant", cassette: str | None = None, **more: Any) -> Bench:
        clock = FakeClock()
        pacer = Pacer(Speed.parse(speed), clock.now_ms, clock.sleep)
        layer, events = make_layer(cassettes.root, mode, pacer=pacer, ci=ci, cassette=cassette, **more)
        return Bench(layer, clock, events)

    return make
