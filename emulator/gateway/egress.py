"""Outbound HTTP(S) of user code: one place where a request is answered from a recording, let out and recorded, or denied (design 4.6).

The mode is the AI binding's (ai/modes.py). `live` lets everything out. `auto` asks the recordings first, lets the rest out and records what
models answer; under CI only this machine's own addresses may be reached. `record`, `new` and `once` record every answer but those of this
machine's own servers, unless it is a model that is served there. `replay` opens no socket at all; `stub` answers requests to the providers
of models itself (ai/providers.py) and lets the rest out. What is denied is answered with status 599 and a body that names the request
and the next step; `x-should-retry: false` keeps SDKs from asking again.

A request to AI Gateway's public address passes the gateway on this machine first; one to a provider goes to the backend's `base_url`
when `agents-emu.toml` has one for it.

Bodies stream both ways. As in workerd, user code gets decoded bytes: gzip and deflate are decoded on the way and their header is
dropped; another encoding passes untouched, header kept. Up to 20 redirects are followed unless `x-emu-redirect: manual` is there; an
answer that came by one has the address it came from in `x-emu-url`.

A request ends with one `report`: `{type: "egress", method, url, model, mode, status, ms, chunks, bytes, gateway, log_id, key}` and the
fields of ai/calls.py; `model` is null unless a model is asked; secrets in a URL are masked.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from emulator.config import AiMode
from emulator.config.ai import AiConfig
from emulator.errors import EmuError
from emulator.gateway.ai.ai_gateway.public_urls import GatewayAddress, parse_address
from emulator.gateway.ai.ai_gateway.usage import UsageReader
from emulator.gateway.ai.bodies import OnChunk, measured, to_nobody
from emulator.gateway.ai.call_log import Report
from emulator.gateway.ai.calls import Call
from emulator.gateway.ai.canonical import Kind, ModelRequest, canonical, key_of
from emulator.gateway.ai.classify import BadRequest, http_request, shown_url, universal_request
from emulator.gateway.ai.faults.overlay import after
from emulator.gateway.ai.outside import Outside
from emulator.gateway.ai.playback import Playback
from emulator.gateway.ai.providers import endpoint_of, is_model_call, model_in, provider_request, stand_in
from emulator.gateway.ai.reply import Reply, Source
from emulator.gateway.ai.scope import OUR_HEADERS, REDIRECT_HEADER, scope_of
from emulator.gateway.ai.upstream import Upstream
from emulator.gateway.exchange import HOP_BY_HOP, Headers, Request, Response, header
from emulator.gateway.failures import NetworkFailure
from emulator.gateway.network import Network
from emulator.gateway.redirects import Hop, KeptBody, next_hop

if TYPE_CHECKING:
    from emulator.gateway.ai.ai_gateway.gateway import AiGateway, GatewayOutcome

_MOST_REDIRECTS = 20
_RECORDS_ALL = frozenset({AiMode.RECORD, AiMode.NEW, AiMode.ONCE})


class EgressService:
    """`serve` answers one outbound request, or raises NetworkFailure."""

    def __init__(
        self,
        playback: Playback,
        upstream: Upstream,
        gateway: Callable[[], AiGateway],
        outside: Outside,
        network: Network,
        config: AiConfig,
        report: Report,
        *,
        on_chunk: OnChunk = to_nobody,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._on_chunk = on_chunk
        self._playback = playback
        self._upstream = upstream
        self._gateway = gateway
        self._outside = outside
        self._network = network
        self._config = config
        self._report = report
        self._entropy = entropy

    async def serve(self, request: Request) -> Response:
        """The answer to one outbound request of user code."""
        parts = urlsplit(request.url)
        request_id = str(uuid.UUID(bytes=self._entropy(16), version=4))
        plain = ModelRequest(Kind.HTTP, request.url)
        call = Call(plain, self._playback.pacer.now_ms(), request_id, scope=scope_of(request.headers, plain))
        asking = _Asking(request.method.upper(), request.url, call)
        try:
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise NetworkFailure.refused(f"cannot fetch {shown_url(request.url)}", f"Fetch API cannot load: {shown_url(request.url)}")
            reply = await self._reply(request, asking)
            if call.pending is not None:
                reply = await after(call.pending, reply, self._playback.pacer)
        except asyncio.CancelledError:
            self._finish(asking, 0, 0, 0, None, None)  # user code left before the first byte
            raise
        except EmuError as error:
            self._finish(asking, 0, 0, 0, None, error)
            raise
        call.learn(reply)
        response = reply.response
        reader = UsageReader(response.header("content-type") or "") if asking.model is not None else None

        def ended(chunks: int, size: int, failure: Exception | None) -> None:
            self._finish(asking, response.status, chunks, size, reader, failure)

        if reader is None:
            return measured(response, ended)
        return measured(response, ended, reader.feed, lambda number, size: self._on_chunk(call.request_id, number, size))

    def lets_out(self, url: str) -> bool:
        """Whether what no recording answers may leave the machine: never in `replay`, under CI only to loopback."""
        return not self._playback.strict or (self._playback.mode is AiMode.AUTO and is_loopback(url))

    async def _reply(self, request: Request, asking: _Asking) -> Reply:
        address = parse_address(request.url)
        if address is not None:
            return await self._through_gateway(request, asking, address)
        playback, backends = self._playback, self._config.backends
        models = is_model_call(request.method, request.url, backends)
        if playback.mode is AiMode.STUB:
            return await self._stubbed(request, asking)
        records = playback.mode in _RECORDS_ALL or (playback.mode is AiMode.AUTO and models)
        storable = records and (models or not is_loopback(request.url))
        if not (storable or playback.may_hold(request.method, request.url) or self._upstream.has_faults):
            return await self._live(request, asking, request.body)
        data = await request.read()
        asked = http_request(request.method, request.url, request.headers, data)
        asking.call.request, asking.call.body = asked, data
        asking.model = model_in(asked.body) if models else None
        lenient = playback.mode is AiMode.AUTO and is_loopback(request.url)

        async def outside() -> Reply:
            return await self._live(request, asking, data)

        return await self._upstream.answer(asking.call, asked, outside, lenient=lenient, storable=storable)

    async def _stubbed(self, request: Request, asking: _Asking) -> Reply:
        spoken = endpoint_of(request.method, request.url)
        if spoken is None and not self._upstream.has_faults:
            return await self._live(request, asking, request.body)
        data = await request.read()
        asked = http_request(request.method, request.url, request.headers, data)
        asking.call.request, asking.call.body = asked, data
        model_call = provider_request(*spoken, data) if spoken is not None else None
        asking.model = model_in(asked.body) if spoken is not None else None

        async def outside() -> Reply:
            if model_call is not None:
                return await self._outside.stub(model_call)
            return await self._live(request, asking, data)

        return await self._upstream.answer(asking.call, asked, outside)

    async def _through_gateway(self, request: Request, asking: _Asking, address: GatewayAddress) -> Reply:
        """A request to AI Gateway's public address: the same rules as for the binding, then the provider's own address."""
        call, data = asking.call, await request.read()
        asked = http_request(request.method, request.url, request.headers, data)
        if not address.provider and request.method.upper() == "POST":
            try:
                asked = universal_request(address.gateway, request.headers, data)
            except BadRequest as error:
                raise NetworkFailure.refused(f"{shown_url(request.url)}: {error}", str(error)) from None
        call.request, call.body = asked, data
        asking.model = model_in(asked.body) or asked.target

        async def leg(one: ModelRequest, step: int) -> Reply:
            return await self._upstream.answer(call, one, lambda: self._outside.model(one, data))

        reply, asking.outcome = await self._gateway().run(
            asked,
            leg,
            gateway_id=address.gateway,
            raw_body=data,
            path=urlsplit(request.url).path,
            headers={name.lower(): value for name, value in request.headers},
        )
        call.warnings += asking.outcome.warnings
        return reply

    async def _live(self, request: Request, asking: _Asking, body: bytes | AsyncIterator[bytes] | None) -> Reply:
        asking.call.source = Source.LIVE
        headers = _sendable(request.headers)
        if isinstance(body, bytes):
            headers = [*((name, value) for name, value in headers if name.lower() != "content-length"), ("content-length", str(len(body)))]
            body = _once(body) if body else None
        url = stand_in(request.url, self._config.backends)
        follow = request.header(REDIRECT_HEADER) != "manual"
        return Reply(await self._follow(Hop(asking.method, url, headers, body), follow), Source.LIVE)

    async def _follow(self, hop: Hop, follow: bool) -> Response:
        kept = KeptBody(hop.body) if follow and hop.body is not None else None
        if kept is not None:
            hop = hop.with_body(aiter(kept))
        for redirects in range(_MOST_REDIRECTS + 1):
            response = await self._network.send(hop, arrived=bool(redirects))
            following = next_hop(hop, response.status, header(response.headers, "location"), kept) if follow else None
            if following is None:
                return response
            await response.aclose()
            if not self.lets_out(following.url):
                # What may be reached may not lead on to what may not.
                where = shown_url(following.url)
                self._playback.denied(f"{hop.method} {where}, where {shown_url(hop.url)} redirects to")
                raise NetworkFailure.refused(
                    f"{shown_url(hop.url)} redirects to {where}, and nothing may leave this machine", "Network denied."
                )
            hop = following
        raise NetworkFailure.refused(f"more than {_MOST_REDIRECTS} redirects from {shown_url(hop.url)}", "Too many redirects.")

    def _finish(self, asking: _Asking, status: int, chunks: int, size: int, reader: UsageReader | None, failure: Exception | None) -> None:
        call, outcome = asking.call, asking.outcome
        if failure is not None:
            call.problem = failure.what if isinstance(failure, EmuError) else repr(failure)
        if call.usage is None and reader is not None:
            call.usage = reader.usage
        if outcome is not None:
            call.cost_usd = outcome.cost_usd
        self._report(
            call.request,
            {
                "type": "egress",
                "method": asking.method,
                "url": shown_url(asking.url),
                "model": asking.model,
                "mode": self._playback.mode.value,
                "status": status,
                "ms": round(self._playback.pacer.now_ms() - call.started_ms),
                "chunks": chunks,
                "bytes": size,
                "gateway": outcome.gateway if outcome else None,
                "log_id": outcome.log_id if outcome else None,
                "key": key_of(canonical(call.request))[:16] if asking.model is not None else None,
                **call.fields(),
            },
        )


@dataclass(slots=True)
class _Asking:
    """One outbound request while it is answered. `model` is known once it is clear that one is asked."""

    method: str
    url: str
    call: Call
    model: str | None = None
    outcome: GatewayOutcome | None = field(default=None)


def is_loopback(url: str) -> bool:
    """Whether the address is this machine itself."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _sendable(headers: Headers) -> Headers:
    return [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP and name.lower() not in OUR_HEADERS]


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
