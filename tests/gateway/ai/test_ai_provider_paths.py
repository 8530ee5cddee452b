"""A provider's own endpoint through the binding, as agents' `ai(model)` asks it by `env.AI.fetch`."""

from __future__ import annotations

import json

from fakes.openai import FakeOpenAi

from emulator.config import AiMode
from emulator.config.ai import AiConfig, BackendConfig, BackendType

from .conftest import read_json

PATH = "/ai-gateway/gateways/g/openai/chat/completions"
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
JSON = [("content-type", "application/json")]


async def test_the_provider_is_asked_in_its_own_words_and_the_gateway_logs_it(bench):
    async with FakeOpenAi(key="sk-test") as fake:
        config = AiConfig(backends={"openai": BackendConfig("openai", BackendType.OPENAI, base_url=fake.base_url)})
        b = bench(AiMode.LIVE, config=config)
        response = await b.post(PATH, BODY, [*JSON, ("authorization", "Bearer sk-test")])
        assert (await read_json(response))["choices"][0]["message"]["content"].endswith("hi")
        assert (fake.last.path, fake.last.json) == ("/v1/chat/completions", BODY)
    log = await read_json(await b.get(f"/ai-gateway/gateways/g/logs/{response.header('cf-aig-log-id')}"))
    assert (log["result"]["provider"], log["result"]["model"]) == ("openai", "gpt-4o")
    assert (b.events[-1]["model"], b.events[-1]["gateway"]) == ("gpt-4o", "g")
    await b.layer.close()


async def test_without_any_key_the_stub_answers_in_the_providers_words(bench):
    b = bench(AiMode.AUTO)
    answer = await read_json(await b.post(PATH, BODY, JSON))
    assert answer["object"] == "chat.completion" and json.dumps(answer)
    assert b.events[-1]["source"] == "stub"


async def test_an_unknown_provider_is_named(bench):
    b = bench(AiMode.AUTO)
    response = await b.post("/ai-gateway/gateways/g/nobody/chat", BODY, JSON)
    assert response.status == 400 and "'nobody'" in json.dumps(await read_json(response))
