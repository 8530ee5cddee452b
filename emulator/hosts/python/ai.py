"""`env.AI` as user code sees it: class `Ai` and what hangs on it, over one inner fetcher (ai-binding.md 0, 1.1 and 1.3).

Each call becomes one request to the fake origin https://workers-binding.ai; the gateway answers it. What a client decides
is decided here: which path, how options travel, what counts as an error, what is parsed and what is handed out as a stream.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

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

type Fetcher = Callable[[JsRequest], JsPromise]
"""Sends one request to the gateway's AI service; a promise of its `JsResponse`."""

ORIGIN = "https://workers-binding.ai"
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
        if _truthy(option(options, "returnRawResponse")) or _truthy(option(options, "websocket")):
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
        query = urlencode([(name, js_string(value)) for name, value in _members(params) if not is_nullish(value)])
        response = await self._fetcher(_request("GET", f"/ai-api/models/search?{query}"))
        if not response.ok:
            raise await self._inference_error(response)
        return option(await response.json(), "result")

    @takes_options
    def toMarkdown(self, files: Any = None, options: Any = None) -> Any:
        """Without arguments the service with `transform` and `supported`; with files, `transform(files, options)`."""
        service = ToMarkdownService(self._fetcher)
        return service if is_nullish(files) else service.transform(files, options)

    def gateway(self, gateway_id: Any, _options: Any = None) -> AiGateway:
        """AI Gateway `gateway_id`."""
        return AiGateway(self._fetcher, js_string(gateway_id))

    def autorag(self, name: Any = None) -> AutoRAG:
        """AutoRAG instance `name`; `list()` needs no name."""
        return AutoRAG(self._fetcher, None if is_nullish(name) else js_string(name))

    def aiSearch(self) -> Any:
        raise js_error("Error", "aiSearch() is not emulated: AI Search has no local index.")

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
        if _truthy(code):
            self.lastRequestInternalStatusCode = code
            name = option(parsed, "name", "InferenceUpstreamError")
            return js_error(js_string(name), f"{js_string(code)}: {js_string(option(parsed, 'description'))}")
        first = _first(option(parsed, "errors"))
        if first is not None:
            return js_error("InferenceUpstreamError", f"{js_string(option(first, 'code'))}: {js_string(option(first, 'message'))}")
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
        headers += [(name, js_string(value)) for name, value in _members(option(options, "extraHeaders"))]
        path = f"/ai-gateway/universal/run/{self._id}"
        return await self._fetcher(_request("POST", path, js_json.plain_text(body), headers, option(options, "signal")))

    @eager
    async def getUrl(self, provider: Any = None) -> Any:
        """The public address of the gateway, of one provider when given."""
        name = "universal" if is_nullish(provider) else js_string(provider)
        response = await self._fetcher(_request("GET", f"/ai-gateway/gateways/{self._id}/url/{name}"))
        if not response.ok:
            raise await _listed_error(response, "AiGatewayInternalError")
        return option(option(await response.json(), "result"), "url")

    @eager
    async def getLog(self, log_id: Any) -> Any:
        """The log entry, `created_at` as a Date. Raises AiGatewayLogNotFound, AiGatewayInternalError."""
        response = await self._log("GET", log_id)
        entry = option(await response.json(), "result")
        created = JsDate._js_new(option(entry, "created_at"))
        return JsObject({**dict(_members(entry)), "created_at": created})

    @takes_options
    @eager
    async def patchLog(self, log_id: Any, data: Any = None) -> None:
        """Set `score`, `feedback` or `metadata` of a log entry. Raises like getLog."""
        await self._log("PATCH", log_id, js_json.plain_text(data))

    async def _log(self, method: str, log_id: Any, body: str | None = None) -> JsResponse:
        path = f"/ai-gateway/gateways/{self._id}/logs/{js_string(log_id)}"
        headers = [] if body is None else [("content-type", "application/json")]
        response: JsResponse = await self._fetcher(_request(method, path, body, headers))
        if response.status == 404:
            raise await _listed_error(response, "AiGatewayLogNotFound", "Log Not Found", unreadable="AiGatewayInternalError")
        if response.status != 200:
            raise await _listed_error(response, "AiGatewayInternalError")
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
        kept = JsObject({name: value for name, value in _members(options) if name not in _NOT_SENT})
        headers = [(name, js_string(value)) for name, value in _members(option(options, "extraHeaders"))]
        headers.append(("content-type", "application/json"))
        body = js_json.plain_text(JsObject({"files": sent, "options": kept}))
        response = await self._fetcher(_request("POST", "/to-everything/markdown/transformer", body, headers))
        if not response.ok:
            raise await _listed_error(response, "AiInternalError")
        rows = option(await response.json(), "result", JsArray([]))
        if not len(rows):
            raise js_error("AiInternalError", "Internal Error Converting files into Markdown")
        return rows if isinstance(files, JsArray) else rows[0]

    @eager
    async def supported(self) -> Any:
        """Rows of `{extension, mimeType}`; the status is never looked at."""
        response = await self._fetcher(_request("GET", "/to-everything/markdown/supported"))
        return option(await response.json(), "result")


