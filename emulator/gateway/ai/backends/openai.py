"""OpenAI's API, and whoever else speaks it: Gemini's compatible endpoint, vLLM, LM Studio, llama.cpp, proxies (ai-binding.md 4)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from emulator.gateway.ai import upstream_errors
from emulator.gateway.ai.backends.server import Server
from emulator.gateway.ai.canonical import Kind, ModelRequest, compact
from emulator.gateway.ai.catalogue import Task
from emulator.gateway.ai.envelopes import json_response
from emulator.gateway.ai.reply import Reply
from emulator.gateway.ai.translation import openai_media as media
from emulator.gateway.ai.translation.emission import Emission, Emitter, whole
from emulator.gateway.ai.translation.media import media_type
from emulator.gateway.ai.translation.openai_answer import ChatReader, ChatRewriter, answer_deltas, chat_answer, is_completion
from emulator.gateway.ai.translation.openai_calls import CallExtras
from emulator.gateway.ai.translation.openai_request import Flavour, Translated, text_request
from emulator.gateway.ai.translation.openai_responses import ResponsesRewriter, responses_answer, responses_request
from emulator.gateway.ai.translation.stream_body import RewrittenBody, TranslatedBody
from emulator.gateway.ai.upstream_errors import Refused, untranslatable
from emulator.gateway.exchange import Headers, Response

_EVENTS: Headers = [("content-type", "text/event-stream")]
_AUTHORS = (
    (Flavour.OPENAI, "openai", ("openai/",)),
    (Flavour.GEMINI, "gemini", ("google/", "google-ai-studio/", "gemini/")),
)
"""Model ids on the binding name the author (`openai/gpt-4o`), the author's own API does not. Elsewhere `author/` is part of a name."""


