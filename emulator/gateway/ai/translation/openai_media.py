"""Everything but text: `run` inputs to OpenAI's embeddings, images and audio, and to the `/rerank` of vLLM and its like, and the answers
back in the shapes of ai-binding.md 1.5. Pure."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any

from emulator.gateway.ai.catalogue import Model
from emulator.gateway.ai.translation.media import bytes_of, file_name, media_type
from emulator.gateway.ai.translation.openai_request import Flavour, Translated
from emulator.gateway.ai.upstream_errors import untranslatable

_PICTURES = frozenset({"image", "image_b64", "mask"})
Form = list[tuple[str, str | None, str, bytes]]
"""Fields of multipart/form-data: name, file name, content type, data."""


class NotThis(ValueError):
    """The answer is not what this endpoint answers; the text says what is missing."""


def required(inputs: Mapping[str, Any], *names: str) -> Any:
    """The first of these inputs that is there. Raises Refused 5006."""
    for name in names:
        if inputs.get(name) is not None:
            return inputs[name]
    raise untranslatable(f"Bad input: Error: required properties at '/' are '{names[0]}'")


def _dropped(inputs: Mapping[str, Any], used: set[str], what: str) -> list[str]:
    return [f"{name} dropped: {what} takes no such parameter" for name, value in inputs.items() if name not in used and value is not None]


def embeddings_request(inputs: Mapping[str, Any], model: str) -> Translated:
    """`text` to `input`."""
    texts = required(inputs, "text")
    return Translated("/embeddings", {"model": model, "input": texts}, _dropped(inputs, {"text"}, "/embeddings"))


def embeddings_answer(document: Mapping[str, Any], model: Model) -> dict[str, Any]:
    """Back to `{shape, data, pooling}`. Raises NotThis."""
    rows = document.get("data")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) and isinstance(row.get("embedding"), list) for row in rows):
        raise NotThis("an answer without `data[].embedding`")
    numbered = all(isinstance(row.get("index"), int) for row in rows)
    vectors = [row["embedding"] for row in (sorted(rows, key=lambda row: row["index"]) if numbered else rows)]
    answer: dict[str, Any] = {"shape": [len(vectors), len(vectors[0])], "data": vectors, "pooling": "mean"}
    return {**answer, "response": None, "meta": {}} if model.id.endswith("bge-m3") else answer


def dimensions_warning(answer: Mapping[str, Any], model: Model) -> list[str]:
    """A vector store made for the real model's vectors would refuse other ones."""
    got = answer["shape"][1]
    if not model.id.startswith("@") or not model.dimensions or got == model.dimensions:
        return []
    return [f"vectors have {got} dimensions, and those of {model.id} have {model.dimensions}"]


def rerank_request(inputs: Mapping[str, Any], model: str, flavour: Flavour, backend: str) -> Translated:
    """`{query, contexts, top_k}` to `/rerank`. Raises Refused where there is none."""
    if flavour is not Flavour.COMPATIBLE:
        raise untranslatable(
            f"{flavour.value}'s API has no reranking; route {backend!r}'s rerankers to vLLM, or use a recording or the stub"
        )
    contexts = required(inputs, "contexts")
    documents = [str(context.get("text", "")) if isinstance(context, dict) else str(context) for context in contexts]
    body: dict[str, Any] = {"model": model, "query": required(inputs, "query"), "documents": documents}
    if inputs.get("top_k") is not None:
        body["top_n"] = inputs["top_k"]
    return Translated("/rerank", body, _dropped(inputs, {"query", "contexts", "top_k"}, "/rerank"))


def rerank_answer(document: Mapping[str, Any]) -> dict[str, Any]:
    """Best first. Raises NotThis."""
    rows = document.get("results")
    if not isinstance(rows, list) or not all(isinstance(row, dict) and _is_number(row.get("relevance_score")) for row in rows):
        raise NotThis("an answer without `results[].relevance_score`")
    ranked = [{"id": row.get("index"), "score": row["relevance_score"]} for row in rows]
    return {"response": sorted(ranked, key=lambda row: -row["score"])}


def image_request(inputs: Mapping[str, Any], model: str, flavour: Flavour) -> Translated:
    """A picture from a prompt. Raises Refused for one from a picture."""
    if pictures := [name for name in inputs if name in _PICTURES or name.startswith("input_image")]:
        raise untranslatable(
            f"{pictures[0]!r} as input of an image model is not translated; use a recording, Workers AI itself or the stub"
        )
    body: dict[str, Any] = {"model": model, "prompt": required(inputs, "prompt"), "n": 1}
    used = {"prompt", "width", "height"}
    if inputs.get("width") and inputs.get("height"):
        body["size"] = f"{inputs['width']}x{inputs['height']}"
    if not model.startswith(("gpt-image", "chatgpt-image")):  # these always answer base64, and refuse to be asked for it
        body["response_format"] = "b64_json"
    if flavour is Flavour.COMPATIBLE:
        extra = {name: value for name, value in inputs.items() if name not in used and value is not None}
        return Translated("/images/generations", {**extra, **body})
    return Translated("/images/generations", body, _dropped(inputs, used, f"{flavour.value}'s /images/generations"))


def image_answer(document: Mapping[str, Any]) -> bytes:
    """The picture. Raises NotThis."""
    rows = document.get("data")
    encoded = rows[0].get("b64_json") if isinstance(rows, list) and rows and isinstance(rows[0], dict) else None
    if not isinstance(encoded, str):
        raise NotThis("an answer without `data[0].b64_json`")
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError:
        raise NotThis("a `b64_json` that is not base64") from None


def answers_with_json_image(model: Model) -> bool:
    """Whether the model gives its picture as base64 in JSON rather than as a binary stream."""
    return "flux" in model.id


