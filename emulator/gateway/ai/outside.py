"""Who answers a model call that no recording answers: the backend that the route table names, a provider's own address, or the stub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from emulator.config import AiMode
from emulator.config.ai import AiConfig
from emulator.config.ai_sections import WELL_KNOWN
from emulator.gateway.ai import envelopes
from emulator.gateway.ai.ai_gateway.public_urls import COMPAT, native_call, parse_address
from emulator.gateway.ai.backends import Fetch
from emulator.gateway.ai.backends.credentials import Lookup, secret
from emulator.gateway.ai.batches import Batches
from emulator.gateway.ai.bodies import read_at_most
from emulator.gateway.ai.canonical import Kind, ModelRequest, compact
from emulator.gateway.ai.cassettes.frames import MEDIA_TYPE, Inbox
from emulator.gateway.ai.faults.dialects import Dialect, error_dialect, model_named
from emulator.gateway.ai.faults.error_bodies import Failure, error_answer
from emulator.gateway.ai.playback import Playback
from emulator.gateway.ai.providers import backend_of, model_in, stand_in
from emulator.gateway.ai.replay import play
from emulator.gateway.ai.reply import Reply, Source
from emulator.gateway.ai.routes import Routes
from emulator.gateway.ai.scope import OUR_HEADERS
from emulator.gateway.ai.stub.stub import Stub
from emulator.gateway.ai.stub.stub_sockets import stub_conversation
from emulator.gateway.ai.stub.stub_text import StubError
from emulator.gateway.ai.upstream_errors import refused
from emulator.gateway.exchange import HOP_BY_HOP, Headers, Response, header

if TYPE_CHECKING:
    from emulator.gateway.ai.backends.workers_ai import WorkersAi

_NO_SOCKET = "E642"
_MOST_OF_A_RESULT = 64 * 1024 * 1024
_NOT_PASSED_ON = HOP_BY_HOP | OUR_HEADERS | {"content-length"}
_KEY_HEADERS = ("authorization", "x-api-key", "x-goog-api-key", "api-key")


class Outside:
    """`model` asks for the binding and for AI Gateway, `stub` answers by rule. `lookup` gives the value of a variable at each call."""

    def __init__(self, playback: Playback, config: AiConfig, routes: Routes, lookup: Lookup, fetch: Fetch) -> None:
        self._playback = playback
        self._config = config
        self._routes = routes
        self._lookup = lookup
        self._fetch = fetch
        self._stub = Stub()
        self._batches = Batches(lambda: playback.pacer)

    async def model(self, asked: ModelRequest, raw: bytes = b"") -> Reply:
        """The answer to a `run`, a stream input, one entry of the universal endpoint, or a request to AI Gateway's public address, whose
        bytes are `raw`. Raises NetworkFailure for the last two."""
        if asked.kind is Kind.GATEWAY_HTTP:
            return await self._addressed(asked, raw)
        if self._playback.mode is AiMode.STUB:
            return await self.stub(asked)
        if asked.kind is Kind.UNIVERSAL:
            return await self._entry(asked, asked.body[0])
        return await self._routed(asked, asked.target)

    async def close(self) -> None:
        """Give up the batches that are not done."""
        await self._batches.close()

    async def converse(self, asked: ModelRequest, inbox: Inbox) -> Reply:
        """A conversation over a WebSocket: of status 101 with frames as its body, or an error. Raises NetworkFailure."""
        chosen = self._routes.choose(asked.target)
        if self._playback.mode is AiMode.STUB or chosen.backend is None:
            frames = stub_conversation(asked, inbox)
            if frames is None:
                return Reply(refused(400, 5006, f"{asked.target} does not support WebSocket", _NO_SOCKET).response, Source.STUB)
            return Reply(Response(101, [("content-type", MEDIA_TYPE)], frames), Source.STUB)
        if chosen.queues:
            return await cast("WorkersAi", chosen.backend).converse(asked, chosen.model, inbox)
        text = f"backend {chosen.name!r} has no models over WebSocket; route {asked.target} to Workers AI"
        return Reply(refused(400, 5006, text, _NO_SOCKET).response, Source.NONE)

    async def ask(self, asked: ModelRequest) -> Reply:
        """The answer of whoever the route table names, whatever the mode."""
        return await self._routed(asked, asked.target)

    async def stub(self, asked: ModelRequest) -> Reply:
        """The stub's answer."""
        if self._batches.concerns(asked):
            return await self._batches.answer(asked, self.stub)
        pacer = self._playback.pacer
        started_ms = pacer.now_ms()
        try:
            answer = self._stub.answer(asked)
        except StubError as error:
            return Reply(_stub_error(asked, error), Source.STUB)
        return Reply(await play(answer, pacer, started_ms=started_ms), Source.STUB, usage=answer.usage)

    async def _routed(self, asked: ModelRequest, model: str) -> Reply:
        chosen = self._routes.choose(model)
        backend = chosen.backend
        if backend is None:
            return await self.stub(asked)
        if self._batches.concerns(asked) and not chosen.queues:
            return await self._batches.answer(asked, lambda one: backend.run(one, chosen.model))
        return await backend.run(asked, chosen.model)

    async def _addressed(self, asked: ModelRequest, raw: bytes) -> Reply:
        """A request to `https://gateway.ai.cloudflare.com/v1/{account}/{gateway}/{provider}/{endpoint}`."""
        method, _, url = asked.target.partition(" ")
        address = parse_address(url)
        assert address is not None, "only such requests are of this kind"
        if method == "POST" and isinstance(asked.body, dict):
            entry = {"provider": address.provider, "endpoint": address.endpoint, "headers": asked.headers, "query": asked.body}
            one = ModelRequest(Kind.UNIVERSAL, f"universal/{address.gateway}", [entry])
            return await (self.stub(one) if self._playback.mode is AiMode.STUB else self._entry(one, entry))
        native = native_call(address.provider, address.endpoint, asked.body)
        if native is None:
            return _unknown(address.provider, address.endpoint)
        headers = _passed_on(asked.headers)
        response = await self._fetch(method, stand_in(native.url, self._config.backends), headers, raw)
        return Reply(response, Source.LIVE, backend=native.provider)

    async def _entry(self, asked: ModelRequest, entry: Mapping[str, Any]) -> Reply:
        """One entry `{provider, endpoint, headers, query}`: the provider answers in its own words (ai-binding.md 3.2). Without any key the
        provider could only refuse, so the route table is asked, and the stub in the end."""
        provider, endpoint, query = str(entry.get("provider", "")), str(entry.get("endpoint", "")), entry.get("query")
        native = native_call(provider, endpoint, query)
        if native is None:
            return _unknown(provider, endpoint)
        if native.provider == "workers-ai":
            if provider == COMPAT or endpoint.lstrip("/").startswith("v1/"):
                return await self._compatible(query)
            return await _enveloped(await self._routed(ModelRequest(Kind.RUN, endpoint, query), endpoint))
        headers = _passed_on(entry.get("headers"))
        if not any(header(headers, name) for name in _KEY_HEADERS):
            key = self._key(native.provider)
            if key is None:
                return await (self._compatible(query) if provider == COMPAT else self.stub(asked))
            headers.append(key)
        if header(headers, "content-type") is None:
            headers.append(("content-type", "application/json"))
        response = await self._fetch("POST", stand_in(native.url, self._config.backends), headers, compact(native.query).encode())
        return Reply(response, Source.BACKEND, backend=native.provider)

    async def _compatible(self, query: Any) -> Reply:
        """Chat completions whose model is `{provider}/{model}`: the answer is in OpenAI's shape whoever gives it."""
        name = model_in(query)
        if name is None:
            return Reply(envelopes.gateway_error(400, 2005, "the body names no model"), Source.NONE)
        model = name.removeprefix("workers-ai/")
        # With its provider in front the id has no `@`: such models answer in the chat shape.
        target = f"workers-ai/{model}" if model.startswith("@") else model
        run = ModelRequest(Kind.RUN, target, {key: value for key, value in query.items() if key != "model"})
        return await self._routed(run, model)

    def _key(self, provider: str) -> tuple[str, str] | None:
        """The header that identifies us to `provider` with the key of its backend (a gateway's stored key); None without one."""
        name = backend_of(provider)
        config = self._config.backends.get(name) or WELL_KNOWN.get(name)
        key = secret(config.key, self._lookup) if config is not None else None
        if key is None:
            return None
        return ("x-api-key", key) if provider == "anthropic" else ("authorization", f"Bearer {key}")


