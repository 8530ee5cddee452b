"""The whole layer: recorded from a provider, replayed without one (A2, A10, A26, A28, A39, A40)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes.base import Step
from fakes.layer import make_layer
from fakes.openai import FakeOpenAi

from emulator.config import AiMode
from emulator.config.ai import AiConfig, BackendConfig, BackendType, Credential, RouteConfig
from emulator.config.speed import Speed
from emulator.gateway.ai.layer import Layer
from emulator.gateway.ai.replay import Pacer
from emulator.gateway.exchange import Request, Response

from .conftest import once, read

KEY = "a-key-of-the-provider-42"
MODEL = "@cf/test/model"


class Stand:
    """A layer whose models and whose OpenAI are the fake."""

    def __init__(self, root: Path, fake: FakeOpenAi) -> None:
        self.root = root
        self.fake = fake
        self.key = KEY

    def layer(self, mode: AiMode, **more) -> Layer:
        backend = BackendConfig(
            "openai", BackendType.OPENAI, base_url=self.fake.base_url, key=Credential("env:OPENAI_API_KEY", "OPENAI_API_KEY")
        )
        config = AiConfig(routes=(RouteConfig("*", "openai", "gpt-4o"),), backends={"openai": backend})
        secrets = {"OPENAI_API_KEY": self.key}
        layer, self.events = make_layer(self.root, mode, pacer=Pacer(Speed(None)), config=config, secrets=secrets, **more)
        return layer

    async def run(self, layer: Layer, text: str, *, scope: str | None = None, stream: bool = False) -> Response:
        inputs = {"messages": [{"role": "user", "content": text}], **({"stream": True} if stream else {})}
        headers = [("content-type", "application/json"), ("cf-consn-model-id", MODEL)]
        headers += [("x-emulator-scope", scope)] if scope else []
        body = json.dumps({"inputs": inputs, "options": {}}).encode()
        return await layer.service.serve(Request("POST", "https://workers-binding.ai/run?version=3", headers, once(body)))

    async def post(self, layer: Layer, text: str, agent: str = "OpenAI/JS 6", *, scope: str | None = None) -> Response:
        headers = [("content-type", "application/json"), ("authorization", f"Bearer {self.key}"), ("user-agent", agent)]
        headers += [("x-stainless-retry-count", str(len(agent)))] + ([("x-emulator-scope", scope)] if scope else [])
        body = json.dumps({"model": "gpt-4o", "input": f"{text}, my key is {self.key}", "stream": True}).encode()
        return await layer.egress.serve(Request("POST", "https://api.openai.com/v1/responses", headers, once(body)))

    def cassette(self) -> bytes:
        return b"".join(path.read_bytes() + str(path).encode() for path in (self.root / "ai").rglob("*") if path.is_file())


@pytest.fixture
async def stand(tmp_path):
    async with FakeOpenAi() as fake:
        yield Stand(tmp_path / "fixtures", fake)


async def chunks_of(response: Response) -> list[bytes]:
    if isinstance(response.body, bytes):
        return [response.body]
    return [chunk async for chunk in response.body]


@pytest.mark.parametrize("stream", [False, True])
async def test_the_binding_says_the_same_again_without_its_model(stand, stream):
    layer = stand.layer(AiMode.RECORD)
    said = await chunks_of(await stand.run(layer, "hello", stream=stream))
    layer.sessions.end()
    await layer.close()
    asked = len(stand.fake.seen)
    layer = stand.layer(AiMode.REPLAY)
    again = await stand.run(layer, "hello", stream=stream)
    assert await chunks_of(again) == said and len(stand.fake.seen) == asked
    await layer.close()


async def test_an_sdk_s_call_is_recorded_without_its_key_and_replayed_with_another(stand):
    layer = stand.layer(AiMode.RECORD)
    said = b"".join(await chunks_of(await stand.post(layer, "hi")))
    layer.sessions.end()
    await layer.close()
    assert KEY in said.decode() and KEY.encode() not in stand.cassette()
    for word in (b"authorization", b"Authorization", b"stainless", b"user-agent"):
        assert word not in stand.cassette()
    stand.key = "rotated-key-of-the-provider"
    layer = stand.layer(AiMode.REPLAY)
    again = b"".join(await chunks_of(await stand.post(layer, "hi", "OpenAI/JS 7.57")))
    assert again == said.replace(KEY.encode(), b"{{secret:OPENAI_API_KEY}}") and len(stand.fake.seen) == 1
    await layer.close()


async def test_two_scopes_have_a_recording_each_of_the_same_request(stand):
    layer = stand.layer(AiMode.NEW)
    for scope in ("one", "tests/two.py::test[x]"):
        stand.fake.script(Step(raw=f'{{"id":"{scope}"}}'.encode(), content_type="application/json"))
        await chunks_of(await stand.post(layer, "same", scope=scope))
    assert all("x-emulator-scope" not in {name.lower() for name in seen.headers} for seen in stand.fake.seen)
    layer.sessions.end()
    await layer.close()
    assert b"x-emulator-scope" not in stand.cassette()
    layer = stand.layer(AiMode.REPLAY)
    for scope in ("tests/two.py::test[x]", "one"):
        assert json.loads(await read(await stand.post(layer, "same", scope=scope))) == {"id": scope}
    await layer.close()


async def test_a_failed_session_leaves_the_cassette_as_it_was(stand):
    layer = stand.layer(AiMode.RECORD)
    await chunks_of(await stand.run(layer, "hello"))
    layer.sessions.restart()
    before = stand.cassette()
    await chunks_of(await stand.run(layer, "something else"))
    layer.sessions.end(commit=False)
    assert stand.cassette() == before
    await layer.close()


async def test_a_caller_that_leaves_writes_nothing(stand):
    layer = stand.layer(AiMode.RECORD)
    stand.fake.script(Step(gap_ms=20))
    response = await stand.run(layer, "a b c d e f g h", stream=True)
    await anext(aiter(response.body))
    await response.aclose()
    assert layer.sessions.end().recorded == ()
    assert not list(stand.root.rglob("*.json"))
    await layer.close()


@pytest.mark.parametrize("body", [b'{"id": "x", "n": 1}', b'{"id":"x","n":1}', b'{\n  "id": "x"\n}'])
async def test_json_with_and_without_spaces_replays_byte_for_byte(stand, body):
    layer = stand.layer(AiMode.RECORD)
    stand.fake.script(Step(raw=body, content_type="application/json"))
    await chunks_of(await stand.post(layer, "x"))
    layer.sessions.end()
    await layer.close()
    layer = stand.layer(AiMode.REPLAY)
    assert await read(await stand.post(layer, "x")) == body
    await layer.close()


async def test_auto_records_what_is_new_and_replays_it_next_time(stand):
    for _ in range(2):
        layer = stand.layer(AiMode.AUTO)
        await chunks_of(await stand.run(layer, "hello"))
        await chunks_of(await stand.run(layer, "hello"))
        layer.sessions.end()
        await layer.close()
        assert len(stand.fake.seen) == 2
    assert len(list((stand.root / "ai" / "default").glob("0*.json"))) == 2


async def test_an_outage_is_not_recorded_in_auto(stand):
    layer = stand.layer(AiMode.AUTO)
    stand.fake.script(Step(status=500))
    await chunks_of(await stand.run(layer, "hello"))
    assert not list(stand.root.rglob("*.json"))
    await layer.close()
