"""The `Ai` class: requests as workerd's client makes them, results and errors by its rules (ai-binding.md 1.1, 1.3, 1.4)."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from emulator.hosts.python.ai import Ai
from emulator.hosts.python.surface.blob import Blob
from emulator.hosts.python.surface.containers import JsArray
from emulator.hosts.python.surface.convert import to_js_object
from emulator.hosts.python.surface.errors import JsException
from emulator.hosts.python.surface.formdata import FormData
from emulator.hosts.python.surface.promise import JsPromise
from emulator.hosts.python.surface.readable import ReadableStream
from emulator.hosts.python.surface.response import JsResponse
from emulator.hosts.python.surface.values import JsObject, jsnull

JSON = [("content-type", "application/json")]


class Chunks:
    """A body arriving in pieces."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = list(chunks)
        self.cancelled = False

    async def read(self) -> bytes | None:
        return self.chunks.pop(0) if self.chunks else None

    async def cancel(self, reason: Any) -> None:
        self.cancelled = True


class Far:
    """The gateway's side of the fetcher: keeps each request, answers what it was told."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.answers: list[JsResponse] = []
        self.ai = Ai(self.fetch)

    def fetch(self, request: Any) -> JsPromise:
        self.requests.append(request)
        return JsPromise.resolved(self.answers.pop(0))

    def will(self, status: int, body: Any, headers: list[tuple[str, str]] = JSON) -> None:
        data = json.dumps(body).encode() if isinstance(body, dict | list) else body
        self.answers.append(JsResponse.received(status, headers, data))

    @property
    def url(self) -> str:
        return self.requests[-1].url

    async def body(self) -> Any:
        return json.loads(await self.requests[-1].text())

    def header(self, name: str) -> Any:
        return self.requests[-1].headers.get(name)


@pytest.fixture
async def far() -> Far:
    return Far()


def js(value: Any) -> Any:
    return to_js_object(value)


async def raised(promise: Any) -> JsException:
    with pytest.raises(JsException) as error:
        await promise
    return error.value


async def test_run_sends_inputs_and_options_in_the_body_and_the_model_in_a_header(far):
    far.will(200, {"response": "hi"})
    options = js({"tags": ["a"], "queueRequest": True, "prefix": "p", "extraHeaders": {"x-session-affinity": "s"}, "sessionOptions": {}})
    result = await far.ai.run("@cf/m/n", js({"prompt": "hi", "n": 2.0, "none": None}), options)
    assert result.response == "hi"
    assert far.url == "https://workers-binding.ai/run?version=3"
    assert await far.body() == {"inputs": {"prompt": "hi", "n": 2}, "options": {"tags": ["a"], "queueRequest": True}}
    sent = {
        "content-type": "application/json",
        "cf-consn-sdk-version": "2.0.0",
        "cf-consn-model-id": "p:@cf/m/n",
        "x-session-affinity": "s",
    }
    assert dict(far.requests[-1].headers.pairs()) == sent


async def test_a_gateway_option_selects_the_path_and_travels_in_the_body(far):
    far.will(200, {"response": "hi"}, [*JSON, ("cf-ai-req-id", "r1"), ("cf-aig-log-id", "l1")])
    await far.ai.run("@cf/m/n", js({"prompt": "hi"}), js({"gateway": {"id": "g", "cacheTtl": 3360}}))
    assert far.url == "https://workers-binding.ai/ai-gateway/run?version=3"
    assert (await far.body())["options"] == {"gateway": {"id": "g", "cacheTtl": 3360}}
    assert (far.ai.lastRequestId, far.ai.aiGatewayLogId, far.ai.lastRequestHttpStatusCode) == ("r1", "l1", 200)


async def test_keyword_arguments_are_the_options(far):
    far.will(200, {})
    await far.ai.run("@cf/m/n", js({"prompt": "hi"}), gateway=js({"id": "g"}))
    assert far.url.endswith("/ai-gateway/run?version=3")


async def test_a_call_starts_when_it_is_made(far):
    far.will(200, {})
    promise = far.ai.run("@cf/m/n", js({"prompt": "hi"}))
    assert len(far.requests) == 1
    await promise


@pytest.mark.parametrize("value", [{"a": 1}, [1, 2], "text", 5])
async def test_json_comes_back_parsed(far, value):
    far.will(200, json.dumps(value).encode())
    result = await far.ai.run("m", js({}))
    assert (result.to_py() if hasattr(result, "to_py") else result) == value


async def test_only_the_exact_content_type_is_parsed(far):
    far.will(200, {"a": 1}, [("content-type", "application/json; charset=utf-8")])
    result = await far.ai.run("m", js({}))
    assert isinstance(result, ReadableStream)


async def test_a_stream_comes_chunk_by_chunk(far):
    source = Chunks(b"data: 1\n\n", b"data: [DONE]\n\n")
    far.answers.append(JsResponse.received(200, [("content-type", "text/event-stream")], source))
    stream = await far.ai.run("m", js({"stream": True}))
    assert [chunk.to_bytes() async for chunk in stream] == [b"data: 1\n\n", b"data: [DONE]\n\n"]


async def test_leaving_a_stream_reaches_the_source(far):
    source = Chunks(b"1", b"2", b"3")
    far.answers.append(JsResponse.received(200, [("content-type", "text/event-stream")], source))
    stream = await far.ai.run("m", js({"stream": True}))
    await stream.cancel()
    assert source.cancelled


async def test_the_raw_response_is_handed_out_whatever_its_status(far):
    far.will(429, {"errors": []}, [*JSON, ("x-test", "1")])
    response = await far.ai.run("m", js({}), js({"returnRawResponse": True}))
    assert (response.status, response.headers.get("x-test")) == (429, "1")
    assert (await far.body())["options"] == {"returnRawResponse": True}


@pytest.mark.parametrize(
    ("status", "body", "name", "message"),
    [
        (400, {"internalCode": 2001, "name": "AiGatewayError", "description": "gone"}, "AiGatewayError", "2001: gone"),
        (400, {"internalCode": 2001, "name": "AiGatewayError"}, "AiGatewayError", "2001: undefined"),
        (400, {"internalCode": 5, "description": "d"}, "InferenceUpstreamError", "5: d"),
        (429, {"errors": [{"code": 3040, "message": "AiError: busy"}]}, "InferenceUpstreamError", "3040: AiError: busy"),
        (400, {"internalCode": 0, "errors": [{"code": 1, "message": "m"}]}, "InferenceUpstreamError", "1: m"),
        (500, b"<html>", "InferenceUpstreamError", "<html>"),
        (500, {"errors": []}, "InferenceUpstreamError", '{"errors": []}'),
        (204, None, "InferenceUpstreamError", ""),
    ],
)
async def test_errors(far, status, body, name, message):
    far.will(status, body)
    error = await raised(far.ai.run("m", js({})))
    assert (error.name, error.message) == (name, message)
    assert "status" not in error.object_keys() and "code" not in error.object_keys()


async def test_the_internal_code_stays_readable_on_the_binding(far):
    far.will(400, {"internalCode": 2001, "name": "AiGatewayError", "description": "d"})
    await raised(far.ai.run("m", js({})))
    assert far.ai.lastRequestInternalStatusCode == 2001


async def test_an_empty_json_body_is_a_syntax_error(far):
    far.will(200, b"")
    assert (await raised(far.ai.run("m", js({})))).name == "SyntaxError"


async def test_before_the_first_call_everything_is_null(far):
    ai = far.ai
    assert [ai.lastRequestId, ai.aiGatewayLogId, ai.lastRequestHttpStatusCode, ai.lastRequestInternalStatusCode] == [jsnull] * 4
    assert ai.constructor.name == "Ai"


async def test_a_stream_as_input_is_the_body_and_the_rest_goes_into_the_query(far):
    far.will(200, {"text": "ok"})
    audio = JsObject({"body": ReadableStream.from_bytes(b"\x00\x01"), "contentType": "audio/mpeg"})
    inputs = JsObject({"audio": audio, "language": "en"})
    await far.ai.run("@cf/m/asr", inputs, js({"tags": ["x", "y"], "returnRawResponse": False}))
    parts = urlsplit(far.url)
    assert parts.path == "/run"
    expected = {"tags": ["x,y"], "returnRawResponse": ["false"], "version": ["3"], "userInputs": ['{"language":"en"}']}
    assert parse_qs(parts.query) == expected
    assert far.header("content-type") == "audio/mpeg"
    assert (await far.requests[-1].bytes()).to_bytes() == b"\x00\x01"


async def test_a_form_as_input_names_its_own_boundary(far):
    far.will(200, {"image": ""})
    form = FormData._js_new()
    form.append("prompt", "a cat")
    await far.ai.run("@cf/m/flux-2", JsObject({"multipart": JsObject({"body": form, "contentType": "multipart/form-data"})}))
    assert far.header("content-type").startswith("multipart/form-data; boundary=")
    assert "a cat" in await far.requests[-1].text()


async def test_inputs_that_cannot_be_sent(far):
    def audio(**more: Any) -> JsObject:
        return JsObject({"body": ReadableStream.from_bytes(b"x"), **more})

    typed = audio(contentType="audio/mpeg")
    two = await raised(far.ai.run("m", JsObject({"a": typed, "b": audio(contentType="x")})))
    untyped = await raised(far.ai.run("m", JsObject({"a": audio()})))
    gateway = await raised(far.ai.run("m", JsObject({"a": typed}), js({"gateway": {"id": "g"}})))
    assert {error.name for error in (two, untyped, gateway)} == {"AiInternalError"}
    assert "Found streams in keys: [a, b]" in two.message
    assert untyped.message == "Content-Type is required with ReadableStream inputs"
    assert gateway.message == "AI Gateway does not support ReadableStreams yet."
    assert far.requests == []


async def test_a_websocket_call_is_an_upgrade(far):
    far.will(501, {})
    response = await far.ai.run("m", js({"prompt": "hi"}), js({"websocket": True}))
    assert response.status == 501
    query = parse_qs(urlsplit(far.url).query)
    assert json.loads(query["body"][0]) == {"inputs": {"prompt": "hi"}, "options": {"websocket": True}}
    assert (far.requests[-1].method, far.header("upgrade")) == ("GET", "websocket")


async def test_the_universal_endpoint_gets_an_array_and_headers(far):
    far.will(500, {"error": 1})
    entry = {
        "provider": "openai",
        "endpoint": "chat/completions",
        "headers": {"cf-aig-cache-ttl": 60, "cf-aig-metadata": {"a": 1}},
        "query": {},
    }
    gateway = {"skipCache": True, "cacheTtl": 60, "metadata": {"u": 1}, "cacheKey": "k", "collectLog": False, "eventId": "e"}
    gateway |= {"requestTimeoutMs": 5, "retries": {"maxAttempts": 2, "retryDelayMs": 9, "backoff": "linear"}}
    response = await far.ai.gateway("g").run(js(entry), js({"gateway": gateway, "extraHeaders": {"x-a": "b"}}))
    assert response.status == 500
    assert far.url == "https://workers-binding.ai/ai-gateway/universal/run/g"
    assert await far.body() == [{**entry, "headers": {"cf-aig-cache-ttl": "60", "cf-aig-metadata": '{"a":1}'}}]
    assert dict(far.requests[-1].headers.pairs()) == {
        "content-type": "application/json",
        "cf-aig-skip-cache": "true",
        "cf-aig-cache-ttl": "60",
        "cf-aig-metadata": '{"u":1}',
        "cf-aig-cache-key": "k",
        "cf-aig-collect-log": "false",
        "cf-aig-event-id": "e",
        "cf-aig-request-timeout": "5",
        "cf-aig-max-attempts": "2",
        "cf-aig-retry-delay": "9",
        "cf-aig-backoff": "linear",
        "x-a": "b",
    }


async def test_gateway_urls_and_logs(far):
    far.will(200, {"result": {"url": "https://x"}})
    assert await far.ai.gateway("g").getUrl("openai") == "https://x"
    assert far.url == "https://workers-binding.ai/ai-gateway/gateways/g/url/openai"
    far.will(200, {"result": {"url": "https://y"}})
    await far.ai.gateway("g").getUrl()
    assert far.url.endswith("/url/universal")
    far.will(200, {"result": {"id": "l", "created_at": "2026-01-02T03:04:05.000Z"}})
    log = await far.ai.gateway("g").getLog("l")
    assert (log.id, log.created_at.constructor.name, log.created_at.getTime()) == ("l", "Date", 1767323045000)
    far.will(200, {})
    assert await far.ai.gateway("g").patchLog("l", js({"feedback": 1})) is None
    assert (far.requests[-1].method, await far.body()) == ("PATCH", {"feedback": 1})


@pytest.mark.parametrize(
    ("status", "body", "name", "message"),
    [
        (404, {"errors": [{"message": "Log not found"}]}, "AiGatewayLogNotFound", "Log not found"),
        (404, {"errors": []}, "AiGatewayLogNotFound", "Log Not Found"),
        (500, {"errors": [{"message": "bad"}]}, "AiGatewayInternalError", "bad"),
        (201, {"errors": []}, "AiGatewayInternalError", "Internal Error"),
        (404, b"plain", "AiGatewayInternalError", "plain"),
    ],
)
async def test_log_errors(far, status, body, name, message):
    for call in (far.ai.gateway("g").getLog, far.ai.gateway("g").patchLog):
        far.will(status, body)
        error = await raised(call("l", JsObject()) if call.__name__ == "patchLog" else call("l"))
        assert (error.name, error.message) == (name, message)


async def test_models(far):
    far.will(200, {"result": [{"id": "a"}]})
    rows = await far.ai.models(js({"search": "glm 4", "page": 2, "author": None}))
    assert rows[0].id == "a"
    assert far.url == "https://workers-binding.ai/ai-api/models/search?search=glm+4&page=2"


async def test_to_markdown(far):
    file = JsObject({"name": "a.md", "blob": Blob(b"# hi", "text/markdown")})
    far.will(200, {"result": [{"data": "# hi"}]})
    assert (await far.ai.toMarkdown(file)).data == "# hi"
    sent = {"name": "a.md", "mimeType": "text/markdown", "data": base64.b64encode(b"# hi").decode()}
    assert (await far.body())["files"] == [sent]
    far.will(200, {"result": [{"data": "1"}, {"data": "2"}]})
    assert [row.data for row in await far.ai.toMarkdown(JsArray([file, file]))] == ["1", "2"]
    far.will(200, {"result": []})
    assert (await raised(far.ai.toMarkdown(file))).name == "AiInternalError"
    far.will(200, {"result": [{"extension": ".md"}]})
    assert (await far.ai.toMarkdown().supported())[0].extension == ".md"


async def test_autorag(far):
    far.will(200, {"result": {"data": []}})
    await far.ai.autorag("r").search(js({"query": "q"}))
    assert far.url == "https://workers-binding.ai/autorag/rags/r/search"
    far.will(200, b"data: x\n\n", [("content-type", "text/event-stream")])
    assert (await far.ai.autorag("r").aiSearch(js({"query": "q", "stream": True}))).status == 200
    far.will(200, {"result": []})
    assert len(await far.ai.autorag().list()) == 0
    assert (await raised(far.ai.autorag().search(js({"query": "q"})))).name == "AutoRAGNameNotSetError"
    for status, name in ((401, "AutoRAGUnauthorizedError"), (404, "AutoRAGNotFoundError"), (500, "AutoRAGInternalError")):
        far.will(status, {"errors": [{"message": "no"}]})
        error = await raised(far.ai.autorag("r").aiSearch(js({"query": "q"})))
        assert (error.name, error.message) == (name, "no")


async def test_ai_search(far):
    """A7; requests and answers of its members."""
    search = far.ai.aiSearch()
    far.will(200, {"result": [{"id": "docs"}], "result_info": {"count": 1}})
    assert (await search.list(js({"search": "do cs", "page": 1}))).result[0].id == "docs"
    assert far.url == "https://workers-binding.ai/ai-search/instances?search=do+cs&page=1"
    far.will(200, {"chunks": [{"id": "c"}]})
    assert (await search.get("a/b").search(js({"query": "q"}))).chunks[0].id == "c"
    assert far.url == "https://workers-binding.ai/ai-search/instances/a%2Fb/search"
    assert await far.body() == {"query": "q"}
    far.will(200, {"choices": []})
    assert len((await search.chatCompletions(js({"messages": []}))).choices) == 0
    far.will(200, b"data: x\n\n", [("content-type", "text/event-stream")])
    assert await JsResponse(await search.get("d").chatCompletions(js({"messages": [], "stream": True}))).text() == "data: x\n\n"
    for status, name in ((404, "AiSearchNotFoundError"), (500, "AiSearchInternalError")):
        far.will(status, {"errors": [{"message": "no"}]})
        error = await raised(search.get("d").info())
        assert (error.name, error.message) == (name, "no")
    assert "aiSearch().create is not emulated" in (await raised(search.create())).message
    with pytest.raises(JsException, match="is not emulated"):
        search.get("d").items  # noqa: B018


async def test_a_failed_catalogue_is_an_internal_error(far):
    far.will(400, {"errors": [{"message": "no"}]})
    error = await raised(far.ai.models())
    assert (error.name, error.message) == ("AiInternalError", "no")


async def test_bytes_in_inputs_are_spelt_out_by_index_as_json_does(far):
    far.will(200, {})
    await far.ai.run("m", js({"audio": b"\x01\x02"}))
    assert (await far.body())["inputs"] == {"audio": {"0": 1, "1": 2}}
