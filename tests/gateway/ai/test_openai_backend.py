"""backends/openai.py against the fakes: text, streams, tools, Responses (ai-binding.md 4.2), and what goes wrong (4.3)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fakes.asking import CHAT, LEGACY, Asker, asker, body, chunks, error, events, value
from fakes.base import Step, event
from fakes.mind import Call, Turn, says
from fakes.openai import FakeOpenAi

from emulator.config.ai import BackendType
from emulator.gateway.ai.backends.openai import OpenAi
from emulator.gateway.ai.reply import Source
from emulator.gateway.failures import NetworkFailure

GPT_OSS = "@cf/openai/gpt-oss-20b"
TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}
]
ASK_WEATHER = {"messages": [{"role": "user", "content": "the weather please"}], "tools": TOOLS}
USAGE = {"prompt_tokens": 2, "completion_tokens": 4, "total_tokens": 6}


@asynccontextmanager
async def served(flavour: str = "vllm", **settings: Any) -> AsyncIterator[tuple[FakeOpenAi, Asker]]:
    async with (
        FakeOpenAi(key="sk-1", flavour=flavour) as fake,
        asker(OpenAi, BackendType.OPENAI, fake.base_url, key="sk-1", **settings) as it,
    ):
        yield fake, it


async def test_text_for_a_legacy_model() -> None:
    async with served() as (fake, it):
        reply = await it.ask({"prompt": "hi you"})
        assert await value(reply) == {"response": "You said: hi you", "usage": USAGE}
        assert (reply.source, reply.backend, reply.backend_model, reply.warnings) == (Source.BACKEND, "fake", "gpt-4o", [])
        assert fake.last.headers["authorization"] == "Bearer sk-1"
        assert fake.last.headers["content-type"] == "application/json"
        assert "transfer-encoding" not in fake.last.headers


async def test_text_for_a_chat_model_keeps_what_only_the_provider_knows() -> None:
    async with served() as (_fake, it):
        answer = await value(await it.ask({"messages": [{"role": "user", "content": "hi you"}]}, target=CHAT))
        assert (answer["model"], answer["system_fingerprint"]) == (CHAT, "fp_fake")
        choice = answer["choices"][0]
        assert (choice["message"]["content"], choice["finish_reason"]) == ("You said: hi you", "stop")
        assert answer["usage"] | USAGE == answer["usage"]
        assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] == 0


async def test_a_legacy_stream_is_one_chunk_for_each_delta() -> None:
    async with served() as (fake, it):
        reply = await it.ask({"prompt": "hi you", "stream": True})
        assert await chunks(reply) == [
            b'data: {"response":"You","p":"ab"}\n\n',
            b'data: {"response":" said:","p":"ab"}\n\n',
            b'data: {"response":" hi","p":"ab"}\n\n',
            b'data: {"response":" you","p":"ab"}\n\n',
            b'data: {"response":"","usage":{"prompt_tokens":2,"completion_tokens":4,"total_tokens":6}}\n\n',
            b"data: [DONE]\n\n",
        ]
        assert fake.last.json["stream_options"] == {"include_usage": True}


async def test_a_chat_stream_is_one_chunk_for_each_event() -> None:
    async with served() as (fake, it):
        reply = await it.ask({"prompt": "hi you", "stream": True}, target=CHAT)
        said = await chunks(reply)
        assert len(said) == fake.last.sent == 8
        documents = [json.loads(chunk.removeprefix(b"data: ")) for chunk in said[:-1]]
        assert {document["model"] for document in documents} == {CHAT}
        assert [document["choices"][0]["delta"].get("content") for document in documents[:-1]] == ["", "You", " said:", " hi", " you", None]
        assert documents[-2]["choices"][0]["finish_reason"] == "stop"
        assert documents[-1]["usage"] | USAGE == documents[-1]["usage"]
        assert said[-1] == b"data: [DONE]\n\n"


async def test_chunks_come_as_the_model_speaks() -> None:
    async with served() as (fake, it):
        fake.script(Step(turn=says("one two three"), stop_after=3, then="stall"))
        reply = await it.ask({"prompt": "x", "stream": True})
        stream = aiter(reply.response.body)
        assert [await anext(stream), await anext(stream)] == [
            b'data: {"response":"one","p":"ab"}\n\n',
            b'data: {"response":" two","p":"ab"}\n\n',
        ]
        await reply.response.aclose()
        await fake.until(lambda: fake.last.left)


async def test_events_that_arrive_together_go_out_one_by_one() -> None:
    text = b"".join(event({"choices": [{"index": 0, "delta": {"content": word}}]}) for word in ("a", "b")) + b"data: [DONE]\n\n"
    async with served() as (fake, it):
        fake.script(Step(raw=text, content_type="text/event-stream"))
        assert len(await chunks(await it.ask({"prompt": "x", "stream": True}))) == 3


async def test_a_tool_call_in_all_four_forms() -> None:
    async with served() as (_, it):
        legacy = await value(await it.ask(ASK_WEATHER))
        assert legacy["tool_calls"] == [{"name": "weather", "arguments": {"city": "example"}}]
        assert legacy["response"] is None
        choice = (await value(await it.ask(ASK_WEATHER, target=CHAT)))["choices"][0]
        assert choice["finish_reason"] == "tool_calls"
        call = choice["message"]["tool_calls"][0]
        assert (call["type"], call["function"]) == ("function", {"name": "weather", "arguments": '{"city": "example"}'})
        for target in (LEGACY, CHAT):
            found = await events(await it.ask({**ASK_WEATHER, "stream": True}, target=target))
            calls = [piece for document in found[:-1] for piece in _calls(document)]
            assert (calls[0]["index"], calls[0]["type"]) == (0, "function")
            assert calls[0]["id"].startswith("call_")
            assert calls[0]["function"] == {"name": "weather", "arguments": ""}
            assert "".join(piece["function"]["arguments"] for piece in calls) == '{"city": "example"}'
            assert len(calls) == 1 + len('{"city": "example"}') // 5 + 1


def _calls(document: dict[str, Any]) -> list[Any]:
    delta = document["choices"][0]["delta"] if document.get("choices") else document
    return delta.get("tool_calls") or []


async def test_a_tool_loop() -> None:
    async with served("openai") as (_, it):
        first = (await value(await it.ask(ASK_WEATHER, target=CHAT)))["choices"][0]["message"]
        messages = [
            *ASK_WEATHER["messages"],
            first,
            {"role": "tool", "name": "weather", "tool_call_id": first["tool_calls"][0]["id"], "content": "sun"},
        ]
        second = await value(
            await it.ask({"messages": [{key: m[key] for key in m if key in _WIRE} for m in messages], "tools": TOOLS}, target=CHAT)
        )
        assert second["choices"][0]["message"]["content"] == "The tool said: sun"


_WIRE = frozenset({"role", "content", "tool_calls", "tool_call_id", "name"})


async def test_gemini_gets_its_signatures_back_and_parallel_calls_are_told_apart() -> None:
    tools = [*TOOLS, {"type": "function", "function": {"name": "time", "parameters": {"type": "object", "properties": {}}}}]
    user = {"role": "user", "content": "weather and time"}
    async with served("gemini") as (fake, it):
        found = await events(await it.ask({"messages": [user], "tools": tools, "stream": True}, target=CHAT))
        calls = [call for document in found[:-1] for call in _calls(document)]
        assert [(call["index"], call["function"]["name"]) for call in calls] == [(0, "weather"), (1, "time")]
        assert all("thought_signature" in call["extra_content"]["google"] for call in calls)
        finishes = [choice["finish_reason"] for document in found[:-1] for choice in document["choices"]]
        assert finishes[-1] == "tool_calls"
        # The SDK on the binding keeps ids, names and arguments, nothing else.
        kept = [{"id": call["id"], "type": "function", "function": call["function"]} for call in calls]
        results = [{"role": "tool", "tool_call_id": call["id"], "name": call["function"]["name"], "content": "ok"} for call in calls]
        messages = [user, {"role": "assistant", "content": "", "tool_calls": kept}, *results]
        second = await value(await it.ask({"messages": messages, "tools": tools}))
        assert second["response"] == "The tool said: ok"
        assert "extra_content" in fake.last.json["messages"][1]["tool_calls"][0]


async def test_ids_that_a_server_leaves_out_derive_from_the_request() -> None:
    def delta(call: dict[str, Any]) -> bytes:
        return event({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]})

    text = delta({"index": 0, "id": "", "function": {"name": "f", "arguments": ""}}) + delta({"index": 0, "function": {"arguments": "{}"}})
    ids = []
    async with served() as (fake, it):
        for target in (LEGACY, CHAT, CHAT):
            fake.script(Step(raw=text, content_type="text/event-stream"))
            said = await body(await it.ask({"prompt": "x", "stream": True}, target=target))
            start, piece = [_calls(json.loads(part.removeprefix("data: ")))[0] for part in said.decode().split("\n\n")[:2]]
            ids.append(start["id"])
            assert piece["function"] == {"arguments": "{}"}
    assert ids[0].startswith("call_") and len(ids[0]) == 29
    assert ids[1] == ids[2]


async def test_reasoning_of_vllm() -> None:
    async with served() as (fake, it):
        asked = {"messages": [{"role": "user", "content": "think"}]}
        message = (await value(await it.ask(asked, target=CHAT)))["choices"][0]["message"]
        assert (message["reasoning_content"], message["content"]) == ("Let me see.", "You said: think")
        assert (await value(await it.ask(asked)))["response"] == "You said: think"
        found = await events(await it.ask({**asked, "stream": True}, target=CHAT))
        assert [document["choices"][0]["delta"].get("reasoning_content") for document in found[1:4]] == ["Let", " me", " see."]
        fake.script(Step(raw=json.dumps({"choices": [{"message": {"content": "a", "reasoning": "r"}, "finish_reason": "stop"}]}).encode()))
        message = (await value(await it.ask(asked, target=CHAT)))["choices"][0]["message"]
        assert message == {"content": "a", "reasoning_content": "r"}


async def test_json_mode() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
    asked = {"prompt": "x", "response_format": {"type": "json_schema", "json_schema": {**schema, "title": "place"}}}
    async with served("openai") as (fake, it):
        assert (await value(await it.ask(asked)))["response"] == {"city": "example"}
        assert fake.last.json["response_format"]["json_schema"]["name"] == "place"
        assert (await value(await it.ask(asked, target=CHAT)))["choices"][0]["message"]["content"] == '{"city": "example"}'
        reply = await it.ask({**asked, "stream": True})
        assert "".join(document["response"] for document in (await events(reply))[:-1]) == '{"city": "example"}'
        assert reply.warnings == ["JSON Mode does not stream on Workers AI; here the text of the JSON is streamed"]
        fake.script(Step(turn=says("no json")))
        status, code, text = await error(await it.ask(asked))
        assert (status, code) == (400, 5006)
        assert "JSON Mode couldn't be met" in text


@pytest.mark.parametrize("finish", ["stop", "length", "content_filter"])
async def test_finish_reasons(finish: str) -> None:
    async with served() as (fake, it):
        fake.script(Step(turn=says("a", finish=finish)), Step(turn=says("a", finish=finish)))
        assert (await value(await it.ask({"prompt": "x"}, target=CHAT)))["choices"][0]["finish_reason"] == finish
        found = await events(await it.ask({"prompt": "x", "stream": True}, target=CHAT))
        assert [d["choices"][0]["finish_reason"] for d in found[:-1] if d["choices"]][-1] == finish


async def test_cached_tokens() -> None:
    async with served() as (fake, it):
        turn = Turn(["a"], prompt_tokens=10, cached_tokens=8)
        fake.script(*[Step(turn=turn)] * 2)
        assert (await value(await it.ask({"prompt": "x"})))["usage"]["prompt_tokens_details"] == {"cached_tokens": 8}
        assert (await value(await it.ask({"prompt": "x"}, target=CHAT)))["usage"]["prompt_tokens_details"]["cached_tokens"] == 8


async def test_a_raw_prompt() -> None:
    async with served() as (fake, it):
        asked = {"prompt": "hi you", "raw": True}
        assert await value(await it.ask(asked)) == {"response": "You said: hi you", "usage": USAGE}
        assert fake.last.path == "/v1/completions"
        found = await events(await it.ask({**asked, "stream": True}))
        assert "".join(document["response"] for document in found[:-1]) == "You said: hi you"
        answer = await value(await it.ask(asked, target=CHAT))
        assert (answer["model"], answer["choices"][0]["message"]["content"]) == (CHAT, "You said: hi you")


async def test_the_responses_api_passes_but_for_the_models_name() -> None:
    async with served("openai") as (fake, it):
        answer = await value(await it.ask({"input": "hi you", "instructions": None}, target=GPT_OSS, model="gpt-5"))
        assert fake.last.json == {"model": "gpt-5", "input": "hi you"}
        assert (answer["model"], answer["output"][0]["content"][0]["text"]) == (GPT_OSS, "You said: hi you")
        reply = await it.ask({"input": "hi you", "stream": True}, target=GPT_OSS)
        said = await chunks(reply)
        assert len(said) == fake.last.sent
        documents = [json.loads(chunk.split(b"data: ")[1]) for chunk in said]
        assert [document["type"] for document in documents][-1] == "response.completed"
        assert {document["response"]["model"] for document in documents if "response" in document} == {GPT_OSS}
        assert [chunk.split(b"\n")[0].decode() for chunk in said] == [f"event: {document['type']}" for document in documents]
        assert b'"delta": " hi"' in b"".join(said)  # as it came


async def test_warnings_are_on_the_reply_and_in_a_header() -> None:
    async with served() as (_, it):
        reply = await it.ask({"prompt": "x", "temperature": 3})
        assert reply.warnings == ["temperature 3 clamped to 2"]
        assert reply.response.header("x-emulator-warnings") == "temperature 3 clamped to 2"


async def test_an_author_before_the_model_is_not_the_authors_own_name_for_it() -> None:
    async with FakeOpenAi() as fake, asker(OpenAi, BackendType.OPENAI, fake.base_url, name="openai") as it:
        await value(await it.ask({"prompt": "x"}, target="openai/gpt-4o", model="openai/gpt-4o"))
        assert fake.last.json["model"] == "gpt-4o"
    async with served() as (fake, it):
        await value(await it.ask({"prompt": "x"}, model="openai/gpt-oss-20b"))
        assert fake.last.json["model"] == "openai/gpt-oss-20b"


async def test_a_key_is_looked_up_at_each_call_and_a_missing_one_is_named() -> None:
    async with FakeOpenAi(key="sk-2") as fake, asker(OpenAi, BackendType.OPENAI, fake.base_url, key="env:MY_KEY") as it:
        reply = await it.ask({"prompt": "x"})
        status, code, text = await error(reply)
        assert (status, code, reply.source) == (403, 10000, Source.NONE)
        assert "'fake'" in text and "MY_KEY is not set" in text and "(E610)" in text
        assert fake.seen == []
        it.variables["MY_KEY"] = "sk-2"
        assert (await value(await it.ask({"prompt": "x"})))["response"] == "You said: x"
        it.variables["MY_KEY"] = "sk-wrong-one"
        status, code, text = await error(await it.ask({"prompt": "x"}))
        assert (status, code) == (403, 10000)
        assert "the key from MY_KEY" in text and "(E611)" in text
        assert "sk-" not in text


async def test_a_server_that_asks_for_a_key_where_none_is_configured() -> None:
    async with FakeOpenAi(key="sk-1") as fake, asker(OpenAi, BackendType.OPENAI, fake.base_url) as it:
        text = (await error(await it.ask({"prompt": "x"})))[2]
        assert 'asks for a key, and none is configured; add key = "env:NAME" to [ai.backends.fake]' in text


async def test_a_server_elsewhere_needs_no_key() -> None:
    async with FakeOpenAi() as fake, asker(OpenAi, BackendType.OPENAI, fake.base_url) as it:
        await value(await it.ask({"prompt": "x"}))
        assert "authorization" not in fake.last.headers


async def test_an_unknown_model_says_which_ones_routes_name() -> None:
    async with served(models=("gpt-4o", "gpt-4o-mini", "qwen3")) as (_, it):
        status, code, text = await error(await it.ask({"prompt": "x"}, model="missing-gpt-4o"))
        assert (status, code) == (400, 5007)
        assert "'missing-gpt-4o'" in text and "close matches: gpt-4o" in text


async def test_gemini_writes_errors_into_an_array() -> None:
    async with served("gemini") as (fake, it):
        fake.script(Step(status=400, message="Unable to submit request"))
        status, code, text = await error(await it.ask({"prompt": "x"}))
        assert (status, code) == (400, 5006)
        assert "Unable to submit request" in text


async def test_an_error_inside_a_stream_ends_it_without_done() -> None:
    broken = event({"error": {"message": "The server had an error", "type": "server_error", "code": None}})
    for target in (LEGACY, CHAT):
        async with served() as (fake, it):
            fake.script(Step(events=[broken], at=2))
            said = await body(await it.ask({"prompt": "hi you", "stream": True}, target=target))
            last = json.loads(said.decode().split("\n\n")[-2].removeprefix("data: "))
            assert last["errors"][0]["code"] == 3040
            assert "The server had an error" in last["error"]["message"]
            assert b"You" in said and b"[DONE]" not in said


@pytest.mark.parametrize(
    "junk",
    [b"data: {nonsense\n\n", b"data: [1]\n\n", b'data: {"choices": [3]}\n\n', b'data: {"choices": [{"delta": {"tool_calls": 1}}]}\n\n'],
)
@pytest.mark.parametrize("target", [LEGACY, CHAT])
async def test_a_broken_event_is_an_error_event(junk: bytes, target: str) -> None:
    async with served() as (fake, it):
        fake.script(Step(events=[junk], at=2))
        said = await body(await it.ask({"prompt": "x", "stream": True}, target=target))
        assert b"broken event inside its stream" in said and b"[DONE]" not in said


@pytest.mark.parametrize("target", [LEGACY, CHAT])
async def test_a_stream_that_is_cut_is_passed_on_as_cut(target: str) -> None:
    async with served() as (fake, it):
        fake.script(Step(stop_after=3, then="end"), Step(stop_after=3, then="reset"))
        said = await body(await it.ask({"prompt": "hi you", "stream": True}, target=target))
        assert b"said:" in said and b"[DONE]" not in said
        reply = await it.ask({"prompt": "hi you", "stream": True}, target=target)
        with pytest.raises(NetworkFailure):
            await body(reply)


async def test_keep_alives_pass_in_chat_shape() -> None:
    async with served() as (fake, it):
        fake.script(Step(events=[b": ping\n\n"], at=1), Step(events=[b": ping\n\n"], at=1))
        assert (await chunks(await it.ask({"prompt": "x", "stream": True}, target=CHAT)))[1] == b": ping\n\n"
        assert b"ping" not in await body(await it.ask({"prompt": "x", "stream": True}))


async def test_html_nothing_and_other_types_are_told() -> None:
    page = b"<!doctype html><html><head><title>Sign in</title></head></html>"
    cases = [
        (Step(raw=page, content_type="text/html"), "an HTML page (Sign in)"),
        (Step(raw=b""), "answers 200 with an empty body"),
        (Step(raw=b'{"choices": '), 'answers with application/json: {"choices":'),
        (Step(raw=b'{"hello": 1}'), "an answer without `choices`"),
        (Step(raw=b"[]"), "answers with application/json: []"),
    ]
    async with served() as (fake, it):
        for step, words in cases:
            fake.script(step)
            reply = await it.ask({"prompt": "x"})
            status, code, text = await error(reply)
            assert (status, code, reply.source) == (500, 502, Source.NONE), text
            assert words in text and "'fake'" in text and fake.url in text and "(E616)" in text
        for step, words in cases[:3]:
            fake.script(step)
            status, code, text = await error(await it.ask({"prompt": "x", "stream": True}))
            assert (status, code) == (500, 502)
            assert words in text


async def test_a_server_that_never_answers_or_never_speaks() -> None:
    for step in (Step(never=True), Step(first_ms=60_000)):
        waited: list[float] = []
        moved = asyncio.Event()

        async def sleep(seconds: float, waited: list[float] = waited, moved: asyncio.Event = moved) -> None:
            waited.append(seconds)
            await moved.wait()

        async with served(timeout_ms=90_000, sleep=sleep) as (fake, it):
            fake.script(step)
            asking = asyncio.ensure_future(it.ask({"prompt": "x", "stream": True}))
            await fake.until(lambda fake=fake: bool(fake.seen))
            assert not asking.done()
            moved.set()
            reply = await asking
            status, code, text = await error(reply)
            assert (status, code, reply.source) == (408, 3007, Source.NONE)
            assert "sent nothing for 90000 ms" in text and "timeout_ms" in text
            assert waited == [90.0]
            await fake.until(lambda fake=fake: fake.last.left)


async def test_an_answer_that_stalls_or_breaks_in_the_middle() -> None:
    whole = b'{"choices": [{"message": {"content": "hi"}}]}'
    async with served(timeout_ms=150) as (fake, it):
        for then, expected in (("stall", (408, 3007)), ("reset", (429, 3040))):
            fake.script(Step(raw=whole, stop_after=1, then=then, headers={"content-length": "99"}))
            assert (await error(await it.ask({"prompt": "x"})))[:2] == expected
        await fake.until(lambda: fake.seen[0].left)


async def test_a_caller_that_leaves_before_the_answer_ends_the_request() -> None:
    async with served() as (fake, it):
        fake.script(Step(never=True))
        asking = asyncio.ensure_future(it.ask({"prompt": "x"}))
        await fake.until(lambda: bool(fake.seen))
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await fake.until(lambda: fake.last.left)


async def test_a_server_that_is_not_there() -> None:
    async with FakeOpenAi() as fake:
        gone = fake.base_url
    for mapped, expected in ((True, (429, 3040)), (False, (500, 503))):
        async with asker(OpenAi, BackendType.OPENAI, gone, map_overload=mapped) as it:
            status, code, text = await error(await it.ask({"prompt": "x"}))
            assert (status, code) == expected
            assert "cannot be reached" in text and gone in text and "(E615)" in text


async def test_the_retry_path() -> None:
    async with served() as (fake, it):
        fake.script(Step(status=429, headers={"Retry-After": "7"}), Step(status=529), Step())
        reply = await it.ask({"prompt": "x"})
        assert (await error(reply))[:2] == (429, 3040)
        assert reply.response.header("retry-after") == "7"
        assert reply.source is Source.BACKEND
        assert (await error(await it.ask({"prompt": "x"})))[:2] == (429, 3040)
        assert (await value(await it.ask({"prompt": "x"})))["response"] == "You said: x"


async def test_calls_that_are_told_by_the_script() -> None:
    async with served() as (fake, it):
        fake.script(Step(turn=Turn(["Wait. "], calls=[Call("weather", {"city": "Oslo"}, "call_own")])))
        choice = (await value(await it.ask(ASK_WEATHER, target=CHAT)))["choices"][0]
        assert choice["message"]["content"] == "Wait. "
        assert choice["message"]["tool_calls"][0]["id"] == "call_own"
