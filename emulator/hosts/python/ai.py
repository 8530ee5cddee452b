"""`env.AI` as user code sees it: class `Ai` and what hangs on it, over one inner fetcher (ai-binding.md 0, 1.1 and 1.3).

Each call becomes one request to the fake origin https://workers-binding.ai; the gateway answers it. What a client decides
is decided here: which path, how options travel, what counts as an error, what is parsed and what is handed out as a stream.
"""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlencode

from emulator.hosts.python.ai_search import AiSearchNamespace, AutoRAG
from emulator.hosts.python.ai_wire import Fetcher, first, listed_error, members, request_to, truthy
from emulator.hosts.python.surface import json as js_json
from emulator.hosts.python.surface.blob import Blob
from emulator.hosts.python.surface.containers import JsArray
from emulator.hosts.python.surface.dates import JsDate
from emulator.hosts.python.surface.errors import JsException, js_error
from emulator.hosts.python.surface.formdata import FormData
from emulator.hosts.python.surface.promise import JsPromise, eager
from emulator.hosts.python.surface.readable import ReadableStream
from emulator.hosts.python.surface.request import JsRequest
from emulator.hosts.python.surface.response import JsResponse
from emulator.hosts.python.surface.values import JsObject, JsProxy, is_nullish, js_string, jsnull, option, takes_options

_NOT_SENT = frozenset({"extraHeaders", "prefix", "sessionOptions", "signal"})
_NO_BODY_STATUS = frozenset({204, 205, 304})


class Ai(JsProxy):
    """The binding. `lastRequestId` and its neighbours tell about the latest `run`, null before the first."""

    __slots__ = (
        "__weakref__",
        "_fetcher",
        "aiGatewayLogId",
        "lastRequestHttpStatusCode",
        "lastRequestId",
        "lastRequestInternalStatusCode",
    )
    _js_name = "Ai"

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self.lastRequestId: Any = jsnull
        self.aiGatewayLogId: Any = jsnull
        self.lastRequestHttpStatusCode: Any = jsnull
        self.lastRequestInternalStatusCode: Any = jsnull

    @takes_options
    def fetch(self, resource: Any, init: Any = None) -> JsPromise:
        """A request of the caller's own to the binding's origin; the provider package resumes streams this way."""
        return self._fetcher(JsRequest(resource, init))

    @takes_options
    @eager
    async def run(self, model: Any, inputs: Any = None, options: Any = None) -> Any:
        """Run `model`: a JSON answer as an object, anything else as a ReadableStream; the Response itself with `returnRawResponse` or
        `websocket`. Raises InferenceUpstreamError for an answer that is an error, AiInternalError for inputs that cannot be sent."""
        self.lastRequestId = ""
        response = await self._fetcher(_run_request(js_string(model), inputs, options))
        self.lastRequestId = response.headers.get("cf-ai-req-id")
        self.aiGatewayLogId = response.headers.get("cf-aig-log-id")
        self.lastRequestHttpStatusCode = response.status
        if truthy(option(options, "returnRawResponse")) or truthy(option(options, "websocket")):
            return response
        if not response.ok or response.status in _NO_BODY_STATUS or response.body is jsnull:
            raise await self._inference_error(response)
        if response.headers.get("content-type") == "application/json":
            return await response.json()
        return response.body

    @takes_options
    @eager
    async def models(self, params: Any = None) -> Any:
        """The catalogue's rows, filtered by `author`, `search`, `task`, `source`, `hide_experimental`, `page`, `per_page`."""
        query = urlencode([(name, js_string(value)) for name, value in members(params) if not is_nullish(value)])
        response = await self._fetcher(request_to("GET", f"/ai-api/models/search?{query}"))
        if not response.ok:
            raise await listed_error(response, "AiInternalError")
        return option(await response.json(), "result")

    @takes_options
    def toMarkdown(self, files: Any = None, options: Any = None) -> Any:
        """Without arguments the service with `transform` and `supported`; with files, `transform(files, options)`."""
        service = ToMarkdownService(self._fetcher)
        return service if is_nullish(files) else service.transform(files, options)

    def gateway(self, gateway_id: Any, _options: Any = None) -> AiGateway:
        """AI Gateway `gateway_id`. With `{beta: true}` the platform answers by RPC; what its members do is the same."""
        return AiGateway(self._fetcher, js_string(gateway_id))

    def autorag(self, name: Any = None) -> AutoRAG:
        """AutoRAG instance `name`; `list()` needs no name."""
        return AutoRAG(self._fetcher, None if is_nullish(name) else js_string(name))

    def aiSearch(self) -> AiSearchNamespace:
        """AI Search: its instances, searches and answers."""
        return AiSearchNamespace(self._fetcher)

    def getLogs(self) -> JsArray:
        """Always empty; kept by the platform for old code."""
        return JsArray([])

    async def _inference_error(self, response: JsResponse) -> JsException:
        """The error of a failed `run`, from any of the envelopes of ai-binding.md 1.4."""
        content = await response.text()
        try:
            parsed = js_json.parse(content)
        except JsException:
            return js_error("InferenceUpstreamError", content)
        code = option(parsed, "internalCode")
        if truthy(code):
            self.lastRequestInternalStatusCode = code
            name = option(parsed, "name", "InferenceUpstreamError")
            return js_error(js_string(name), f"{js_string(code)}: {js_string(option(parsed, 'description'))}")
        listed = first(option(parsed, "errors"))
        if listed is not None:
            return js_error("InferenceUpstreamError", f"{js_string(option(listed, 'code'))}: {js_string(option(listed, 'message'))}")
        return js_error("InferenceUpstreamError", content)


