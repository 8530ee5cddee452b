"""Anthropic's Messages API, and whoever else speaks it (ai-binding.md 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulator.gateway.ai import upstream_errors
from emulator.gateway.ai.backends.server import JSON_HEADERS, Server
from emulator.gateway.ai.canonical import Kind, ModelRequest, compact
from emulator.gateway.ai.catalogue import Task, model_info
from emulator.gateway.ai.envelopes import json_response
from emulator.gateway.ai.reply import Reply
from emulator.gateway.ai.translation.anthropic_answer import ERROR_CODES, EventReader, message_deltas
from emulator.gateway.ai.translation.anthropic_models import anthropic_name
from emulator.gateway.ai.translation.anthropic_native import Native, native_part
from emulator.gateway.ai.translation.anthropic_request import MessagesRequest, messages_request
from emulator.gateway.ai.translation.deltas import Failed
from emulator.gateway.ai.translation.emission import Emission, Emitter, whole
from emulator.gateway.ai.translation.stream_body import TranslatedBody
from emulator.gateway.ai.upstream_errors import Refused, untranslatable
from emulator.gateway.exchange import Headers, Response

VERSION = "2023-06-01"
"""`anthropic-version`: the only one there is since then."""
_EVENTS: Headers = [("content-type", "text/event-stream")]


class Anthropic(Server):
    """`POST <base_url>/v1/messages`. Answers text generation only; `anthropic/*` models asked in Messages shape are passed through."""

    async def run(self, asked: ModelRequest, model: str) -> Reply:
        """See Backend."""
        model = anthropic_name(model)
        try:
            return await self._run(asked, model)
        except Refused as refused:
            return self.refusal(refused, model)

    async def _run(self, asked: ModelRequest, model: str) -> Reply:
        requested = model_info(asked.target)
        if requested.task is not Task.TEXT_GENERATION:
            raise untranslatable(f"Anthropic has no model for {requested.task.value}: route {asked.target} to another backend", code=5007)
        if asked.kind is not Kind.RUN or not isinstance(asked.body, Mapping):
            raise untranslatable("Anthropic takes inputs as JSON, not as a stream")
        native = native_part(asked.target, asked.body, asked.options)
        if native is Native.ALL:
            return await self._passed(asked, {**asked.body, "model": model}, model, [])
        request = messages_request(asked.body, model, chat_shape=requested.chat_shape)
        if native is Native.STREAM:
            return await self._passed(asked, request.body, model, request.warnings)
        return await self._translated(asked, request, model)

    async def _passed(self, asked: ModelRequest, body: Mapping[str, Any], model: str, warnings: list[str]) -> Reply:
        """The answer in Anthropic's own words, byte for byte."""
        response = await self._ask(asked, body, model)
        if body.get("stream"):
            response = await self.event_stream(response)
            return self.reply(Response(200, list(_EVENTS), response.body), model, warnings)
        data = await self.read(response)
        await self.json_object(Response(200, response.headers, data))
        return self.reply(Response(200, list(JSON_HEADERS), data), model, warnings)

    async def _translated(self, asked: ModelRequest, request: MessagesRequest, model: str) -> Reply:
        response = await self._ask(asked, request.body, model)
        emission = Emission.of(asked)
        if request.body.get("stream"):
            if asked.target.startswith("anthropic/"):
                request.warnings.append("Cloudflare streams anthropic/* models in Anthropic's events; this stream is in chat shape")
            reader = EventReader(self._failed, json_tool=request.json_tool)
            body = TranslatedBody(await self.event_stream(response), reader, Emitter(emission))
            return self.reply(Response(200, list(_EVENTS), body), model, request.warnings)
        message = await self.json_object(response)
        try:
            deltas = message_deltas(message, json_tool=request.json_tool)
        except (KeyError, TypeError, AttributeError):
            what = upstream_errors.described("another kind of JSON", compact(message).encode())
            raise upstream_errors.unusable(self.upstream, what) from None
        return self.reply(json_response(whole(emission, deltas)), model, request.warnings)

    async def _ask(self, asked: ModelRequest, body: Mapping[str, Any], model: str) -> Response:
        headers: Headers = [*JSON_HEADERS, ("anthropic-version", VERSION)]
        if (key := self.key()) is not None:
            headers.append(("x-api-key", key))
        if beta := asked.headers.get("anthropic-beta"):
            headers.append(("anthropic-beta", beta))
        path = "/messages" if self.base_url.endswith("/v1") else "/v1/messages"
        return await self.ask(path, headers, compact(body).encode(), model=model)

    def _failed(self, event: Mapping[str, Any]) -> Failed:
        """An `error` event of a stream."""
        code, text = upstream_errors.in_stream(self.upstream, event)
        error = event.get("error")
        known = ERROR_CODES.get(str(error.get("type"))) if isinstance(error, Mapping) else None
        return Failed(known or code, text)
