"""Outbound HTTP(S) of user code: one place where a request is answered from a recording, let out, or denied (design 4.6).

The mode is the AI binding's: `live` lets everything out; `auto` asks the recordings first and lets the rest out, except under CI,
where only this machine's own addresses may be reached; `replay` opens no socket at all; `stub` answers requests to the providers of
models itself (ai/providers.py) and lets the rest out. What is denied is answered with status 599
and a body that names the request and the next step; `x-should-retry: false` keeps SDKs from asking again.

Bodies stream both ways. As in workerd, user code gets decoded bytes: gzip and deflate are decoded on the way and their header is
dropped; another encoding passes untouched, header kept. Up to 20 redirects are followed unless `x-emu-redirect: manual` is there; an
answer that came by one has the address it came from in `x-emu-url`.

A request ends with one `report`: `{type: "egress", method, url, source, recording, status, ms, chunks, bytes, problem}`; `source` is
`recording`, `stub`, `live` or `none`; secrets in a URL are masked.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from emulator.config import AiMode
from emulator.errors import EmuError
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.classify import http_request, http_target, shown_url
from emulator.gateway.ai.envelopes import json_response
from emulator.gateway.ai.meter import MeteredBody
from emulator.gateway.ai.modes import Action
from emulator.gateway.ai.playback import Playback
from emulator.gateway.ai.providers import endpoint_of, provider_request
from emulator.gateway.ai.replay import play
from emulator.gateway.ai.stub import Stub
from emulator.gateway.ai.stub_text import StubError
from emulator.gateway.exchange import HOP_BY_HOP, URL_HEADER, Headers, Request, Response, header
from emulator.gateway.failures import NetworkFailure
from emulator.gateway.late import late_import
from emulator.gateway.redirects import Hop, KeptBody, next_hop

if TYPE_CHECKING:
    from emulator.gateway.remote_servers import RemoteServers

_CONTROL_HEADER = "x-emu-redirect"
_OURS = frozenset({_CONTROL_HEADER, URL_HEADER, "x-emulator-scope"})
_MOST_REDIRECTS = 20

Report = Callable[[dict[str, Any]], None]


class EgressService:
    """`serve` answers one outbound request, or raises NetworkFailure. Close it to close its connections."""

    def __init__(self, playback: Playback, report: Report) -> None:
        self._playback = playback
        self._report = report
        self._stub = Stub()
        self._servers: RemoteServers | None = None

    async def serve(self, request: Request) -> Response:
        """The answer to one outbound request of user code."""
        call = _Call(request.method.upper(), request.url, self._playback.pacer.now_ms())
        try:
            response = await self._respond(request, call)
        except asyncio.CancelledError:
            self._finish(call, 0, 0, 0, None)  # user code left before the first byte
            raise
        except EmuError as error:
            self._finish(call, 0, 0, 0, error)
            raise
        body = response.body
        if isinstance(body, bytes):
            self._finish(call, response.status, 1 if body else 0, len(body), None)
            return response

        def ended(chunks: int, size: int, head: bytes, failure: Exception | None) -> None:
            self._finish(call, response.status, chunks, size, failure)

        response.body = MeteredBody(body, ended)
        return response

    def lets_out(self, url: str) -> bool:
        """Whether what no recording answers may leave the machine: never in `replay`, under CI only to loopback."""
        return not self._playback.strict or (self._playback.mode is AiMode.AUTO and is_loopback(url))

    async def close(self) -> None:
        """Close all connections; a later request opens new ones."""
        if self._servers is not None:
            servers, self._servers = self._servers, None
            await servers.close()

    async def _respond(self, request: Request, call: _Call) -> Response:
        parts = urlsplit(request.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise NetworkFailure.refused(f"cannot fetch {shown_url(request.url)}", f"Fetch API cannot load: {shown_url(request.url)}")
        playback = self._playback
        body = request.body
        if playback.may_hold(request.method, request.url):
            data = await request.read()
            body = _once(data) if data else None
            asked = http_request(request.method, request.url, request.headers, data)
            verdict = playback.find(asked, lenient=playback.mode is AiMode.AUTO and is_loopback(request.url))
            if verdict.refusal is not None:
                call.problem = verdict.refusal.description
                return _denied(call, verdict.refusal.code, verdict.refusal.description)
            if verdict.action is Action.REPLAY and verdict.recording is not None:
                call.source, call.recording = "recording", verdict.recording.name
                return await play(verdict.recording.answer(), playback.pacer, started_ms=call.started_ms)
        elif playback.mode is AiMode.STUB and (spoken := endpoint_of(request.method, request.url)) is not None:
            data = await request.read()
            body = _once(data) if data else None
            model_call = provider_request(*spoken, data)
            if model_call is not None:
                call.source = "stub"
                return await self._from_stub(model_call, call)
        call.source = "live"
        follow = request.header(_CONTROL_HEADER) != "manual"
        return await self._live(Hop(call.method, request.url, _sendable(request.headers), body), follow)

    async def _from_stub(self, asked: ModelRequest, call: _Call) -> Response:
        try:
            answer = self._stub.answer(asked)
        except StubError as error:
            call.problem = str(error)
            return json_response({"error": {"message": str(error), "type": "invalid_request_error"}}, error.status)
        return await play(answer, self._playback.pacer, started_ms=call.started_ms)

    async def _live(self, hop: Hop, follow: bool) -> Response:
        kept = KeptBody(hop.body) if follow and hop.body is not None else None
        if kept is not None:
            hop = hop.with_body(aiter(kept))
        for redirects in range(_MOST_REDIRECTS + 1):
            response = await (await self._remote()).send(hop, arrived=bool(redirects))
            following = next_hop(hop, response.status, header(response.headers, "location"), kept) if follow else None
            if following is None:
                return response
            await response.aclose()
            hop = following
        raise NetworkFailure.refused(f"more than {_MOST_REDIRECTS} redirects from {shown_url(hop.url)}", "Too many redirects.")

    async def _remote(self) -> RemoteServers:
        if self._servers is None:
            # Importing aiohttp takes as long as starting everything else.
            await late_import("emulator.gateway.remote_servers")
            from emulator.gateway.remote_servers import RemoteServers

            self._servers = self._servers or RemoteServers()
        return self._servers

    def _finish(self, call: _Call, status: int, chunks: int, size: int, failure: Exception | None) -> None:
        if failure is not None:
            call.problem = failure.what if isinstance(failure, EmuError) else repr(failure)
        self._report(
            {
                "type": "egress",
                "method": call.method,
                "url": shown_url(call.url),
                "mode": self._playback.mode.value,
                "source": call.source,
                "recording": call.recording,
                "status": status,
                "ms": round(self._playback.pacer.now_ms() - call.started_ms),
                "chunks": chunks,
                "bytes": size,
                "problem": call.problem,
            }
        )


@dataclass(slots=True)
class _Call:
    method: str
    url: str
    started_ms: float
    source: str = "none"
    recording: str | None = None
    problem: str | None = None


def is_loopback(url: str) -> bool:
    """Whether the address is this machine itself."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _denied(call: _Call, code: str, description: str) -> Response:
    kind, target = http_target(call.method, call.url)
    what = "AI Gateway request" if kind is Kind.GATEWAY_HTTP else "outbound request"
    message = f"{what} denied: {target}\n{description}"
    response = json_response({"error": {"message": message, "type": "fixture_miss", "code": code}}, 599)
    response.headers.append(("x-should-retry", "false"))
    return response


def _sendable(headers: Headers) -> Headers:
    return [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP and name.lower() not in _OURS]


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
