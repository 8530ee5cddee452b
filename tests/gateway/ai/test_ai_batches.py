"""Asynchronous batches: queued, running, answered; through the stub, through servers, and by Workers AI's own queue."""

from __future__ import annotations

import asyncio

import pytest
from fakes.base import Step
from fakes.layer import make_layer
from fakes.openai import FakeOpenAi
from fakes.workers_ai import ACCOUNT, FakeWorkersAi

from emulator.config import AiMode
from emulator.config.ai import AiConfig, BackendConfig, BackendType, Credential
from emulator.config.speed import Speed
from emulator.gateway.ai import batches
from emulator.gateway.ai.replay import Pacer

from .conftest import Bench, FakeClock, read_json

LLAMA = "@cf/meta/llama-3.1-8b-instruct"
REQUESTS = [{"prompt": "first", "external_reference": "r1"}, {"nothing": 1}, {"prompt": "third", "stream": True}, "text"]
QUEUED = {"queueRequest": True}


def bench(tmp_path, mode=AiMode.STUB, speed="instant", config=None):
    clock = FakeClock()
    # Servers have time limits, so that time has to be real for them.
    pacer = Pacer(Speed.parse(speed)) if config else Pacer(Speed.parse(speed), clock.now_ms, clock.sleep)
    layer, events = make_layer(tmp_path / "fixtures", mode, pacer=pacer, config=config)
    return Bench(layer, clock, events)


async def collected(b, ident):
    seen = []
    for _ in range(200):
        answer = await read_json(await b.run({"request_id": ident}, model=LLAMA))
        if "responses" in answer:
            return seen, answer
        seen.append(answer["status"])
        await asyncio.sleep(0.005)
    raise AssertionError(f"never done: {seen}")


def check_rows(answer):
    first, second, third, fourth = answer["responses"]
    assert (first["id"], first["success"], first["external_reference"]) == (0, True, "r1")
    assert "first" in first["result"]["response"] and "third" in third["result"]["response"]
    assert (second["success"], fourth["success"]) == (False, False)
    assert "prompt" in second["error"] and "object" in fourth["error"]
    both = [row["result"]["usage"]["total_tokens"] for row in (first, third)]
    assert answer["usage"]["total_tokens"] == sum(both)


async def test_the_stub(tmp_path):
    b = bench(tmp_path, speed="1x")
    queued = await read_json(await b.run({"requests": REQUESTS}, model=LLAMA, options=QUEUED))
    assert (queued["status"], queued["model"]) == ("queued", LLAMA)
    first = await read_json(await b.run({"request_id": queued["request_id"]}, model=LLAMA))
    assert first == {"status": "queued"}
    check_rows((await collected(b, queued["request_id"]))[1])
    assert b.clock.slept_ms[0] == batches.QUEUED_S * 1000, "the queue is on the clock of replay"
    again = await read_json(await b.run({"requests": REQUESTS}, model=LLAMA, options=QUEUED))
    assert again["request_id"] != queued["request_id"]
    await b.layer.close()


async def test_without_a_queue_the_answer_comes_at_once(tmp_path):
    check_rows(await read_json(await bench(tmp_path).run({"requests": REQUESTS}, model=LLAMA)))


async def test_a_server_is_asked_for_each_request(tmp_path):
    async with FakeOpenAi() as fake:
        config = AiConfig(backends={"vllm": BackendConfig("vllm", BackendType.OPENAI, base_url=fake.base_url)})
        b = bench(tmp_path, AiMode.LIVE, config=config)
        fake.script(Step(head_ms=50))
        queued = await read_json(await b.run({"requests": REQUESTS}, model=LLAMA, options=QUEUED))
        await fake.until(lambda: len(fake.seen) == 1)
        assert await read_json(await b.run({"request_id": queued["request_id"]}, model=LLAMA)) == {"status": "running"}
        seen, answer = await collected(b, queued["request_id"])
        assert set(seen) <= {"running"}
        check_rows(answer)
        assert b.events[0]["source"] == "stub" and len(fake.seen) >= 2
        await b.layer.close()


async def test_workers_ai_has_a_queue_of_its_own(tmp_path):
    async with FakeWorkersAi(key="t") as fake:
        one = BackendConfig("cf", BackendType.WORKERS_AI, base_url=fake.base_url, key=Credential("t"), account=Credential(ACCOUNT))
        b = bench(tmp_path, AiMode.LIVE, config=AiConfig(backends={"cf": one}))
        queued = await read_json(await b.run({"requests": [{"prompt": "a"}]}, model=LLAMA, options=QUEUED))
        assert (queued["status"], b.events[0]["source"]) == ("queued", "backend")
        assert fake.last.query == {"queueRequest": "true"}
        await b.layer.close()


@pytest.mark.parametrize("ident", ["nobody", 5, None])
async def test_a_batch_that_nobody_queued(tmp_path, ident):
    response = await bench(tmp_path).run({"request_id": ident}, model=LLAMA)
    error = (await read_json(response))["errors"][0]
    assert (response.status, error["code"]) == (400, 5007)


async def test_a_batch_that_is_too_large(tmp_path):
    response = await bench(tmp_path).run({"requests": [{"prompt": "x" * batches.MOST_BYTES}]}, model=LLAMA, options=QUEUED)
    assert (response.status, (await read_json(response))["errors"][0]["code"]) == (413, 3006)


async def test_closing_gives_up_what_is_not_done(tmp_path):
    async with FakeOpenAi() as fake:
        config = AiConfig(backends={"vllm": BackendConfig("vllm", BackendType.OPENAI, base_url=fake.base_url)})
        b = bench(tmp_path, AiMode.LIVE, config=config)
        fake.script(Step(never=True))
        await b.run({"requests": [{"prompt": "a"}]}, model=LLAMA, options=QUEUED)
        await fake.until(lambda: bool(fake.seen))
        await b.layer.close()
        await fake.until(lambda: fake.last.left)
