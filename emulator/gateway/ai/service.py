"""The AI binding's far side: every request to the fake origin https://workers-binding.ai (ai-binding.md 1.1), answered.

`run` and the universal endpoint ask the recordings first (playback.py), then the stub; backends of real models are not part of this
version, and `live` says so. A `gateway` option gives its call a log id and a log entry; caching, rate limits, retries and
fallback of AI Gateway are accepted and have no effect yet, so `cf-aig-cache-status` is always MISS.

A call ends with one `report`: `{type: "ai", model, call, mode, source, recording, status, ms, chunks, bytes, tokens, gateway, log_id,
request_id, notice, problem, code}`. `source` is `recording`, `stub` or `none`; `problem` the text of a miss or of a break and `code` its
error code; `status` 0 means that the caller left before an answer began.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from emulator.config import AiMode
from emulator.errors import EmuError
from emulator.gateway.ai import envelopes, markdown
from emulator.gateway.ai.answers import Answer
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.catalogue import search_models
from emulator.gateway.ai.classify import BadRequest, json_object, run_request, stream_input_request, universal_request
from emulator.gateway.ai.gateway_logs import GatewayLogs, log_entry, log_id, metadata_of
from emulator.gateway.ai.meter import MeteredBody
from emulator.gateway.ai.modes import Action
from emulator.gateway.ai.playback import Playback
from emulator.gateway.ai.replay import play
from emulator.gateway.ai.stub import Stub
from emulator.gateway.ai.stub_text import StubError
from emulator.gateway.exchange import Request, Response

ORIGIN = "https://workers-binding.ai"
_KEPT_CALLS = 500
_URL_PROVIDER_BASE = "https://gateway.ai.cloudflare.com/v1/local"

Report = Callable[[dict[str, Any]], None]


def wall_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class _Call:
    """What the report and the log entry of one call need."""

    request: ModelRequest
    body: bytes
    path: str
    started_ms: float
    created_ms: int
    gateway: str | None
    log_id: str | None
    request_id: str
    source: str = "none"
    recording: str | None = None
    notice: str | None = None
    problem: str | None = None
    code: str | None = None
    usage: Any = None


class AiService:
    """`serve` answers one request; it never raises for bad input. `now_ms` is the wall clock (log entries), `entropy` gives random
    bytes (ids). `report` hears of every call when its answer has been read to the end or left."""

    def __init__(
        self,
        playback: Playback,
        report: Report,
        *,
        now_ms: Callable[[], int] = wall_ms,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._playback = playback
        self._report = report
        self._now_ms = now_ms
        self._entropy = entropy
        self._stub = Stub()
        self._logs = GatewayLogs()
        self._calls: deque[dict[str, Any]] = deque(maxlen=_KEPT_CALLS)

    async def serve(self, request: Request) -> Response:
        """The answer to one request of the binding's client."""
        parts = urlsplit(request.url)
        path = [unquote(part) for part in parts.path.split("/") if part]
        if request.header("upgrade") is not None:
            return envelopes.gateway_error(
                501, 9904, "models over WebSocket are not emulated yet; call run() without `websocket`", "NotEmulated"
            )
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
                    provider_path = "" if provider in ([], ["universal"]) else "/" + "/".join(provider)
                    return envelopes.result({"url": f"{_URL_PROVIDER_BASE}/{gateway}{provider_path}"})
                case ("GET" | "PATCH", "ai-gateway", "gateways", gateway, "logs", entry):
                    return await self._log(request, gateway, entry)
                case ("GET", "ai-gateway", "gateways", _, "run", _, "resume"):
                    return envelopes.listed_error(404, 7404, "no resumable run of that id: run ids are not emulated yet")
                case ("GET", "ai-api", "models", "search"):
                    return envelopes.result(search_models(dict(parse_qsl(parts.query))))
                case ("POST", "to-everything", "markdown", "transformer" | "supported"):
                    return await self._to_markdown(request)
                case ("GET", "to-everything", "markdown", "supported"):
                    return envelopes.result(markdown.supported())
                case ("GET", "autorag", "rags"):
                    return envelopes.result([])
                case ("POST", "autorag", "rags", name, "search" | "ai-search"):
                    return envelopes.listed_error(404, 7002, f"AutoRAG {name!r} not found: AI Search has no local index")
        except BadRequest as error:
            return envelopes.run_error(400, 5006, f"AiError: Bad input: Error: {error}")
        except ValueError as error:
            return envelopes.listed_error(400, 7001, str(error))
        return envelopes.listed_error(404, 7000, f"the AI binding has no {request.method} {parts.path}")

    def status(self) -> dict[str, Any]:
        """For the control API; see Playback.status."""
        return self._playback.status()

    def calls(self) -> list[dict[str, Any]]:
        """The reports of the last calls, oldest first."""
        return list(self._calls)

    async def close(self) -> None:
        """Drop what is kept in memory."""
        self._calls.clear()

    async def _run(self, request: Request, query: str) -> Response:
        body = await request.read()
        if "userInputs=" in query:
            return await self._answer(stream_input_request(request.headers, query, body), body, request)
        return await self._answer(run_request(request.headers, body), body, request)

    async def _answer(self, asked: ModelRequest, body: bytes, request: Request) -> Response:
        call = self._begin(asked, body, urlsplit(request.url).path)
        try:
            response = await self._respond(call)
        except asyncio.CancelledError:
            self._end(call, Response(0), 0, 0, b"", None)  # the caller left before the first byte
            raise
        except EmuError as error:
            call.problem, call.code = error.render(), error.code
            response = envelopes.gateway_error(500, 9905, error.render(), "FixtureBroken")
        response.headers += [("cf-ai-req-id", call.request_id), *self._gateway_headers(call)]
        body_out = response.body
        if isinstance(body_out, bytes):
            self._end(call, response, 1 if body_out else 0, len(body_out), body_out[:512], None)
            return response

        def ended(chunks: int, size: int, head: bytes, failure: Exception | None) -> None:
            self._end(call, response, chunks, size, head, failure)

        response.body = MeteredBody(body_out, ended)
        return response

    async def _respond(self, call: _Call) -> Response:
        playback = self._playback
        verdict = playback.find(call.request)
        if verdict.refusal is not None:
            call.problem, call.code = verdict.refusal.description, verdict.refusal.code
            return envelopes.gateway_error(400, verdict.refusal.internal_code, verdict.refusal.description, verdict.refusal.name)
        answer: Answer
        if verdict.action is Action.REPLAY and verdict.recording is not None:
            call.source, call.recording = "recording", verdict.recording.name
            answer = verdict.recording.answer()
        else:
            call.source = "stub"
            if playback.mode is not AiMode.STUB:
                call.notice = f"answered by the stub: {verdict.reason}, no backend"
            try:
                answer = self._stub.answer(call.request)
            except StubError as error:
                return envelopes.run_error(error.status, error.code, str(error))
        call.usage = answer.usage
        return await play(answer, playback.pacer, started_ms=call.started_ms)

    def _begin(self, asked: ModelRequest, body: bytes, path: str) -> _Call:
        gateway = str((asked.gateway or {}).get("id") or "") or None
        now = self._now_ms()
        return _Call(
            request=asked,
            body=body,
            path=path,
            started_ms=self._playback.pacer.now_ms(),
            created_ms=now,
            gateway=gateway,
            log_id=log_id(now, self._entropy(10)) if gateway else None,
            request_id=str(uuid.UUID(bytes=self._entropy(16), version=4)),
        )

    def _gateway_headers(self, call: _Call) -> list[tuple[str, str]]:
        if call.gateway is None or call.log_id is None:
            return []
        headers = [("cf-aig-log-id", call.log_id), ("cf-aig-request-id", call.log_id)]
        headers += [("cf-aig-cache-status", "MISS"), ("cf-aig-step", "0")]
        event_id = (call.request.gateway or {}).get("eventId") or call.request.headers.get("cf-aig-event-id")
        return [*headers, ("cf-aig-event-id", str(event_id))] if event_id else headers

    def _end(self, call: _Call, response: Response, chunks: int, size: int, head: bytes, failure: Exception | None) -> None:
        duration_ms = round(self._playback.pacer.now_ms() - call.started_ms)
        provider, model = _provider_and_model(call.request)
        if call.gateway is not None and call.log_id is not None and _collects_log(call.request):
            settings = call.request.gateway or {}
            self._logs.add(
                call.gateway,
                log_entry(
                    entry_id=call.log_id,
                    provider=provider,
                    model=model,
                    path=call.path,
                    created_ms=call.created_ms,
                    duration_ms=duration_ms,
                    status=response.status,
                    streamed=chunks > 1,
                    request=call.body,
                    response_size=size,
                    response_head=head,
                    response_type=response.header("content-type") or "",
                    usage=call.usage,
                    metadata=metadata_of(settings.get("metadata") or call.request.headers.get("cf-aig-metadata")),
                ),
            )
        if failure is not None and call.problem is None:
            call.problem, call.code = (failure.what, failure.code) if isinstance(failure, EmuError) else (repr(failure), None)
        event = {
            "type": "ai",
            "model": model,
            "call": str(call.request.kind),
            "mode": self._playback.mode.value,
            "source": call.source,
            "recording": call.recording,
            "status": response.status,
            "ms": duration_ms,
            "chunks": chunks,
            "bytes": size,
            "tokens": call.usage,
            "gateway": call.gateway,
            "log_id": call.log_id,
            "request_id": call.request_id,
            "notice": call.notice,
            "problem": call.problem,
            "code": call.code,
        }
        self._calls.append(event)
        self._report(event)

    async def _log(self, request: Request, gateway: str, entry_id: str) -> Response:
        if request.method == "PATCH":
            if not self._logs.patch(gateway, entry_id, json_object(await request.read())):
                return envelopes.listed_error(404, 7002, "Log not found")
            return envelopes.result({})
        entry = self._logs.get(gateway, entry_id)
        return envelopes.listed_error(404, 7002, "Log not found") if entry is None else envelopes.result(entry)

    async def _to_markdown(self, request: Request) -> Response:
        files = json_object(await request.read()).get("files")
        if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
            raise ValueError("`files` must be an array of {name, mimeType, data}")
        return envelopes.result([markdown.convert(file) for file in files])


def _provider_and_model(request: ModelRequest) -> tuple[str, str]:
    if request.kind is Kind.UNIVERSAL:
        entry = request.body[0]
        query = entry.get("query")
        model = query.get("model") if isinstance(query, dict) else None
        return str(entry.get("provider", "")), str(model or entry.get("endpoint", ""))
    return "workers-ai" if request.target.startswith("@") else request.target.split("/")[0], request.target


def _collects_log(request: ModelRequest) -> bool:
    wanted = (request.gateway or {}).get("collectLog", request.headers.get("cf-aig-collect-log"))
    return wanted not in (False, "false")