def speech_request(inputs: Mapping[str, Any], model: str) -> Translated:
    """Text to sound; an unnamed voice becomes OpenAI's first."""
    voice = inputs.get("voice") or inputs.get("speaker")
    encoding = inputs.get("encoding") or inputs.get("response_format") or "mp3"
    body: dict[str, Any] = {"model": model, "input": required(inputs, "text", "prompt"), "voice": voice or "alloy"}
    body["response_format"] = {"linear16": "pcm"}.get(encoding, encoding)
    if inputs.get("speed") is not None:
        body["speed"] = inputs["speed"]
    used = {"text", "prompt", "voice", "speaker", "encoding", "response_format", "speed"}
    warnings = _dropped(inputs, used, "/audio/speech")
    return Translated("/audio/speech", body, warnings if voice else [*warnings, "voice 'alloy' filled in: the backend needs one"])


def speech_answer(sound: bytes) -> dict[str, Any]:
    """The JSON of a model that answers so (melotts)."""
    return {"audio": base64.b64encode(sound).decode()}


def answers_with_json_audio(model: Model) -> bool:
    """Whether the model gives its sound as base64 in JSON rather than as a binary stream."""
    return "melotts" in model.id


def transcription_request(inputs: Mapping[str, Any], model: str, sound: tuple[str, bytes] | None) -> tuple[str, Form, list[str]]:
    """Path, form and warnings. `sound` is the stream of a stream-input call (content type, data); else it is in `audio`."""
    audio = inputs.get("audio")
    if sound is None:
        data = bytes_of(required(inputs, "audio"), "audio")
        declared = audio.get("contentType") if isinstance(audio, dict) else None
    else:
        declared, data = sound
    kind = media_type(data, declared or "audio/wav")
    detailed = not re.search(r"gpt-4o.*transcribe|transcribe-\d", model)
    form: Form = [("file", file_name(kind), kind, data)]
    form += [_text_field("model", model), _text_field("response_format", "verbose_json" if detailed else "json")]
    if detailed:
        form += [_text_field("timestamp_granularities[]", value) for value in ("word", "segment")]
    used = {"audio", "language", "initial_prompt", "prompt", "temperature", "task"}
    prompt = inputs.get("initial_prompt") or inputs.get("prompt")
    for name, value in (("language", inputs.get("language")), ("prompt", prompt), ("temperature", inputs.get("temperature"))):
        if value is not None:
            form.append(_text_field(name, str(value)))
    path = "/audio/translations" if inputs.get("task") == "translate" else "/audio/transcriptions"
    return path, form, _dropped(inputs, used, path)


def transcription_answer(document: Mapping[str, Any], model: Model) -> dict[str, Any]:
    """In whisper's, whisper turbo's or nova's shape. Raises NotThis."""
    text = document.get("text")
    if not isinstance(text, str):
        raise NotThis("an answer without `text`")
    words, segments = _rows(document, "words", "word"), _rows(document, "segments", "text")
    if "nova" in model.id or "deepgram" in model.id:
        heard = {"transcript": text, "confidence": 1.0, "words": [{**word, "confidence": 1.0} for word in words]}
        return {"results": {"channels": [{"alternatives": [heard]}]}}
    answer: dict[str, Any] = {"text": text, "word_count": len(words) or len(text.split()), "vtt": _vtt(segments, text)}
    if "turbo" not in model.id:
        return {**answer, "words": words}
    duration = document.get("duration") or max((segment["end"] for segment in segments), default=0.0)
    info = {
        "language": document.get("language") or "en",
        "language_probability": 1.0,
        "duration": duration,
        "duration_after_vad": duration,
    }
    timed = [{**segment, "words": _within(words, segment)} for segment in segments]
    return {**answer, "transcription_info": info, "segments": timed}


def multipart(form: Form) -> tuple[str, bytes]:
    """Content type and body. The boundary derives from the data, so that equal requests are equal bytes."""
    boundary = f"agents-emu-{hashlib.sha256(b''.join(field[3] for field in form)).hexdigest()[:32]}"
    parts = []
    for name, filename, kind, data in form:
        named = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename else "")
        content_type = f"content-type: {kind}\r\n" if filename else ""
        parts.append(f"--{boundary}\r\ncontent-disposition: {named}\r\n{content_type}\r\n".encode() + data + b"\r\n")
    return f"multipart/form-data; boundary={boundary}", b"".join([*parts, f"--{boundary}--\r\n".encode()])


def _text_field(name: str, value: str) -> tuple[str, str | None, str, bytes]:
    return name, None, "text/plain", value.encode()


def _rows(document: Mapping[str, Any], field: str, name: str) -> list[dict[str, Any]]:
    rows = document.get(field) or []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise NotThis(f"`{field}` that are no objects")
    return [_timed(row, name) for row in rows]


def _timed(row: dict[str, Any], name: str) -> dict[str, Any]:
    start, end = row.get("start"), row.get("end")
    return {name: str(row.get(name, "")).strip(), "start": start if _is_number(start) else 0.0, "end": end if _is_number(end) else 0.0}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _within(words: list[dict[str, Any]], segment: dict[str, Any]) -> list[dict[str, Any]]:
    return [word for word in words if segment["start"] <= word["start"] < segment["end"]]


def _vtt(segments: list[dict[str, Any]], text: str) -> str:
    rows = segments or [{"start": 0.0, "end": 0.0, "text": text}]
    return "WEBVTT\n\n" + "\n".join(f"{_clock(row['start'])} --> {_clock(row['end'])}\n{row['text']}\n" for row in rows)


def _clock(seconds: float) -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{thousandths:03}"
