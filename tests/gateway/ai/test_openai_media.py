"""Embeddings, reranking, images, sound through backends/openai.py, in the shapes of ai-binding.md 1.5."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fakes.asking import Asker, asker, body, chunks, error, stream_input, value
from fakes.base import Step
from fakes.media import MP3, PNG
from fakes.openai import FakeOpenAi

from emulator.config.ai import BackendType
from emulator.gateway.ai.backends.openai import OpenAi
from emulator.gateway.ai.classify import parsed_body
from emulator.gateway.ai.translation.openai_media import image_request, rerank_request, transcription_request
from emulator.gateway.ai.translation.openai_request import Flavour
from emulator.gateway.ai.upstream_errors import Refused

WHISPER, TURBO, NOVA = "@cf/openai/whisper", "@cf/openai/whisper-large-v3-turbo", "@cf/deepgram/nova-3"
FLUX, SDXL = "@cf/black-forest-labs/flux-1-schnell", "@cf/stabilityai/stable-diffusion-xl-base-1.0"


@asynccontextmanager
async def served(flavour: str = "vllm") -> AsyncIterator[tuple[FakeOpenAi, Asker]]:
    async with FakeOpenAi(key="sk-1", flavour=flavour) as fake, asker(OpenAi, BackendType.OPENAI, fake.base_url, key="sk-1") as it:
        yield fake, it


async def test_embeddings() -> None:
    async with served() as (fake, it):
        reply = await it.ask({"text": ["a", "b"]}, target="@cf/baai/bge-base-en-v1.5", model="e5")
        answer = await value(reply)
        assert (answer["shape"], len(answer["data"]), answer["pooling"]) == ([2, 8], 2, "mean")
        assert fake.last.json == {"model": "e5", "input": ["a", "b"]}
        assert reply.warnings == ["vectors have 8 dimensions, and those of @cf/baai/bge-base-en-v1.5 have 768"]
        one = await it.ask({"text": "a", "pooling": "cls"}, target="@cf/baai/bge-m3")
        assert (await value(one))["response"] is None
        assert "pooling dropped: /embeddings takes no such parameter" in one.warnings


async def test_embeddings_come_in_the_order_they_were_asked_for() -> None:
    rows = [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}]
    async with served() as (fake, it):
        fake.script(Step(raw=json.dumps({"data": rows}).encode()))
        assert (await value(await it.ask({"text": ["a", "b"]}, target="openai/text-embedding-3-small")))["data"] == [[1.0], [2.0]]


async def test_reranking() -> None:
    inputs = {"query": "green tea", "contexts": [{"text": "black coffee"}, {"text": "green tea leaves"}], "top_k": 1}
    async with served() as (fake, it):
        for target in ("@cf/baai/bge-reranker-base", "@cf/baai/bge-m3"):
            assert await value(await it.ask(inputs, target=target)) == {"response": [{"id": 1, "score": 1.0}]}
            assert fake.last.path == "/v1/rerank"
            assert fake.last.json["top_n"] == 1
    for flavour in (Flavour.OPENAI, Flavour.GEMINI):
        with pytest.raises(Refused, match="no reranking"):
            rerank_request(inputs, "m", flavour, "mine")


async def test_images() -> None:
    async with served() as (fake, it):
        inputs = {"prompt": "a cat", "width": 512, "height": 256, "seed": 3}
        assert await value(await it.ask(inputs, target=FLUX, model="dall-e-3")) == {"image": base64.b64encode(PNG).decode()}
        assert fake.last.json == {
            "model": "dall-e-3",
            "prompt": "a cat",
            "n": 1,
            "size": "512x256",
            "response_format": "b64_json",
            "seed": 3,
        }
        reply = await it.ask({"prompt": "a cat"}, target=SDXL, model="gpt-image-1")
        assert (reply.response.header("content-type"), await body(reply)) == ("image/png", PNG)
        assert "response_format" not in fake.last.json
    translated = image_request(inputs, "dall-e-3", Flavour.OPENAI)
    assert "seed" not in translated.body
    assert translated.warnings == ["seed dropped: OpenAI's /images/generations takes no such parameter"]


async def test_an_image_from_a_form() -> None:
    form = b'--b\r\ncontent-disposition: form-data; name="prompt"\r\n\r\na dog\r\n--b--\r\n'
    content_type = "multipart/form-data; boundary=b"
    target = "@cf/black-forest-labs/flux-2-dev"
    async with served() as (fake, it):
        asked = stream_input(target, content_type, form, parsed_body(content_type, form))
        assert await value(await it.server.run(asked, "dall-e-3")) == {"image": base64.b64encode(PNG).decode()}
        assert fake.last.json["prompt"] == "a dog"


async def test_an_image_from_an_image_is_refused() -> None:
    form = (
        b'--b\r\ncontent-disposition: form-data; name="input_image_0"; filename="a.png"\r\ncontent-type: image/png\r\n\r\n'
        + PNG
        + b"\r\n--b--\r\n"
    )
    content_type = "multipart/form-data; boundary=b"
    async with served() as (fake, it):
        asked = stream_input("@cf/black-forest-labs/flux-2-dev", content_type, form, parsed_body(content_type, form))
        assert "'input_image_0' as input" in (await error(await it.server.run(asked, "dall-e-3")))[2]
        status, code, text = await error(await it.ask({"prompt": "x", "image": [1]}, target=SDXL))
        assert (status, code) == (400, 5006)
        assert "'image' as input of an image model" in text and fake.seen == []


async def test_an_answer_without_a_picture_is_told() -> None:
    async with served() as (fake, it):
        for raw, words in ((b'{"data": [{"url": "https://x"}]}', "b64_json"), (b'{"data": [{"b64_json": "?"}]}', "not base64")):
            fake.script(Step(raw=raw))
            status, code, text = await error(await it.ask({"prompt": "x"}, target=FLUX))
            assert (status, code) == (500, 502)
            assert words in text and "(E616)" in text


async def test_speech_streams_as_it_is_spoken() -> None:
    async with served() as (fake, it):
        reply = await it.ask({"text": "hi", "speaker": "nova", "speed": 1.5}, target="@cf/deepgram/aura-1", model="tts-1")
        assert (reply.response.header("content-type"), reply.warnings) == ("audio/mpeg", [])
        said = await chunks(reply)
        assert b"".join(said) == MP3
        assert fake.last.json == {"model": "tts-1", "input": "hi", "voice": "nova", "response_format": "mp3", "speed": 1.5}
        reply = await it.ask({"prompt": "hi", "lang": "en"}, target="@cf/myshell-ai/melotts", model="tts-1")
        assert await value(reply) == {"audio": base64.b64encode(MP3).decode()}
        assert reply.warnings == ["lang dropped: /audio/speech takes no such parameter", "voice 'alloy' filled in: the backend needs one"]


async def test_speech_that_is_an_error_page_is_told() -> None:
    async with served() as (fake, it):
        fake.script(Step(raw=b"<html><title>Busy</title></html>", content_type="text/html; charset=utf-8"))
        assert "an HTML page (Busy)" in (await error(await it.ask({"text": "x"}, target="@cf/deepgram/aura-1")))[2]


@pytest.mark.parametrize(
    "audio",
    [list(MP3[:8]), base64.b64encode(MP3[:8]).decode(), {"body": base64.b64encode(MP3[:8]).decode(), "contentType": "audio/mpeg"}],
)
async def test_transcription_takes_every_form_of_sound(audio: Any) -> None:
    async with served() as (fake, it):
        answer = await value(await it.ask({"audio": audio, "language": "en"}, target=WHISPER, model="whisper-1"))
        assert (answer["text"], answer["word_count"]) == ("Hello from the fake.", 4)
        assert answer["words"][0] == {"word": "Hello", "start": 0.0, "end": 0.4}
        assert answer["vtt"] == "WEBVTT\n\n00:00:00.000 --> 00:00:01.900\nHello from the fake.\n"
        assert fake.last.path == "/v1/audio/transcriptions"
        assert MP3[:8] in fake.last.body and b'filename="audio.mp3"' in fake.last.body
        assert b'name="language"\r\n\r\nen\r\n' in fake.last.body


async def test_transcription_of_a_stream() -> None:
    async with served() as (fake, it):
        asked = stream_input(NOVA, "audio/wav", MP3, {"media_type": "audio/wav"}, {"language": "de"})
        answer = await value(await it.server.run(asked, "whisper-1"))
        heard = answer["results"]["channels"][0]["alternatives"][0]
        assert heard["transcript"] == "Hello from the fake."
        assert heard["words"][1] == {"word": "from", "start": 0.5, "end": 0.9, "confidence": 1.0}
        assert MP3 in fake.last.body and b"de\r\n" in fake.last.body


async def test_transcription_for_whisper_turbo() -> None:
    async with served() as (fake, it):
        audio = base64.b64encode(MP3).decode()
        reply = await it.ask({"audio": audio, "task": "translate", "vad_filter": True}, target=TURBO, model="whisper-1")
        answer = await value(reply)
        assert answer["transcription_info"] == {
            "language": "english",
            "language_probability": 1.0,
            "duration": 2.0,
            "duration_after_vad": 2.0,
        }
        assert [word["word"] for word in answer["segments"][0]["words"]] == ["Hello", "from", "the", "fake."]
        assert fake.last.path == "/v1/audio/translations"
        assert reply.warnings == ["vad_filter dropped: /audio/translations takes no such parameter"]


def test_equal_recordings_are_equal_requests_and_newer_models_are_asked_for_plain_json() -> None:
    first, second = (transcription_request({"audio": [1, 2]}, "gpt-4o-transcribe", None) for _ in range(2))
    assert first == second
    assert ("response_format", None, "text/plain", b"json") in first[1]


async def test_a_bare_transcript_is_enough() -> None:
    async with served() as (fake, it):
        fake.script(Step(raw=b'{"text": "just words"}'))
        answer = await value(await it.ask({"audio": [1]}, target=WHISPER))
        assert answer == {
            "text": "just words",
            "word_count": 2,
            "vtt": "WEBVTT\n\n00:00:00.000 --> 00:00:00.000\njust words\n",
            "words": [],
        }


async def test_a_question_about_a_picture() -> None:
    async with served() as (fake, it):
        reply = await it.ask({"image": list(PNG[:8]), "prompt": "What?"}, target="@cf/llava-hf/llava-1.5-7b-hf")
        assert await value(reply) == {"description": "You said: What? [picture]"}
        assert fake.last.json["messages"][0]["content"][1]["image_url"]["url"].startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    ("target", "inputs", "name"),
    [
        ("@cf/meta/m2m100-1.2b", {"text": "x"}, "Translation"),
        ("@cf/facebook/bart-large-cnn", {"input_text": "x"}, "Summarization"),
        ("@cf/huggingface/distilbert-sst-2-int8", {"text": "x"}, "Text Classification"),
        ("@cf/facebook/detr-resnet-50", {"image": [1]}, "Object Detection"),
    ],
)
async def test_tasks_without_a_counterpart_are_refused(target: str, inputs: Any, name: str) -> None:
    async with served() as (_, it):
        status, code, text = await error(await it.ask(inputs, target=target))
        assert (status, code) == (400, 5006)
        assert f"{name} has no counterpart in OpenAI's API" in text and "(E617)" in text


@pytest.mark.parametrize("target", ["@cf/baai/bge-base-en-v1.5", "@cf/baai/bge-reranker-base", FLUX, WHISPER, "@cf/deepgram/aura-1"])
async def test_missing_inputs_are_refused(target: str) -> None:
    async with served() as (fake, it):
        assert (await error(await it.ask({}, target=target)))[:2] == (400, 5006)
        assert (await error(await it.ask("text", target=target)))[:2] == (400, 5006)
        assert fake.seen == []


@pytest.mark.parametrize("target", ["@cf/baai/bge-base-en-v1.5", "@cf/baai/bge-reranker-base", FLUX, WHISPER])
@pytest.mark.parametrize(
    "raw", [b"{}", b'{"data": 1, "results": [1], "text": 3}', b'{"data": [{"embedding": 1}], "results": [{"index": 0}]}']
)
async def test_answers_of_another_form_are_told(target: str, raw: bytes) -> None:
    async with served() as (fake, it):
        fake.script(Step(raw=raw))
        inputs = {"text": "x", "query": "x", "contexts": ["x"], "prompt": "x", "audio": [1]}
        if "bge-base" in target:
            del inputs["contexts"]
        status, code, text = await error(await it.ask(inputs, target=target))
        assert (status, code) == (500, 502)
        assert "gave an answer without" in text
