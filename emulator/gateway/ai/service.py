"""The AI binding's far side: every request to the fake origin https://workers-binding.ai (ai-binding.md 1.1), answered.

A call with a gateway goes through ai_gateway/ first; then, for each attempt, upstream.py asks the recordings, and outside.py a model.

A call ends with one `report`: `{type: "ai", model, call, mode, status, ms, chunks, bytes, gateway, log_id, key, error_code}` and the fields
of calls.py. `problem` is the text of a miss or of a break and `code` its error code; `status` 0 means that the caller left before an
answer began; `error_code` is the code that user code got; `key` tells two calls apart that ask for different things.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

from emulator.errors import EmuError
from emulator.gateway.ai import envelopes, markdown, search
from emulator.gateway.ai.ai_gateway.public_urls import gateway_url
from emulator.gateway.ai.ai_gateway.usage import UsageReader
from emulator.gateway.ai.bodies import OnChunk, measured, to_nobody
from emulator.gateway.ai.call_log import Report
from emulator.gateway.ai.calls import Call
from emulator.gateway.ai.canonical import Kind, ModelRequest, canonical, compact, key_of
from emulator.gateway.ai.cassettes.frames import Inbox
from emulator.gateway.ai.catalogue import search_models
from emulator.gateway.ai.classify import (
    BadRequest,
    http_request,
    json_object,
    run_request,
    stream_input_request,
    universal_request,
    websocket_request,
)
from emulator.gateway.ai.faults.overlay import after
from emulator.gateway.ai.inputs.input_rules import InputRules
from emulator.gateway.ai.outside import Outside
from emulator.gateway.ai.playback import Playback
from emulator.gateway.ai.providers import model_in
from emulator.gateway.ai.reply import Reply, Source
from emulator.gateway.ai.scope import scope_of
from emulator.gateway.ai.upstream import Upstream
from emulator.gateway.exchange import Request, Response
from emulator.gateway.failures import NetworkFailure

if TYPE_CHECKING:
    from emulator.gateway.ai.ai_gateway.gateway import AiGateway, GatewayOutcome

ORIGIN = "https://workers-binding.ai"
_OURS = frozenset({"cf-ai-req-id", "x-emulator-warnings"})

Leg = Callable[[Call], Awaitable[Reply]]


def wall_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class AiService:
    """`serve` answers one request; it never raises for bad input. `entropy` gives random bytes (ids). `report` hears of every call when its
    answer has been read to the end or left, `on_chunk` of each chunk of one on its way."""

    def __init__(
        self,
        playback: Playback,
        upstream: Upstream,
        gateway: Callable[[], AiGateway],
        outside: Outside,
        rules: InputRules,
        report: Report,
        *,
        on_chunk: OnChunk = to_nobody,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._on_chunk = on_chunk
        self._rules = rules
        self._playback = playback
        self._upstream = upstream
        self._gateway = gateway
        self._outside = outside
        self._report = report
        self._entropy = entropy

    async def serve(self, request: Request) -> Response:
        """The answer to one request of the binding's client. Raises NetworkFailure for a fault that refuses the connection."""
        parts = urlsplit(request.url)
        path = [unquote(part) for part in parts.path.split("/") if part]
        try:
            match (request.method, *path):
                case ("POST", "run"):
                    return await self._run(request, parts.query)
                case ("POST", "ai-gateway", "run"):
                    return await self._run(request, "")
                case ("POST", "ai-gateway", "universal", "run", gateway):
                    body = await request.read()
                    return await self._answer(universal_request(gateway, request.headers, body), body, request)
                case ("GET", "ai-gateway", "gateways", gateway, "url", *provider):
                    return envelopes.result({"url": gateway_url(gateway, "/".join(provider))})
                case ("GET" | "PATCH", "ai-gateway", "gateways", gateway, "logs", entry):
                    return await self._log(request, gateway, entry)
                case ("GET", "ai-gateway", "gateways", gateway, "run", run_id, "resume"):
                    start = parse_qs(parts.query).get("from", ["0"])[0]
                    return await self._gateway().resume(gateway, run_id, int(start))
                case (_, "ai-gateway", "gateways", gateway, _, *_):
                    return await self._provider(request, gateway, parts.path)
                case ("GET", "ai-api", "models", "search"):
                    return envelopes.result(search_models(dict(parse_qsl(parts.query))))
                case ("POST", "to-everything", "markdown", "transformer" | "supported"):
                    return await self._to_markdown(request)
                case ("GET", "to-everything", "markdown", "supported"):
                    return envelopes.result(markdown.supported())
                case ("GET", "autorag", "rags"):
                    return search.rags(self._instances(Kind.AUTORAG))
                case ("POST", "autorag", "rags", name, "search" | "ai-search" as verb):
                    return await self._search(Kind.AUTORAG, f"{name}/{verb}", request)
                case ("GET", "ai-search", "instances"):
                    return search.instances(self._instances(Kind.AI_SEARCH), dict(parse_qsl(parts.query)))
                case ("POST", "ai-search", "instances", name, verb):
                    return await self._search(Kind.AI_SEARCH, f"{name}/{verb}", request)
                case ("POST", "ai-search", "search" | "chat-completions" as verb):
                    return await self._search(Kind.AI_SEARCH, verb, request)
        except BadRequest as error:
            return envelopes.run_error(400, 5006, f"AiError: Bad input: Error: {error}")
        except ValueError as error:
            return envelopes.listed_error(400, 7001, str(error))
        return envelopes.listed_error(404, 7000, f"the AI binding has no {request.method} {parts.path}")

    async def converse(self, request: Request, inbox: Inbox) -> Response:
        """`run` with `websocket`: of status 101, and then with frames as its body (frames.py), or what `run` answers when it fails."""
        try:
            asked = websocket_request(request.headers, urlsplit(request.url).query)
        except BadRequest as error:
            return envelopes.run_error(400, 5006, f"AiError: Bad input: Error: {error}")
        return await self._answer(asked, b"", request, lambda call: self._conversation(call, asked, inbox))

    async def _run(self, request: Request, query: str) -> Response:
        body = await request.read()
        if "userInputs=" in query:
            return await self._answer(stream_input_request(request.headers, query, body), body, request)
        return await self._answer(run_request(request.headers, body), body, request)

    async def _provider(self, request: Request, gateway: str, path: str) -> Response:
        """A provider's own endpoint behind a gateway, as agents' `ai(model)` asks it through `env.AI.fetch`: the path below the gateway is
        that of the public address."""
        body = await request.read()
        url = gateway_url(gateway) + path.split("/", 4)[4]
        asked = replace(http_request(request.method, url, request.headers, body), gateway={"id": gateway})
        return await self._answer(asked, body, request)

    async def _answer(self, asked: ModelRequest, body: bytes, request: Request, leg: Leg | None = None) -> Response:
        """`leg` answers what is no call of `run` or of a provider."""
        call = Call(
            request=asked,
            started_ms=self._playback.pacer.now_ms(),
            request_id=str(uuid.UUID(bytes=self._entropy(16), version=4)),
            body=body,
            scope=scope_of(request.headers, asked),
        )
        outcome: GatewayOutcome | None = None
        try:
            if leg is not None:
                reply = await leg(call)
            elif asked.gateway is None:
                reply = await self._leg(call, asked)
            else:
                reply, outcome = await self._through_gateway(call, asked, request)
            if call.pending is not None:
                reply = await after(call.pending, reply, self._playback.pacer)
            call.learn(reply)
            response = reply.response
        except asyncio.CancelledError:
            self._end(call, Response(0), 0, 0, None, outcome, None)  # the caller left before the first byte
            raise
        except NetworkFailure as error:
            self._end(call, Response(0), 0, 0, None, outcome, error)  # the binding itself cannot be reached: a fault
            raise
        except EmuError as error:
            call.problem, call.code = error.render(), error.code
            response = envelopes.gateway_error(500, 9905, error.render(), "FixtureBroken")
        # A response of our own: the recorder holds the one that came.
        headers = [(name, value) for name, value in response.headers if name.lower() not in _OURS]
        response = Response(response.status, [*headers, ("cf-ai-req-id", call.request_id)], response.body)
        if call.warnings:
            response.headers.append(("x-emulator-warnings", "; ".join(call.warnings).encode("ascii", "replace").decode()))
        reader = UsageReader(response.header("content-type") or "")

        def ended(chunks: int, size: int, failure: Exception | None) -> None:
            self._end(call, response, chunks, size, reader, outcome, failure)

        return measured(response, ended, reader.feed, lambda number, size: self._on_chunk(call.request_id, number, size))

    def _instances(self, kind: Kind) -> list[str]:
        return search.known_instances(kind, self._playback.library.shelf().recordings)

    async def _search(self, kind: Kind, target: str, request: Request) -> Response:
        body = await request.read()
        asked = search.search_request(kind, target, body)
        return await self._answer(asked, body, request, lambda call: self._upstream.answer(call, asked, lambda: _unindexed(call, asked)))

    async def _conversation(self, call: Call, asked: ModelRequest, inbox: Inbox) -> Reply:
        refused = await self._rules.check(call, asked)
        if refused is not None:
            return refused
        reply = await self._upstream.answer(call, asked, lambda: self._outside.converse(asked, inbox))
        inbox.replayed = reply.source is Source.RECORDING
        return reply

    async def _leg(self, call: Call, asked: ModelRequest) -> Reply:
        refused = await self._rules.check(call, asked)
        return refused or await self._upstream.answer(call, asked, lambda: self._outside.model(asked, call.body))

    async def _through_gateway(self, call: Call, asked: ModelRequest, request: Request) -> tuple[Reply, GatewayOutcome]:
        assert asked.gateway is not None
        reply, outcome = await self._gateway().run(
            asked,
            lambda leg, step: self._leg(call, leg),
            gateway_id=str(asked.gateway.get("id") or "default"),
            raw_body=call.body,
            path=urlsplit(request.url).path,
            headers={name.lower(): value for name, value in request.headers},
        )
        call.warnings += outcome.warnings
        return reply, outcome

    def _end(
        self,
        call: Call,
        response: Response,
        chunks: int,
        size: int,
        reader: UsageReader | None,
        outcome: GatewayOutcome | None,
        failure: Exception | None,
    ) -> None:
        if failure is not None and call.problem is None:
            call.problem, call.code = (failure.what, failure.code) if isinstance(failure, EmuError) else (repr(failure), None)
        if call.usage is None and reader is not None:
            call.usage = reader.usage
        if outcome is not None:
            call.cost_usd = outcome.cost_usd
        event = {
            "type": "ai",
            "model": model_of(call.request),
            "call": str(call.request.kind),
            "mode": self._playback.mode.value,
            "status": response.status,
            "ms": round(self._playback.pacer.now_ms() - call.started_ms),
            "chunks": chunks,
            "bytes": size,
            "gateway": outcome.gateway if outcome else None,
            "log_id": outcome.log_id if outcome else None,
            "key": key_of(canonical(call.request))[:16],
            "error_code": error_code(response),
            **call.fields(),
        }
        self._report(call.request, event)

    async def _log(self, request: Request, gateway: str, entry_id: str) -> Response:
        if request.method == "PATCH":
            if not self._gateway().patch_log(gateway, entry_id, json_object(await request.read())):
                return envelopes.listed_error(404, 7002, "Log not found")
            return envelopes.result({})
        entry = self._gateway().get_log(gateway, entry_id)
        return envelopes.listed_error(404, 7002, "Log not found") if entry is None else envelopes.result(entry)

    async def _to_markdown(self, request: Request) -> Response:
        body = json_object(await request.read())
        files, asked = body.get("files"), body.get("options")
        if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
            raise ValueError("`files` must be an array of {name, mimeType, data}")
        options = asked.get("conversionOptions") if isinstance(asked, dict) else None

        async def converted() -> Reply:
            rows = [await markdown.convert(file, options if isinstance(options, dict) else {}) for file in files]
            return Reply(envelopes.result(rows), Source.NONE)

        recordings = self._playback.library.shelf().recordings
        if not any(recording.request.kind is Kind.TO_MARKDOWN for recording in recordings):
            return (await converted()).response
        # Whoever recorded conversions wants those: of pictures, say, which only a model describes.
        call_of = ModelRequest(Kind.TO_MARKDOWN, "transformer", {"files": files, "options": asked})
        return await self._answer(call_of, compact(body).encode(), request, lambda call: self._upstream.answer(call, call_of, converted))


async def _unindexed(call: Call, asked: ModelRequest) -> Reply:
    refusal, call.problem = search.no_index(asked)
    call.code = search.NO_INDEX
    return Reply(refusal, Source.NONE)


def model_of(request: ModelRequest) -> str:
    """The model a report names: of the universal endpoint the first entry's."""
    if request.kind is Kind.GATEWAY_HTTP:
        return model_in(request.body) or request.target
    if request.kind is not Kind.UNIVERSAL:
        return request.target
    entry = request.body[0]
    query = entry.get("query")
    model = query.get("model") if isinstance(query, dict) else None
    return str(model or entry.get("endpoint", ""))


def error_code(response: Response) -> int | None:
    """The code in an error's body, which is all that user code sees of it (ai-binding.md 1.3); None for an answer that is none."""
    if response.status < 400 or not isinstance(response.body, bytes):
        return None
    try:
        body = json_object(response.body)
    except BadRequest:
        return None
    first = (body.get("errors") or body.get("error") or [None])[0] if isinstance(body.get("errors") or body.get("error"), list) else None
    code = body.get("internalCode") or (first.get("code") if isinstance(first, dict) else None)
    return code if isinstance(code, int) else None
