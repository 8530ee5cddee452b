"""Ollama's own API (ai-binding.md 4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from emulator.gateway.ai import upstream_errors
from emulator.gateway.ai.backends.server import JSON_HEADERS, Server
from emulator.gateway.ai.canonical import Kind, ModelRequest, compact
from emulator.gateway.ai.catalogue import Task
from emulator.gateway.ai.envelopes import json_response
from emulator.gateway.ai.reply import Reply
from emulator.gateway.ai.translation.emission import Emission, Emitter, whole
from emulator.gateway.ai.translation.ollama_answer import LineReader
from emulator.gateway.ai.translation.ollama_request import OllamaRequest, embed_request, text_request
from emulator.gateway.ai.translation.openai_media import NotThis, dimensions_warning, embeddings_answer
from emulator.gateway.ai.translation.stream_body import TranslatedBody
from emulator.gateway.ai.upstream_errors import Refused, refused, untranslatable
from emulator.gateway.exchange import Headers, Response

_NOT_PULLED = re.compile(r"model '[^']*' not found")
_EVENTS: Headers = [("content-type", "text/event-stream")]


class Ollama(Server):
    """`/api/chat`, `/api/generate` for raw prompts and `/api/embed`. `base_url` is the server's, also when it names one of its APIs
    (`.../v1`, `.../api`). A key is needed at ollama.com only."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.base_url = self.base_url.removesuffix("/v1").removesuffix("/api")

    async def run(self, asked: ModelRequest, model: str) -> Reply:
        """See Backend."""
        try:
            return await self._run(asked, model)
        except Refused as error:
            return self.refusal(error, model)

    async def _run(self, asked: ModelRequest, model: str) -> Reply:
        emission = Emission.of(asked)
        inputs = asked.body
        if asked.kind is not Kind.RUN or not isinstance(inputs, Mapping):
            raise untranslatable("Ollama takes inputs as JSON, not as a stream")
        match emission.model.task:
            case Task.TEXT_GENERATION:
                return await self._text(inputs, emission, model)
            case Task.IMAGE_TO_TEXT:
                return await self._caption(inputs, emission, model)
            case Task.EMBEDDINGS if "contexts" not in inputs:
                return await self._embeddings(inputs, emission, model)
            case task:
                raise untranslatable(f"{task.value} has no counterpart in Ollama's API; route {asked.target} to another backend")

    async def _text(self, inputs: Mapping[str, Any], emission: Emission, model: str) -> Reply:
        request = text_request(inputs, model, self.name)
        if not inputs.get("stream"):
            return self.reply(json_response(await self._whole(request, emission, model)), model, request.warnings)
        if emission.json_mode and not emission.model.chat_shape:
            request.warnings.append("JSON Mode does not stream on Workers AI; here the text of the JSON is streamed")
        upstream = await self.event_stream(await self._ask(request, model))
        body = TranslatedBody(upstream, LineReader(self.upstream), Emitter(emission))
        return self.reply(Response(200, list(_EVENTS), body), model, request.warnings)

    async def _caption(self, inputs: Mapping[str, Any], emission: Emission, model: str) -> Reply:
        """A question about a picture."""
        if "prompt" not in inputs and "messages" not in inputs:
            inputs = {**inputs, "prompt": "Describe this picture."}
        request = text_request({**inputs, "stream": False}, model, self.name)
        answer = await self._whole(request, emission, model)
        return self.reply(json_response({"description": answer["response"]}), model, request.warnings)

    async def _embeddings(self, inputs: Mapping[str, Any], emission: Emission, model: str) -> Reply:
        request = embed_request(inputs, model)
        document = await self.json_object(await self._ask(request, model))
        vectors = document.get("embeddings")
        rows = [{"embedding": vector} for vector in vectors] if isinstance(vectors, list) else []
        try:
            answer = embeddings_answer({"data": rows}, emission.model)
        except NotThis:
            raise self._no_answer(document) from None
        return self.reply(json_response(answer), model, [*request.warnings, *dimensions_warning(answer, emission.model)])

    async def _whole(self, request: OllamaRequest, emission: Emission, model: str) -> dict[str, Any]:
        document = await self.json_object(await self._ask(request, model))
        try:
            deltas = LineReader(self.upstream).deltas(document)
        except (KeyError, TypeError, AttributeError):
            raise self._no_answer(document) from None
        return whole(emission, deltas)

    def _no_answer(self, document: Mapping[str, Any]) -> Refused:
        return upstream_errors.unusable(self.upstream, f"gave JSON that is no answer of Ollama: {compact(document)[:200]}")

    async def _ask(self, request: OllamaRequest, model: str) -> Response:
        key = self.key()
        headers: Headers = [*JSON_HEADERS, *([] if key is None else [("authorization", f"Bearer {key}")])]
        try:
            return await self.ask(request.path, headers, compact(request.body).encode(), model=model)
        except Refused as error:
            if _NOT_PULLED.search(str(error)) is None:
                raise
            raise refused(400, 5007, f"{error}; `ollama pull {model}` fetches it", "E612", answered=error.answered) from None