class OpenAi(Server):
    """`/chat/completions` (`/completions` for raw prompts), `/responses`, `/embeddings`, `/images/generations`, `/audio/*` and `/rerank`
    below `base_url`. Keeps what a provider wants back with its tool calls (openai_calls.py)."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._flavour = Flavour.of(self.host)
        self._extras = CallExtras()
        self._authors = next((authors for flavour, name, authors in _AUTHORS if flavour is self._flavour or name == self.name), ())

    async def run(self, asked: ModelRequest, model: str) -> Reply:
        """See Backend."""
        model = next((model.removeprefix(author) for author in self._authors if model.startswith(author)), model)
        try:
            return await self._run(asked, model)
        except media.NotThis as error:
            return self.refusal(upstream_errors.unusable(self.upstream, f"gave {error}", f"is {model!r} a model for this?"), model)
        except Refused as refused:
            return self.refusal(refused, model)

    async def _run(self, asked: ModelRequest, model: str) -> Reply:
        inputs = _inputs(asked)
        emission = Emission.of(asked)
        match emission.model.task:
            case Task.TEXT_GENERATION if "input" in inputs and "messages" not in inputs:
                return await self._responses(asked, inputs, model)
            case Task.TEXT_GENERATION:
                return await self._text(inputs, emission, model)
            case Task.IMAGE_TO_TEXT:
                return await self._caption(inputs, emission, model)
            case Task.RERANK:
                return await self._rerank(inputs, model)
            case Task.EMBEDDINGS if "contexts" in inputs:
                return await self._rerank(inputs, model)
            case Task.EMBEDDINGS:
                return await self._embeddings(inputs, emission, model)
            case Task.TEXT_TO_IMAGE:
                return await self._image(inputs, emission, model)
            case Task.TEXT_TO_SPEECH:
                return await self._speech(inputs, emission, model)
            case Task.SPEECH_TO_TEXT:
                return await self._transcript(asked, inputs, emission, model)
            case task:
                raise untranslatable(f"{task.value} has no counterpart in OpenAI's API; use a recording, Workers AI itself or the stub")

    async def _text(self, inputs: Mapping[str, Any], emission: Emission, model: str) -> Reply:
        translated = self._text_request(inputs, model)
        as_chat = emission.model.chat_shape and translated.path == "/chat/completions"
        if not inputs.get("stream"):
            document = await self._completion(translated, model)
            answer = chat_answer(document, emission, self._extras) if as_chat else self._whole(document, emission)
            return self.reply(json_response(answer), model, translated.warnings)
        if emission.json_mode and not emission.model.chat_shape:
            translated.warnings.append("JSON Mode does not stream on Workers AI; here the text of the JSON is streamed")
        headers = [("accept", "text/event-stream"), *self._json_headers()]
        body = compact(translated.body).encode()
        upstream = await self.event_stream(await self.ask(translated.path, headers, body, model=model))
        if as_chat:
            out = RewrittenBody(upstream, ChatRewriter(emission, self.upstream, self._extras))
        else:
            out = TranslatedBody(upstream, ChatReader(emission, self.upstream, self._extras), Emitter(emission))
        return self.reply(Response(200, list(_EVENTS), out), model, translated.warnings)

    def _text_request(self, inputs: Mapping[str, Any], model: str) -> Translated:
        translated = text_request(inputs, model, self._flavour, self.name)
        if "messages" in translated.body:
            self._extras.restore(translated.body["messages"])
        return translated

    async def _completion(self, translated: Translated, model: str) -> dict[str, Any]:
        document = await self.ask_json(translated.path, self._authorization(), translated.body, model=model)
        if not document.get("choices") or not is_completion(document):
            raise media.NotThis("an answer without `choices`")
        return document

    def _whole(self, document: dict[str, Any], emission: Emission) -> dict[str, Any]:
        return whole(emission, answer_deltas(document, emission, self._extras))

    async def _responses(self, asked: ModelRequest, inputs: Mapping[str, Any], model: str) -> Reply:
        body = responses_request(inputs, model)
        if not inputs.get("stream"):
            document = await self.ask_json("/responses", self._authorization(), body, model=model)
            return self.reply(json_response(responses_answer(document, asked.target)), model)
        upstream = await self.event_stream(await self.ask("/responses", self._json_headers(), compact(body).encode(), model=model))
        return self.reply(Response(200, list(_EVENTS), RewrittenBody(upstream, ResponsesRewriter(asked.target))), model)

    async def _caption(self, inputs: Mapping[str, Any], emission: Emission, model: str) -> Reply:
        """A question about a picture."""
        asked = inputs if "prompt" in inputs or "messages" in inputs else {**inputs, "prompt": "Describe this picture."}
        translated = self._text_request(asked, model)
        deltas = answer_deltas(await self._completion(translated, model), emission, self._extras)
        return self.reply(json_response({"description": whole(emission, deltas)["response"]}), model, translated.warnings)

    async def _embeddings(self, inputs: Mapping[str, Any], emission: Emission, model: str) -> Reply:
        translated = media.embeddings_request(inputs, model)
        document = await self.ask_json(translated.path, self._authorization(), translated.body, model=model)
        answer = media.embeddings_answer(document, emission.model)
        warnings = [*translated.warnings, *media.dimensions_warning(answer, emission.model)]
        return self.reply(json_response(answer), model, warnings)

    async def _rerank(self, inputs: Mapping[str, Any], model: str) -> Reply:
        translated = media.rerank_request(inputs, model, self._flavour, self.name)
        document = await self.ask_json(translated.path, self._authorization(), translated.body, model=model)
        return self.reply(json_response(media.rerank_answer(document)), model, translated.warnings)

    async def _image(self, inputs: Mapping[str, Any], emission: Emission, model: str) -> Reply:
        translated = media.image_request(inputs, model, self._flavour)
        document = await self.ask_json(translated.path, self._authorization(), translated.body, model=model)
        picture = media.image_answer(document)
        if media.answers_with_json_image(emission.model):
            return self.reply(json_response({"image": base64.b64encode(picture).decode()}), model, translated.warnings)
        response = Response(200, [("content-type", media_type(picture, "image/png"))], picture)
        return self.reply(response, model, translated.warnings)

    async def _speech(self, inputs: Mapping[str, Any], emission: Emission, model: str) -> Reply:
        translated = media.speech_request(inputs, model)
        spoken = await self.ask(translated.path, self._json_headers(), compact(translated.body).encode(), model=model)
        kind = spoken.header("content-type") or ""
        if kind.startswith(("text/html", "application/json")):
            raise upstream_errors.unusable(self.upstream, upstream_errors.described(kind, await self.read(spoken)))
        if media.answers_with_json_audio(emission.model):
            return self.reply(json_response(media.speech_answer(await self.read(spoken))), model, translated.warnings)
        return self.reply(Response(200, [("content-type", kind or "audio/mpeg")], spoken.body), model, translated.warnings)

    async def _transcript(self, asked: ModelRequest, inputs: Mapping[str, Any], emission: Emission, model: str) -> Reply:
        sound = (asked.raw.content_type, asked.raw.data) if asked.raw is not None else None
        path, form, warnings = media.transcription_request(inputs, model, sound)
        content_type, body = media.multipart(form)
        headers = [("content-type", content_type), *self._authorization()]
        document = await self.json_object(await self.ask(path, headers, body, model=model))
        return self.reply(json_response(media.transcription_answer(document, emission.model)), model, warnings)

    def _authorization(self) -> Headers:
        key = self.key()
        return [] if key is None else [("authorization", f"Bearer {key}")]

    def _json_headers(self) -> Headers:
        return [("content-type", "application/json"), *self._authorization()]


def _inputs(asked: ModelRequest) -> Mapping[str, Any]:
    """The inputs of either kind of call; the text fields of a form (flux-2's `multipart`) are inputs too. Raises Refused 5006."""
    inputs = asked.body
    if asked.kind is Kind.STREAM_INPUT:
        beside, stream = asked.body["inputs"], asked.body["stream"]
        fields = [part for part in stream if isinstance(part, dict)] if isinstance(stream, list) else []
        inputs = {
            **{str(part.get("name")): part.get("body") for part in fields},
            **(beside if isinstance(beside, dict) else {}),
        }
    if not isinstance(inputs, Mapping):
        raise untranslatable("Bad input: Error: Type mismatch of '/', 'object' expected")
    return inputs
