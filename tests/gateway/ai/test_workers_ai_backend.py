"""backends/workers_ai.py against the fake of the REST API (ai-binding.md 3.1), and json_slice.py."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fakes.asking import CHAT, LEGACY, Asker, asker, body, chunks, error, events, stream_input, value
from fakes.base import Step
from fakes.media import MP3, PNG
from fakes.workers_ai import ACCOUNT, FakeWorkersAi

from emulator.config.ai import BackendType
from emulator.gateway.ai.backends.workers_ai import WorkersAi
from emulator.gateway.ai.classify import run_request
from emulator.gateway.ai.json_slice import member
from emulator.gateway.ai.reply import Source


@asynccontextmanager
async def served(**settings: Any) -> AsyncIterator[tuple[FakeWorkersAi, Asker]]:
    given = {"key": "t-1", "account": ACCOUNT, **settings}
    async with FakeWorkersAi(key="t-1") as fake, asker(WorkersAi, BackendType.WORKERS_AI, fake.base_url, **given) as it:
        yield fake, it


async def test_json_loses_its_envelope_and_nothing_else() -> None:
    async with served() as (fake, it):
        target = "@cf/baai/bge-base-en-v1.5"
        reply = await it.ask({"text": ["a"]}, target=target, model=target)
        assert await body(reply) == b'{"shape": [1, 3], "data": [[1.50, 1e-07, -0.25]], "pooling": "mean"}'
        assert reply.response.headers == [("content-type", "application/json"), ("cf-ai-neurons", "1.25")]
        assert (reply.source, reply.backend, reply.backend_model) == (Source.BACKEND, "fake", target)
        assert fake.last.path == f"/client/v4/accounts/{ACCOUNT}/ai/run/{target}"
        assert fake.last.headers["authorization"] == "Bearer t-1"
        assert fake.last.json == {"text": ["a"]}


async def test_text_in_both_shapes() -> None:
    async with served() as (_, it):
        asked = {"messages": [{"role": "user", "content": "hi you"}]}
        assert (await value(await it.ask(asked, model=LEGACY)))["response"] == "You said: hi you"
        answer = await value(await it.ask(asked, target=CHAT, model=CHAT))
        assert answer["choices"][0]["message"]["content"] == "You said: hi you"


@pytest.mark.parametrize("model", [LEGACY, CHAT])
async def test_streams_pass_byte_for_byte_and_chunk_for_chunk(model: str) -> None:
    async with served() as (fake, it):
        reply = await it.ask({"prompt": "hi you", "stream": True}, target=model, model=model)
        assert reply.response.header("content-type") == "text/event-stream; charset=utf-8"
        said = await body(reply)
        assert said.endswith(b"data: [DONE]\n\n") and b'": ' in said  # with the fake's own spaces
        fake.script(Step(gap_ms=15))
        assert len(await chunks(await it.ask({"prompt": "hi you", "stream": True}, target=model, model=model))) == fake.last.sent


async def test_pictures_and_sound_pass() -> None:
    async with served() as (_, it):
        picture = await it.ask({"prompt": "x"}, model="@cf/stabilityai/stable-diffusion-xl-base-1.0")
        assert (picture.response.header("content-type"), await body(picture)) == ("image/png", PNG)
        sound = await it.ask({"text": "x"}, model="@cf/deepgram/aura-1")
        assert (sound.response.header("content-type"), await body(sound)) == ("audio/mpeg", MP3)


async def test_options_become_a_query() -> None:
    options = {"queueRequest": True, "tags": ["a", "b:1"], "rejectIfBusy": False, "returnRawResponse": True, "nothing": None}
    async with served() as (fake, it):
        answer = await value(await it.ask({"requests": [{"prompt": "a"}]}, model=LEGACY, options=options))
        assert (answer["status"], answer["model"]) == ("queued", LEGACY)
        assert fake.last.query == {"queueRequest": "true", "tags": "a,b:1", "rejectIfBusy": "false"}


async def test_a_stream_as_input_is_sent_as_it_came() -> None:
    target = "@cf/openai/whisper"
    async with served() as (fake, it):
        reply = await it.server.run(stream_input(target, "audio/mpeg; x=1", MP3, {}, {"language": "en"}), target)
        assert (await value(reply))["text"] == "Hello from the fake."
        assert (fake.last.headers["content-type"], fake.last.body) == ("audio/mpeg; x=1", MP3)
        assert fake.last.query == {"userInputs": '{"language":"en"}'}


async def test_session_affinity_is_passed_on() -> None:
    headers = [("cf-consn-model-id", LEGACY), ("X-Session-Affinity", "s-1"), ("x-other", "1")]
    asked = run_request(headers, b'{"inputs": {"prompt": "x"}, "options": {}}')
    async with served() as (fake, it):
        await value(await it.server.run(asked, LEGACY))
        assert fake.last.headers["x-session-affinity"] == "s-1"
        assert "x-other" not in fake.last.headers


async def test_models_of_other_authors_go_in_the_body() -> None:
    async with served() as (fake, it):
        answer = await value(await it.ask({"messages": [{"role": "user", "content": "x"}]}, target="openai/gpt-5", model="openai/gpt-5"))
        assert answer["choices"][0]["message"]["content"] == "You said: x"
        assert fake.last.path == f"/client/v4/accounts/{ACCOUNT}/ai/run"
        assert fake.last.json["model"] == "openai/gpt-5"


@pytest.mark.parametrize(("status", "code"), [(429, 3040), (429, 4006), (403, 5016), (400, 5006), (408, 3046), (500, 3043)])
async def test_its_errors_stay_as_they_are(status: int, code: int) -> None:
    async with served() as (fake, it):
        fake.script(Step(status=status, code=str(code), headers={"retry-after": "2"}))
        reply = await it.ask({"prompt": "x"}, model=LEGACY)
        assert await error(reply) == (status, code, "AiError: AiError: scripted (7d0a0a6c-4f6e-4d3f-9d0e-8f3c5c0f9e11)")
        assert (reply.source, reply.response.header("retry-after")) == (Source.BACKEND, "2")


async def test_a_bad_token_names_its_variable() -> None:
    async with served(key="env:CF_TOKEN", variables={"CF_TOKEN": "t-wrong"}) as (_, it):
        status, code, text = await error(await it.ask({"prompt": "x"}, model=LEGACY))
        assert (status, code) == (403, 10000)
        assert "the key from CF_TOKEN" in text and "t-wrong" not in text


async def test_a_missing_account_or_token_is_named() -> None:
    async with served(account="env:CF_ACCOUNT") as (fake, it):
        assert "needs its account id, and CF_ACCOUNT is not set" in (await error(await it.ask({"prompt": "x"}, model=LEGACY)))[2]
        assert not it.server.key_present
        it.variables["CF_ACCOUNT"] = ACCOUNT
        assert it.server.key_present
        await value(await it.ask({"prompt": "x"}, model=LEGACY))
        assert len(fake.seen) == 1


async def test_a_result_that_says_it_failed_is_an_error() -> None:
    failed = {"result": {}, "success": False, "errors": [{"message": "JSON Mode couldn't be met", "code": 5006}], "messages": []}
    async with served() as (fake, it):
        fake.script(Step(raw=json.dumps(failed).encode()))
        assert await error(await it.ask({"prompt": "x"}, model=LEGACY)) == (400, 5006, "JSON Mode couldn't be met")


async def test_html_nothing_and_broken_json_are_told() -> None:
    async with served() as (fake, it):
        for step, words in (
            (Step(raw=b"<html><title>Down</title>", content_type="text/html"), "an HTML page (Down)"),
            (Step(raw=b""), "an empty body"),
            (Step(raw=b'{"result": {'), "broken JSON"),
            (Step(status=503, raw=b"<html>busy</html>", content_type="text/html"), "answers 503"),
        ):
            fake.script(step)
            status, code, text = await error(await it.ask({"prompt": "x"}, model=LEGACY))
            assert (status, code) in ((500, 502), (429, 3040))
            assert words in text and "'fake'" in text


async def test_json_without_an_envelope_passes() -> None:
    async with served() as (fake, it):
        fake.script(Step(raw=b'{ "response": 1.0 }', content_type="application/json; charset=utf-8"))
        reply = await it.ask({"prompt": "x"}, model=LEGACY)
        assert (await body(reply), reply.response.header("content-type")) == (b'{ "response": 1.0 }', "application/json")


async def test_leaving_ends_the_request() -> None:
    async with served() as (fake, it):
        fake.script(Step(stop_after=1, then="stall"))
        reply = await it.ask({"prompt": "hi you", "stream": True}, model=LEGACY)
        assert await anext(aiter(reply.response.body)) == b'data: {"response": "You", "p": ""}\n\n'
        await reply.response.aclose()
        await fake.until(lambda: fake.last.left)


async def test_tool_calls_of_a_legacy_model() -> None:
    tools = [{"name": "weather", "parameters": {"type": "object", "properties": {}}}]
    async with served() as (_, it):
        answer = await value(await it.ask({"messages": [{"role": "user", "content": "weather"}], "tools": tools}, model=LEGACY))
        assert answer["tool_calls"] == [{"name": "weather", "arguments": {}}]
        assert (await events_of(it))[-1] == "[DONE]"


async def events_of(it: Asker) -> list[Any]:
    reply = await it.ask({"prompt": "x", "stream": True}, model=LEGACY)
    reply.response.headers = [("content-type", "text/event-stream")]
    return await events(reply)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"result": [1.50, 1e-07], "x": {}}', "[1.50, 1e-07]"),
        ('\n{ "a" : {"result": 1} ,\t"result" :\n"q\\"}"\n}', '"q\\"}"'),
        ('{"result": 1, "result": 2}', "2"),
        ('{"result": null}', "null"),
        ('{"other": 1}', None),
        ("{}", None),
        ("[1]", None),
        ('{"result": 1', None),
        ('{"result" 1}', None),
        ("", None),
    ],
)
def test_a_member_is_cut_out_as_it_stands(text: str, found: str | None) -> None:
    assert member(text, "result") == found
