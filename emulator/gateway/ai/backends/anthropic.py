"""Anthropic's Messages API, and whoever else speaks it (ai-binding.md 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulator.gateway.ai import upstream_errors
from emulator.gateway.ai.backends.server import JSON_HEADERS, Server
from emulator.gateway.ai.canonical import Kind, ModelRequest, compact
from emulator.gateway.ai.catalogue import Task
from emulator.gateway.ai.envelopes import json_response
from emulator.gateway.ai.reply import Reply
from emulator.gateway.ai.translation.anthropic_answer import EventReader, message_deltas
from emulator.gateway.ai.translation.anthropic_models import anthropic_name
from emulator.gateway.ai.translation.anthropic_native import Native, fits_both, native_part
from emulator.gateway.ai.translation.anthropic_request import MessagesRequest, messages_request
from emulator.gateway.ai.translation.emission import Emission, Emitter, whole
from emulator.gateway.ai.translation.stream_body import TranslatedBody
from emulator.gateway.ai.upstream_errors import Refused, untranslatable
from emulator.gateway.exchange import Headers, Response

VERSION = "2023-06-01"
"""`anthropic-version`. The next one, 2026-10-21, takes no sampling parameters, which older models take under this one."""
_EITHER_FORMAT = (
    "these inputs fit Anthropic's format and chat completions alike; they were passed on, and answered, as Anthropic's "
    "(option openaiEndpoint names the format)"
)
_EVENTS: Headers = [("content-type", "text/event-stream")]


class Anthropic(Server):
    """`POST <base_url>/v1/messages`. Answers text generation and questions about pictures; `anthropic/*` models that are asked in
    Anthropic's own format answer in it (anthropic_native.py)."""

    async def run(self, asked: ModelRequest, model: str) -> Reply:
        """See Backend."""
        model = anthropic_name(model)
        try:
            return await self._run(asked, model)
        except Refused as refused:
            return self.refusal(refused, model)

    async def _run(self, asked: ModelRequest, model: str) -> Reply:
        emission = Emission.of(asked)
        if asked.kind is not Kind.RUN or not isinstance(asked.body, Mapping):
            raise untranslatable("the Messages API takes inputs as JSON, not as a stream")
        match emission.model.task:
            case Task.TEXT_GENERATION:
                return await self._text(asked, asked.body, emission, model)
            case Task.IMAGE_TO_TEXT:
                return await self._caption(asked, asked.body, emission, model)
            case task:
                raise untranslatable(f"{task.value} has no counterpart in the Messages API; route {asked.target} to another backend")

    async def _text(self, asked: ModelRequest, inputs: Mapping[str, Any], emission: Emission, model: str) -> Reply:
        native = native_part(asked.target, inputs, asked.options)
        if native is Native.ALL:
            warnings = [_EITHER_FORMAT] if fits_both(inputs, asked.options) else []
            return await self._passed(asked, {**inputs, "model": model}, model, warnings)
        request = messages_request(inputs, model, self.name, chat_shape=emission.model.chat_shape)
        if native is Native.STREAM:
            return await self._passed(asked, request.body, model, request.warnings)
        if not inputs.get("stream"):
            return self.reply(json_response(await self._whole(asked, request, emission, model)), model, request.warnings)
        if asked.target.startswith("anthropic/"):
            request.warnings.append("Cloudflare streams anthropic/* models in Anthropic's events; this stream is in chat shape")
        elif emission.json_mode and not emission.model.chat_shape:
            request.warnings.append("JSON Mode does not stream on Workers AI; here the text of the JSON is streamed")
        upstream = await self.event_stream(await self._ask(asked, request.body, model))
        body = TranslatedBody(upstream, EventReader(self.upstream, json_tool=request.json_tool), Emitter(emission))
        return self.reply(Response(200, list(_EVENTS), body), model, request.warnings)

    async def _caption(self, asked: ModelRequest, inputs: Mapping[str, Any], emission: Emission, model: str) -> Reply:
        """A question about a picture."""
        if "prompt" not in inputs and "messages" not in inputs:
            inputs = {**inputs, "prompt": "Describe this picture."}
        request = messages_request({**inputs, "stream": False}, model, self.name, chat_shape=False)
        answer = await self._whole(asked, request, emission, model)
        return self.reply(json_response({"description": answer["response"]}), model, request.warnings)

    async def _whole(self, asked: ModelRequest, request: MessagesRequest, emission: Emission, model: str) -> dict[str, Any]:
        message = await self.json_object(await self._ask(asked, request.body, model))
        try:
            deltas = message_deltas(message, json_tool=request.json_tool, told_json=request.told_json)
        except (KeyError, TypeError, AttributeError):
            raise self._no_message(message) from None
        return whole(emission, deltas)

    async def _passed(self, asked: ModelRequest, body: Mapping[str, Any], model: str, warnings: list[str]) -> Reply:
        """The answer in Anthropic's own words, byte for byte."""
        response = await self._ask(asked, body, model)
        if body.get("stream"):
            response = await self.event_stream(response)
            return self.reply(Response(200, list(_EVENTS), response.body), model, warnings)
        data = await self.read(response)
        message = await self.json_object(Response(200, response.headers, data))
        if message.get("type") != "message":
            raise self._no_message(message)
        return self.reply(Response(200, list(JSON_HEADERS), data), model, warnings)

    def _no_message(self, document: Mapping[str, Any]) -> Refused:
        return upstream_errors.unusable(self.upstream, f"gave JSON that is no message: {compact(document)[:200]}")

    async def _ask(self, asked: ModelRequest, body: Mapping[str, Any], model: str) -> Response:
        headers: Headers = [*JSON_HEADERS, ("anthropic-version", asked.headers.get("anthropic-version", VERSION))]
        if (key := self.key()) is not None:
            headers.append(("x-api-key", key))
        if beta := asked.headers.get("anthropic-beta"):
            headers.append(("anthropic-beta", beta))
        path = "/messages" if self.base_url.endswith("/v1") else "/v1/messages"
        return await self.ask(path, headers, compact(body).encode(), model=model)
