"""Deterministic answers for every task, valid in form and honest in content (ai-binding.md 1.5, 7.9 "stub").

A fresh clone runs with no key and no recording: text repeats what was asked, vectors derive from hashes, pictures are one pixel,
sound is silent, a forced tool is called with the smallest arguments its schema allows. Equal requests get equal answers.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from emulator.gateway.ai.answers import Answer, json_answer
from emulator.gateway.ai.canonical import Kind, ModelRequest, canonical, key_of
from emulator.gateway.ai.catalogue import Model, Task, model_info
from emulator.gateway.ai.stub.stub_media import jpeg, png, silent_mp3
from emulator.gateway.ai.stub.stub_text import Dialect, StubError, last_user_text, text_answer
from emulator.gateway.ai.translation.anthropic_native import Native, native_part
from emulator.gateway.ai.upstream_errors import Refused

_SPOKEN = "This is the stub listening."


class Stub:
    """Answers any ModelRequest of the binding but batches, of which each request comes alone (batches.py)."""

    def answer(self, request: ModelRequest) -> Answer:
        """The answer to a `run` (also with a stream as input) or a universal request. Raises StubError for unusable inputs."""
        seed = key_of(canonical(request))
        if request.kind is Kind.UNIVERSAL:
            return _universal(request.body[0], seed)
        inputs = request.body
        if request.kind is Kind.STREAM_INPUT:
            inputs = {**(inputs["inputs"] if isinstance(inputs["inputs"], dict) else {}), "stream_input": inputs["stream"]}
        if not isinstance(inputs, dict):
            raise StubError(5006, 400, "AiError: Bad input: Error: Type mismatch of '/', 'object' expected")
        return _run(model_info(request.target), inputs, seed, request.options)


def _is_json(answer: Answer) -> bool:
    return answer.chunks is None and answer.headers == [("content-type", "application/json")]


def _run(model: Model, inputs: dict[str, Any], seed: str, options: Mapping[str, Any] | None = None) -> Answer:
    if model.task is Task.TEXT_GENERATION:
        return text_answer(model.id, inputs, _dialect(model, inputs, options), seed)
    return _TASKS[model.task](model, inputs)


def _dialect(model: Model, inputs: dict[str, Any], options: Mapping[str, Any] | None) -> Dialect:
    try:
        native = native_part(model.id, inputs, options)
    except Refused as error:
        raise StubError(5006, 400, str(error)) from error
    if native is Native.ALL or (native is Native.STREAM and inputs.get("stream")):
        return Dialect.ANTHROPIC
    if "input" in inputs:
        return Dialect.RESPONSES
    return Dialect.CHAT if model.chat_shape else Dialect.LEGACY


def _universal(entry: dict[str, Any], seed: str) -> Answer:
    """The first entry's provider answers in its own dialect; Workers AI in its REST envelope."""
    query = entry.get("query")
    if not isinstance(query, dict):
        raise StubError(5006, 400, "AiError: Bad input: Error: `query` must be an object")
    provider, endpoint = str(entry.get("provider", "")), str(entry.get("endpoint", ""))
    if provider == "workers-ai":
        answer = _run(model_info(endpoint), query, seed)
        if not _is_json(answer):
            return answer
        return json_answer({"result": json.loads(answer.body), "success": True, "errors": [], "messages": []}, usage=answer.usage)
    model = str(query.get("model", endpoint))
    if endpoint.endswith("embeddings"):
        return _openai_embeddings(model, query)
    dialect = Dialect.CHAT
    if endpoint.endswith("messages"):
        dialect = Dialect.ANTHROPIC
    elif endpoint.endswith("responses"):
        dialect = Dialect.RESPONSES
    return text_answer(model, query, dialect, seed)