class AiGateway(JsProxy):
    """One AI Gateway (`env.AI.gateway(id)`)."""

    __slots__ = ("__weakref__", "_fetcher", "_id")
    _js_name = "AiGateway"

    def __init__(self, fetcher: Fetcher, gateway_id: str) -> None:
        self._fetcher = fetcher
        self._id = gateway_id

    @takes_options
    @eager
    async def run(self, data: Any, options: Any = None) -> Any:
        """The universal endpoint: one entry `{provider, endpoint, headers, query}` or several; the Response, whatever its status."""
        entries = data if isinstance(data, JsArray) else JsArray([data])
        body = JsArray([_sendable_entry(entry) for entry in entries])
        headers = [("content-type", "application/json"), *_gateway_headers(option(options, "gateway"))]
        headers += [(name, js_string(value)) for name, value in members(option(options, "extraHeaders"))]
        path = f"/ai-gateway/universal/run/{self._id}"
        return await self._fetcher(request_to("POST", path, js_json.plain_text(body), headers, option(options, "signal")))

    @eager
    async def getUrl(self, provider: Any = None) -> Any:
        """The public address of the gateway, of one provider when given."""
        name = "universal" if is_nullish(provider) else js_string(provider)
        response = await self._fetcher(request_to("GET", f"/ai-gateway/gateways/{self._id}/url/{name}"))
        if not response.ok:
            raise await listed_error(response, "AiGatewayInternalError")
        return option(option(await response.json(), "result"), "url")

    @eager
    async def getLog(self, log_id: Any) -> Any:
        """The log entry, `created_at` as a Date. Raises AiGatewayLogNotFound, AiGatewayInternalError."""
        response = await self._log("GET", log_id)
        entry = option(await response.json(), "result")
        created = JsDate._js_new(option(entry, "created_at"))
        return JsObject({**dict(members(entry)), "created_at": created})

    @takes_options
    @eager
    async def patchLog(self, log_id: Any, data: Any = None) -> None:
        """Set `score`, `feedback` or `metadata` of a log entry. Raises like getLog."""
        await self._log("PATCH", log_id, js_json.plain_text(data))

    async def _log(self, method: str, log_id: Any, body: str | None = None) -> JsResponse:
        path = f"/ai-gateway/gateways/{self._id}/logs/{js_string(log_id)}"
        headers = [] if body is None else [("content-type", "application/json")]
        response: JsResponse = await self._fetcher(request_to(method, path, body, headers))
        if response.status == 404:
            raise await listed_error(response, "AiGatewayLogNotFound", "Log Not Found", unreadable="AiGatewayInternalError")
        if response.status != 200:
            raise await listed_error(response, "AiGatewayInternalError")
        return response


class ToMarkdownService(JsProxy):
    """Documents to Markdown (`env.AI.toMarkdown()`)."""

    __slots__ = ("__weakref__", "_fetcher")
    _js_name = "ToMarkdownService"

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    @takes_options
    @eager
    async def transform(self, files: Any, options: Any = None) -> Any:
        """Convert one `{name, blob}` or an array of them; the answer has the same form. Raises AiInternalError."""
        listed = files if isinstance(files, JsArray) else JsArray([files])
        sent = JsArray([_sendable_file(file) for file in listed])
        kept = JsObject({name: value for name, value in members(options) if name not in _NOT_SENT})
        headers = [(name, js_string(value)) for name, value in members(option(options, "extraHeaders"))]
        headers.append(("content-type", "application/json"))
        body = js_json.plain_text(JsObject({"files": sent, "options": kept}))
        response = await self._fetcher(request_to("POST", "/to-everything/markdown/transformer", body, headers))
        if not response.ok:
            raise await listed_error(response, "AiInternalError")
        rows = option(await response.json(), "result", JsArray([]))
        if not len(rows):
            raise js_error("AiInternalError", "Internal Error Converting files into Markdown")
        return rows if isinstance(files, JsArray) else rows[0]

    @eager
    async def supported(self) -> Any:
        """Rows of `{extension, mimeType}`; the status is never looked at."""
        response = await self._fetcher(request_to("GET", "/to-everything/markdown/supported"))
        return option(await response.json(), "result")