def _stub_error(asked: ModelRequest, error: StubError) -> Response:
    """What the stub cannot answer, in the words of whoever was asked."""
    dialect = error_dialect(asked)
    if dialect is Dialect.WORKERS_AI:
        return envelopes.run_error(error.status, error.code, str(error))
    failure = Failure(error.status, None, model_named(asked), "stub", message=str(error))
    return error_answer(dialect, failure, by_gateway=False)


def _unknown(provider: str, endpoint: str) -> Reply:
    return Reply(envelopes.gateway_error(400, 2008, f"provider {provider!r} has no endpoint {endpoint!r}"), Source.NONE)


def _passed_on(headers: Any) -> Headers:
    """The caller's headers for the provider: without those that are for the gateway."""
    sent = headers if isinstance(headers, Mapping) else {}
    pairs = [(str(name), str(value)) for name, value in sent.items()]
    return [(name, value) for name, value in pairs if name.lower() not in _NOT_PASSED_ON and not name.lower().startswith("cf-aig-")]


async def _enveloped(reply: Reply) -> Reply:
    """A JSON result of Workers AI inside its REST envelope, which the universal endpoint passes on; streams and bytes have none."""
    response = reply.response
    if response.status >= 400 or response.header("content-type") != "application/json":
        return reply
    body, _ = await read_at_most(response.body, _MOST_OF_A_RESULT)
    try:
        result = json.loads(body)
    except ValueError:
        response.body = body
        return reply
    headers: Headers = [(name, value) for name, value in response.headers if name.lower() != "content-length"]
    enveloped = compact({"result": result, "success": True, "errors": [], "messages": []}).encode()
    reply.response = Response(response.status, headers, enveloped)
    return reply