def _openai_embeddings(model: str, query: dict[str, Any]) -> Answer:
    texts = _texts(query, "input")
    rows = [{"object": "embedding", "index": index, "embedding": unit_vector(text, 1536)} for index, text in enumerate(texts)]
    tokens = sum(max(1, len(text) // 4) for text in texts)
    return json_answer({"object": "list", "model": model, "data": rows, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})


def unit_vector(text: str, dimensions: int) -> list[float]:
    """A vector of length 1 that depends on every character of `text`."""
    raw = hashlib.shake_256(text.encode()).digest(dimensions * 4)
    values = [int.from_bytes(raw[at : at + 4], "big", signed=True) for at in range(0, len(raw), 4)]
    length = math.sqrt(sum(value * value for value in values)) or 1.0
    return [round(value / length, 8) for value in values]


def _fraction(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32


def _texts(inputs: dict[str, Any], name: str) -> list[str]:
    value = inputs.get(name)
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise StubError(5006, 400, f"AiError: Bad input: Error: required properties at '/' are '{name}'")
    return texts


def _any_of(inputs: dict[str, Any], *names: str) -> Any:
    for name in names:
        if inputs.get(name) is not None:
            return inputs[name]
    raise StubError(5006, 400, f"AiError: Bad input: Error: required properties at '/' are '{names[0]}'")


def _embeddings(model: Model, inputs: dict[str, Any]) -> Answer:
    if "contexts" in inputs and "query" in inputs:
        return _rerank(model, inputs)
    texts = _texts(inputs, "text")
    answer: dict[str, Any] = {
        "shape": [len(texts), model.dimensions],
        "data": [unit_vector(text, model.dimensions) for text in texts],
        "pooling": inputs.get("pooling", "mean"),
    }
    return json_answer({**answer, "response": None, "meta": {}} if model.id.endswith("bge-m3") else answer)


def _rerank(model: Model, inputs: dict[str, Any]) -> Answer:
    query, contexts = _any_of(inputs, "query"), _any_of(inputs, "contexts")
    wanted = set(re.findall(r"\w+", str(query).lower()))
    scores = []
    for index, context in enumerate(contexts):
        text = str(context.get("text", "") if isinstance(context, dict) else context)
        shared = len(wanted & set(re.findall(r"\w+", text.lower()))) / max(1, len(wanted))
        scores.append({"id": index, "score": round(0.9 * shared + 0.1 * _fraction(text), 6)})
    scores.sort(key=lambda row: -row["score"])
    return json_answer({"response": scores[: inputs.get("top_k") or len(scores)]})


def _image(model: Model, inputs: dict[str, Any]) -> Answer:
    _any_of(inputs, "prompt", "multipart", "stream_input")
    if "flux" in model.id:
        return json_answer({"image": base64.b64encode(jpeg()).decode()})
    return Answer(200, [("content-type", "image/png")], png())


def _transcript(model: Model, inputs: dict[str, Any]) -> Answer:
    _any_of(inputs, "audio", "stream_input")
    spoken = _SPOKEN.split()
    words = [{"word": word, "start": round(index * 0.2, 2), "end": round((index + 1) * 0.2, 2)} for index, word in enumerate(spoken)]
    if "nova" in model.id or "deepgram" in model.id:
        heard = {"transcript": _SPOKEN, "confidence": 1.0, "words": [{**word, "confidence": 1.0} for word in words]}
        return json_answer({"results": {"channels": [{"alternatives": [heard]}]}})
    end = words[-1]["end"]
    answer: dict[str, Any] = {
        "text": _SPOKEN,
        "word_count": len(words),
        "vtt": f"WEBVTT\n\n00:00:00.000 --> 00:00:0{end:.3f}\n{_SPOKEN}\n",
    }
    if "turbo" in model.id:
        info = {"language": "en", "language_probability": 1.0, "duration": end, "duration_after_vad": end}
        segment = {"start": 0.0, "end": end, "text": _SPOKEN, "words": words}
        return json_answer({**answer, "transcription_info": info, "segments": [segment]})
    return json_answer({**answer, "words": words})


def _speech(model: Model, inputs: dict[str, Any]) -> Answer:
    _any_of(inputs, "text", "prompt")
    if "melotts" in model.id:
        return json_answer({"audio": base64.b64encode(silent_mp3()).decode()})
    return Answer(200, [("content-type", "audio/mpeg")], silent_mp3())


def _translation(model: Model, inputs: dict[str, Any]) -> Answer:
    return json_answer({"translated_text": f"[{inputs.get('target_lang', 'en')}] {_any_of(inputs, 'text')}"})


def _summary(model: Model, inputs: dict[str, Any]) -> Answer:
    text = str(_any_of(inputs, "input_text"))
    return json_answer({"summary": re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0][:200]})


def _text_labels(model: Model, inputs: dict[str, Any]) -> Answer:
    positive = round(_fraction(str(_any_of(inputs, "text"))), 6)
    return json_answer([{"label": "NEGATIVE", "score": round(1 - positive, 6)}, {"label": "POSITIVE", "score": positive}])


def _image_labels(model: Model, inputs: dict[str, Any]) -> Answer:
    _any_of(inputs, "image", "stream_input")
    return json_answer([{"label": "STUB", "score": 0.9}, {"label": "PIXEL", "score": 0.1}])


def _boxes(model: Model, inputs: dict[str, Any]) -> Answer:
    _any_of(inputs, "image", "stream_input")
    return json_answer([{"label": "stub", "score": 0.9, "box": {"xmin": 0, "ymin": 0, "xmax": 1, "ymax": 1}}])


def _caption(model: Model, inputs: dict[str, Any]) -> Answer:
    _any_of(inputs, "image", "stream_input")
    asked = last_user_text(inputs) if "prompt" in inputs or "messages" in inputs else ""
    return json_answer({"description": f"This is the stub looking at a picture. {asked}".strip()})


_TASKS: dict[Task, Callable[[Model, dict[str, Any]], Answer]] = {
    Task.EMBEDDINGS: _embeddings,
    Task.RERANK: _rerank,
    Task.TEXT_TO_IMAGE: _image,
    Task.SPEECH_TO_TEXT: _transcript,
    Task.TEXT_TO_SPEECH: _speech,
    Task.TRANSLATION: _translation,
    Task.SUMMARIZATION: _summary,
    Task.TEXT_CLASSIFICATION: _text_labels,
    Task.IMAGE_CLASSIFICATION: _image_labels,
    Task.OBJECT_DETECTION: _boxes,
    Task.IMAGE_TO_TEXT: _caption,
}