def _run_request(model: str, inputs: Any, options: Any) -> JsRequest:
    sent = JsObject({name: value for name, value in members(options) if name not in _NOT_SENT})
    prefix = option(options, "prefix")
    headers = [
        *((name, js_string(value)) for name, value in members(option(option(options, "sessionOptions"), "extraHeaders"))),
        *((name, js_string(value)) for name, value in members(option(options, "extraHeaders"))),
        ("content-type", "application/json"),
        ("cf-consn-sdk-version", "2.0.0"),
        ("cf-consn-model-id", f"{js_string(prefix)}:{model}" if truthy(prefix) else model),
    ]
    signal = option(options, "signal")
    body = JsObject({"inputs": inputs, "options": sent})
    if truthy(option(options, "websocket")):
        query = urlencode([("version", "3"), ("body", js_json.plain_text(body))])
        return request_to("GET", f"/run?{query}", None, [*headers, ("upgrade", "websocket")], signal)
    streams = [name for name, value in members(inputs) if _is_stream(value) or _is_stream(option(value, "body"))]
    gateway = truthy(option(option(options, "gateway"), "id"))
    if not streams:
        path = "/ai-gateway/run?version=3" if gateway else "/run?version=3"
        return request_to("POST", path, js_json.plain_text(body), headers, signal)
    if len(streams) > 1:
        raise js_error("AiInternalError", f"Multiple ReadableStreams are not supported. Found streams in keys: [{', '.join(streams)}]")
    if gateway:
        raise js_error("AiInternalError", "AI Gateway does not support ReadableStreams yet.")
    return _stream_request(inputs, streams[0], sent, headers, signal)


def _stream_request(inputs: Any, key: str, sent: JsObject, headers: list[tuple[str, str]], signal: Any) -> JsRequest:
    given = dict(members(inputs))[key]
    content_type = None if _is_stream(given) else option(given, "contentType")
    if not truthy(content_type):
        raise js_error("AiInternalError", "Content-Type is required with ReadableStream inputs")
    body = option(given, "body")
    headers = [pair for pair in headers if pair[0] != "content-type"]
    if isinstance(body, ReadableStream):
        headers.append(("content-type", js_string(content_type)))  # a form names its own boundary
    rest = JsObject({name: value for name, value in members(inputs) if name != key})
    query = [(name, _query_value(value)) for name, value in members(sent) if value is not None]
    query += [("version", "3"), ("userInputs", js_json.plain_text(rest))]
    return request_to("POST", f"/run?{urlencode(query)}", body, headers, signal)


def _gateway_headers(gateway: Any) -> list[tuple[str, str]]:
    """Options of the universal endpoint travel as headers (ai-binding.md 3.2)."""
    headers = []
    for name, header in (("skipCache", "cf-aig-skip-cache"), ("collectLog", "cf-aig-collect-log")):
        if (value := option(gateway, name)) is not None:
            headers.append((header, "true" if truthy(value) else "false"))
    for name, header in (("cacheTtl", "cf-aig-cache-ttl"), ("cacheKey", "cf-aig-cache-key")):
        if truthy(value := option(gateway, name)):
            headers.append((header, js_string(value)))
    if truthy(metadata := option(gateway, "metadata")):
        headers.append(("cf-aig-metadata", js_json.plain_text(metadata)))
    for name, header in (("eventId", "cf-aig-event-id"), ("requestTimeoutMs", "cf-aig-request-timeout")):
        if (value := option(gateway, name)) is not None:
            headers.append((header, js_string(value)))
    retries = option(gateway, "retries")
    for name, header in (
        ("maxAttempts", "cf-aig-max-attempts"),
        ("retryDelayMs", "cf-aig-retry-delay"),
        ("backoff", "cf-aig-backoff"),
    ):
        if (value := option(retries, name)) is not None:
            headers.append((header, js_string(value)))
    return headers


def _sendable_entry(entry: Any) -> JsObject:
    """An entry of the universal endpoint: header values that are not text become text."""
    headers = {}
    for name, value in members(option(entry, "headers")):
        if isinstance(value, bool | int | float):
            headers[name] = js_string(value)
        else:
            headers[name] = js_json.stringify(value) if isinstance(value, JsProxy) else value
    return JsObject({**dict(members(entry)), "headers": JsObject(headers)})


def _sendable_file(file: Any) -> JsObject:
    blob = option(file, "blob")
    if not isinstance(blob, Blob):
        raise js_error("TypeError", "toMarkdown needs a Blob in `blob`")
    data = base64.b64encode(blob.data()).decode()
    return JsObject({"name": option(file, "name"), "mimeType": blob.type, "data": data})


def _is_stream(value: Any) -> bool:
    return isinstance(value, ReadableStream | FormData)


def _query_value(value: Any) -> str:
    return ",".join(js_string(item) for item in value) if isinstance(value, JsArray) else js_string(value)