class AutoRAG(JsProxy):
    """AutoRAG (`env.AI.autorag(name)`)."""

    __slots__ = ("__weakref__", "_fetcher", "_name")
    _js_name = "AutoRAG"

    def __init__(self, fetcher: Fetcher, name: str | None) -> None:
        self._fetcher = fetcher
        self._name = name

    @eager
    async def list(self) -> Any:
        """All instances."""
        response = await self._fetcher(_request("GET", "/autorag/rags"))
        if not response.ok:
            raise await _listed_error(response, "AutoRAGInternalError")
        return option(await response.json(), "result")

    @takes_options
    @eager
    async def search(self, params: Any = None) -> Any:
        """Search `query`. Raises AutoRAGNameNotSetError, AutoRAGNotFoundError, AutoRAGUnauthorizedError, AutoRAGInternalError."""
        return option(await (await self._ask("search", params)).json(), "result")

    @takes_options
    @eager
    async def aiSearch(self, params: Any = None) -> Any:
        """Search and answer; the Response itself when `stream` is true. Raises like search."""
        response = await self._ask("ai-search", params)
        return response if option(params, "stream") is True else option(await response.json(), "result")

    async def _ask(self, verb: str, params: Any) -> JsResponse:
        if not self._name:
            raise js_error("AutoRAGNameNotSetError", "AutoRAG name not defined")
        headers = [("content-type", "application/json")]
        body = js_json.plain_text(params)
        response: JsResponse = await self._fetcher(_request("POST", f"/autorag/rags/{self._name}/{verb}", body, headers))
        if response.status == 401:
            raise await _listed_error(response, "AutoRAGUnauthorizedError", "You don't have access to this AutoRAG")
        if response.status == 404:
            raise await _listed_error(response, "AutoRAGNotFoundError", "AutoRAG not found")
        if not response.ok:
            raise await _listed_error(response, "AutoRAGInternalError")
        return response


def _run_request(model: str, inputs: Any, options: Any) -> JsRequest:
    sent = JsObject({name: value for name, value in _members(options) if name not in _NOT_SENT})
    prefix = option(options, "prefix")
    headers = [
        *((name, js_string(value)) for name, value in _members(option(option(options, "sessionOptions"), "extraHeaders"))),
        *((name, js_string(value)) for name, value in _members(option(options, "extraHeaders"))),
        ("content-type", "application/json"),
        ("cf-consn-sdk-version", "2.0.0"),
        ("cf-consn-model-id", f"{js_string(prefix)}:{model}" if _truthy(prefix) else model),
    ]
    signal = option(options, "signal")
    body = JsObject({"inputs": inputs, "options": sent})
    if _truthy(option(options, "websocket")):
        query = urlencode([("version", "3"), ("body", js_json.plain_text(body))])
        return _request("GET", f"/run?{query}", None, [*headers, ("upgrade", "websocket")], signal)
    streams = [name for name, value in _members(inputs) if _is_stream(value) or _is_stream(option(value, "body"))]
    gateway = _truthy(option(option(options, "gateway"), "id"))
    if not streams:
        path = "/ai-gateway/run?version=3" if gateway else "/run?version=3"
        return _request("POST", path, js_json.plain_text(body), headers, signal)
    if len(streams) > 1:
        raise js_error("AiInternalError", f"Multiple ReadableStreams are not supported. Found streams in keys: [{', '.join(streams)}]")
    if gateway:
        raise js_error("AiInternalError", "AI Gateway does not support ReadableStreams yet.")
    return _stream_request(inputs, streams[0], sent, headers, signal)


