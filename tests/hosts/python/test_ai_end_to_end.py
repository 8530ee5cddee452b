"""`env.AI` down to the recordings: the class of the host over the service of the gateway, without a link in between (A3, A8, A22)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fakes.layer import make_layer

from emulator.config import AiMode
from emulator.config.speed import Speed
from emulator.gateway.ai.replay import Pacer
from emulator.gateway.exchange import Request
from emulator.hosts.python.ai import Ai
from emulator.hosts.python.surface.containers import JsArray
from emulator.hosts.python.surface.convert import to_js_object
from emulator.hosts.python.surface.errors import JsException
from emulator.hosts.python.surface.promise import JsPromise
from emulator.hosts.python.surface.response import JsResponse
from emulator.hosts.python.surface.values import JsObject


class Pulled:
    """A response body of the service as the host's ByteSource."""

    def __init__(self, body: Any) -> None:
        self._body = body

    async def read(self) -> bytes | None:
        return await anext(self._body, None)

    async def cancel(self, reason: Any) -> None:
        await self._body.aclose()


@pytest.fixture
async def wire(tmp_path):
    def make(mode: AiMode = AiMode.AUTO) -> Any:
        layer, events = make_layer(tmp_path, mode, pacer=Pacer(Speed(None)))

        async def send(request: Any) -> JsResponse:
            source = request.body_source()

            async def body() -> Any:
                if isinstance(source, bytes):
                    yield source
                elif source is not None:
                    async for chunk in source:
                        yield chunk

            response = await layer.service.serve(Request(request.method, request.url, request.headers.pairs(), body()))
            answered = response.body if isinstance(response.body, bytes) else Pulled(response.body)
            return JsResponse.received(response.status, response.headers, answered)

        ai = Ai(lambda request: JsPromise.from_awaitable(send(request)))
        return ai, events

    return make


def write(tmp_path, name, response, where=()):
    folder = tmp_path / "ai" / "default"
    folder.mkdir(parents=True, exist_ok=True)
    request = {"kind": "binding.run", "target": "*"}
    match = {"where": list(where), "repeat": "forever"}
    document = {"format": 1, "id": name, "source": "manual", "request": request, "match": match, "response": response}
    (folder / f"{name}.json").write_text(json.dumps(document))


JSON_TASKS = [
    ("@cf/meta/llama-3.1-8b-instruct", {"prompt": "hi"}),
    ("@cf/zai-org/glm-4.7-flash", {"messages": [{"role": "user", "content": "hi"}]}),
    ("@cf/openai/gpt-oss-20b", {"input": "hi"}),
    ("@cf/baai/bge-base-en-v1.5", {"text": ["a"]}),
    ("@cf/baai/bge-reranker-base", {"query": "a", "contexts": [{"text": "a"}]}),
    ("@cf/black-forest-labs/flux-1-schnell", {"prompt": "a"}),
    ("@cf/openai/whisper", {"audio": [1]}),
    ("@cf/openai/whisper-large-v3-turbo", {"audio": "QQ=="}),
    ("@cf/deepgram/nova-3", {"audio": {"body": "QQ==", "contentType": "audio/mpeg"}}),
    ("@cf/myshell-ai/melotts", {"prompt": "a"}),
    ("@cf/meta/m2m100-1.2b", {"text": "a"}),
    ("@cf/facebook/bart-large-cnn", {"input_text": "a"}),
    ("@cf/huggingface/distilbert-sst-2-int8", {"text": "a"}),
    ("@cf/microsoft/resnet-50", {"image": [1]}),
    ("@cf/facebook/detr-resnet-50", {"image": [1]}),
    ("@cf/meta/llama-guard-3-8b", {"messages": [{"role": "user", "content": "hi"}]}),
    ("anthropic/claude-sonnet-4", {"messages": [{"role": "user", "content": "hi"}]}),
]


@pytest.mark.parametrize(("model", "inputs"), JSON_TASKS, ids=[model for model, _ in JSON_TASKS])
async def test_every_json_task_comes_back_as_an_object(wire, model, inputs):
    ai, _ = wire()
    assert isinstance(await ai.run(model, to_js_object(inputs)), JsObject | JsArray)


# ai-binding.md 1.4: code, HTTP status, envelope.
CODES = [
    *((code, 400, "run") for code in (5007, 5004, 3003, 3039, 5006, 3030)),
    (3042, 404, "run"),
    *((code, 403, "run") for code in (5016, 5018, 3041, 3023, 10000)),
    *((code, 405, "run") for code in (5005, 5019)),
    (3006, 413, "run"),
    *((code, 408, "run") for code in (3007, 3008, 3046)),
    *((code, 429, "run") for code in (3036, 4006, 3040)),
    *((code, 400, "gateway") for code in (2001, 2040, 7003)),
    *((code, 429, "gateway") for code in (2003, 2041, 2045)),
    (2009, 401, "gateway"),
    (2021, 402, "gateway"),
]