def _stream_request(inputs: Any, key: str, sent: JsObject, headers: list[tuple[str, str]], signal: Any) -> JsRequest:
    given = dict(_members(inputs))[key]
    content_type = None if _is_stream(given) else option(given, "contentType")
    if not _truthy(content_type):
        raise js_error("AiInternalError", "Content-Type is required with ReadableStream inputs")
    body = option(given, "body")
    headers = [pair for pair in headers if pair[0] != "content-type"]
    if isinstance(body, ReadableStream):
        headers.append(("content-type", js_string(content_type)))  # a form names its own boundary
    rest = JsObject({name: value for name, value in _members(inputs) if name != key})
    query = [(name, _query_value(value)) for name, value in _members(sent) if value is not None]
    query += [("version", "3"), ("userInputs", js_json.plain_text(rest))]
    return _request("POST", f"/run?{urlencode(query)}", body, headers, signal)


def _request(method: str, path: str, body: Any = None, headers: list[tuple[str, str]] | None = None, signal: Any = None) -> JsRequest:
    pairs = JsArray([JsArray(list(pair)) for pair in _last_of_each(headers or [])])
    init = {"method": method, "headers": pairs, "body": body, "signal": signal}
    return JsRequest(ORIGIN + path, JsObject({name: value for name, value in init.items() if value is not None}))


def _last_of_each(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Later headers replace earlier ones of the same name, as spread objects do."""
    return list({name.lower(): (name, value) for name, value in headers}.values())


def _gateway_headers(gateway: Any) -> list[tuple[str, str]]:
    """Options of the universal endpoint travel as headers (ai-binding.md 3.2)."""
    headers = []
    for name, header in (("skipCache", "cf-aig-skip-cache"), ("collectLog", "cf-aig-collect-log")):
        if (value := option(gateway, name)) is not None:
            headers.append((header, "true" if _truthy(value) else "false"))
    for name, header in (("cacheTtl", "cf-aig-cache-ttl"), ("cacheKey", "cf-aig-cache-key")):
        if _truthy(value := option(gateway, name)):
            headers.append((header, js_string(value)))
    if _truthy(metadata := option(gateway, "metadata")):
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
    for name, value in _members(option(entry, "headers")):
        if isinstance(value, bool | int | float):
            headers[name] = js_string(value)
        else:
            headers[name] = js_json.stringify(value) if isinstance(value, JsProxy) else value
    return JsObject({**dict(_members(entry)), "headers": JsObject(headers)})


def _sendable_file(file: Any) -> JsObject:
    blob = option(file, "blob")
    if not isinstance(blob, Blob):
        raise js_error("TypeError", "toMarkdown needs a Blob in `blob`")
    data = base64.b64encode(blob.data()).decode()
    return JsObject({"name": option(file, "name"), "mimeType": blob.type, "data": data})


async def _listed_error(response: JsResponse, name: str, default: str = "Internal Error", *, unreadable: str | None = None) -> JsException:
    """The error of a management path: `errors[0].message`, else `default`; the raw text when it is no JSON."""
    content = await response.text()
    try:
        errors = option(js_json.parse(content), "errors")
    except JsException:
        return js_error(unreadable or name, content)
    message = option(_first(errors), "message", default)
    return js_error(name, js_string(message) or default)


def _members(value: Any) -> list[tuple[str, Any]]:
    return list(value._js_own().items()) if isinstance(value, JsObject) else []


def _first(errors: Any) -> Any:
    return errors[0] if isinstance(errors, JsArray) and len(errors) else None


def _is_stream(value: Any) -> bool:
    return isinstance(value, ReadableStream | FormData)


def _query_value(value: Any) -> str:
    return ",".join(js_string(item) for item in value) if isinstance(value, JsArray) else js_string(value)


def _truthy(value: Any) -> bool:
    """JavaScript's: every object is true."""
    return value is not None and value is not jsnull and (isinstance(value, JsProxy) or bool(value))