@pytest.mark.parametrize(("code", "status", "envelope"), CODES)
async def test_each_code_can_be_played_and_is_thrown_as_documented(wire, tmp_path, code, status, envelope):
    text = "what went wrong"
    if envelope == "run":
        name, body = "InferenceUpstreamError", {"errors": [{"message": text, "code": code}], "success": False, "result": {}, "messages": []}
    else:
        name = "AiGatewayError"
        body = {"success": False, "name": name, "httpCode": status, "internalCode": code, "message": text, "description": text}
    write(tmp_path, "00-error", {"status": status, "json": body})
    ai, events = wire(AiMode.REPLAY)
    with pytest.raises(JsException) as error:
        await ai.run("@cf/any/model", to_js_object({"prompt": "x"}))
    assert (error.value.name, error.value.message) == (name, f"{code}: {text}")
    assert (ai.lastRequestHttpStatusCode, events[0]["status"]) == (status, status)


async def test_our_own_failures_are_typed_and_never_say_undefined(wire):
    ai, _ = wire(AiMode.REPLAY)
    with pytest.raises(JsException) as error:
        await ai.run("@cf/any/model", to_js_object({"prompt": "x"}))
    assert error.value.name == "FixtureMiss" and error.value.message.startswith("9901: no recording answers")
    assert "undefined" not in error.value.message
    assert ai.lastRequestInternalStatusCode == 9901


async def test_a_stream_is_read_to_its_end_and_a_torn_one_breaks(wire, tmp_path):
    events = [{"t": 0, "json": {"response": "a"}}, {"t": 1, "text": "[DONE]"}]
    write(tmp_path, "00-stream", {"status": 200, "stream": {"framing": "sse", "events": events}})
    ai, reported = wire(AiMode.REPLAY)
    stream = await ai.run("@cf/any/model", to_js_object({"stream": True}))
    assert [chunk.to_bytes() async for chunk in stream] == [b'data: {"response":"a"}\n\n', b"data: [DONE]\n\n"]
    assert reported[0]["chunks"] == 2


async def test_leaving_a_stream_ends_the_call(wire, tmp_path):
    events = [{"t": index, "json": {"n": index}} for index in range(100)]
    write(tmp_path, "00-stream", {"status": 200, "stream": {"framing": "sse", "events": events}})
    ai, reported = wire(AiMode.REPLAY)
    stream = await ai.run("@cf/any/model", to_js_object({"stream": True}))
    reader = stream.getReader()
    await reader.read()
    await reader.cancel()
    assert len(reported) == 1 and reported[0]["chunks"] < 5


async def test_a_gateway_call_can_be_looked_up_afterwards(wire):
    ai, _ = wire()
    await ai.run("@cf/meta/llama-3.1-8b-instruct", to_js_object({"prompt": "x"}), to_js_object({"gateway": {"id": "g"}}))
    gateway = ai.gateway("g")
    log = await gateway.getLog(ai.aiGatewayLogId)
    assert (log.id, log.success, log.created_at.constructor.name) == (ai.aiGatewayLogId, True, "Date")
    await gateway.patchLog(ai.aiGatewayLogId, to_js_object({"feedback": -1}))
    assert (await gateway.getLog(ai.aiGatewayLogId)).feedback == -1
    with pytest.raises(JsException) as error:
        await gateway.getLog("unknown")
    assert (error.value.name, error.value.message) == ("AiGatewayLogNotFound", "Log not found")
    assert (await gateway.getUrl("openai")).endswith("/g/openai")


async def test_other_members(wire):
    ai, _ = wire()
    assert (await ai.models(to_js_object({"search": "glm"})))[0].id == "@cf/zai-org/glm-4.7-flash"
    assert {row.extension for row in await ai.toMarkdown().supported()} >= {".md", ".csv"}
    with pytest.raises(JsException) as error:
        await ai.autorag("docs").search(to_js_object({"query": "x"}))
    assert error.value.name == "AutoRAGNotFoundError"
    entry = {"provider": "openai", "endpoint": "chat/completions", "headers": {}, "query": {"messages": []}}
    response = await ai.gateway("g").run(to_js_object(entry))
    assert response.status == 200 and response.headers.get("cf-aig-step") == "0"
