"""Which task a model does and which shape its answers have (ai-binding.md 1.5). Pure.

Only names decide: a model nobody listed still gets the task its name suggests, else text generation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Task(Enum):
    """Workers AI's tasks, by the name the catalogue gives them."""

    TEXT_GENERATION = "Text Generation"
    EMBEDDINGS = "Text Embeddings"
    RERANK = "Reranking"
    TEXT_TO_IMAGE = "Text-to-Image"
    SPEECH_TO_TEXT = "Automatic Speech Recognition"
    TEXT_TO_SPEECH = "Text-to-Speech"
    TRANSLATION = "Translation"
    SUMMARIZATION = "Summarization"
    TEXT_CLASSIFICATION = "Text Classification"
    IMAGE_CLASSIFICATION = "Image Classification"
    OBJECT_DETECTION = "Object Detection"
    IMAGE_TO_TEXT = "Image-to-Text"


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the catalogue. `chat_shape`: answers as `choices` (OpenAI) rather than `response`. `dimensions`: embeddings."""

    id: str
    task: Task
    chat_shape: bool = False
    dimensions: int = 0


_MODELS = (
    Model("@cf/zai-org/glm-4.7-flash", Task.TEXT_GENERATION, chat_shape=True),
    Model("@cf/openai/gpt-oss-120b", Task.TEXT_GENERATION, chat_shape=True),
    Model("@cf/openai/gpt-oss-20b", Task.TEXT_GENERATION, chat_shape=True),
    Model("@cf/moonshotai/kimi-k2.5", Task.TEXT_GENERATION, chat_shape=True),
    Model("@cf/meta/llama-3.1-8b-instruct", Task.TEXT_GENERATION),
    Model("@cf/meta/llama-3.3-70b-instruct-fp8-fast", Task.TEXT_GENERATION),
    Model("@cf/meta/llama-guard-3-8b", Task.TEXT_GENERATION),
    Model("@cf/deepseek-ai/deepseek-r1-distill-qwen-32b", Task.TEXT_GENERATION),
    Model("@hf/nousresearch/hermes-2-pro-mistral-7b", Task.TEXT_GENERATION),
    Model("@cf/baai/bge-small-en-v1.5", Task.EMBEDDINGS, dimensions=384),
    Model("@cf/baai/bge-base-en-v1.5", Task.EMBEDDINGS, dimensions=768),
    Model("@cf/baai/bge-large-en-v1.5", Task.EMBEDDINGS, dimensions=1024),
    Model("@cf/baai/bge-m3", Task.EMBEDDINGS, dimensions=1024),
    Model("@cf/google/embeddinggemma-300m", Task.EMBEDDINGS, dimensions=768),
    Model("@cf/baai/bge-reranker-base", Task.RERANK),
    Model("@cf/black-forest-labs/flux-1-schnell", Task.TEXT_TO_IMAGE),
    Model("@cf/stabilityai/stable-diffusion-xl-base-1.0", Task.TEXT_TO_IMAGE),
    Model("@cf/openai/whisper", Task.SPEECH_TO_TEXT),
    Model("@cf/openai/whisper-large-v3-turbo", Task.SPEECH_TO_TEXT),
    Model("@cf/deepgram/nova-3", Task.SPEECH_TO_TEXT),
    Model("@cf/deepgram/aura-1", Task.TEXT_TO_SPEECH),
    Model("@cf/myshell-ai/melotts", Task.TEXT_TO_SPEECH),
    Model("@cf/meta/m2m100-1.2b", Task.TRANSLATION),
    Model("@cf/facebook/bart-large-cnn", Task.SUMMARIZATION),
    Model("@cf/huggingface/distilbert-sst-2-int8", Task.TEXT_CLASSIFICATION),
    Model("@cf/microsoft/resnet-50", Task.IMAGE_CLASSIFICATION),
    Model("@cf/facebook/detr-resnet-50", Task.OBJECT_DETECTION),
    Model("@cf/llava-hf/llava-1.5-7b-hf", Task.IMAGE_TO_TEXT),
)
_BY_ID = {model.id: model for model in _MODELS}

_TASK_BY_NAME = (
    (re.compile(r"rerank"), Task.RERANK),
    (re.compile(r"bge|embed|plamo"), Task.EMBEDDINGS),
    (re.compile(r"whisper|nova-\d|deepgram/flux|asr"), Task.SPEECH_TO_TEXT),
    (re.compile(r"aura|melotts|tts"), Task.TEXT_TO_SPEECH),
    (re.compile(r"flux|stable-diffusion|dreamshaper|lucid-origin|phoenix"), Task.TEXT_TO_IMAGE),
    (re.compile(r"m2m100|indictrans"), Task.TRANSLATION),
    (re.compile(r"bart"), Task.SUMMARIZATION),
    (re.compile(r"distilbert"), Task.TEXT_CLASSIFICATION),
    (re.compile(r"detr"), Task.OBJECT_DETECTION),
    (re.compile(r"resnet"), Task.IMAGE_CLASSIFICATION),
    (re.compile(r"llava|uform"), Task.IMAGE_TO_TEXT),
)
_CHAT_SHAPE = re.compile(r"glm-|kimi|gpt-oss|gemma-4|nemotron|qwen3")


def model_info(model_id: str) -> Model:
    """Task and shape of any model id. Third-party models (`author/model`) answer in chat shape."""
    if model_id in _BY_ID:
        return _BY_ID[model_id]
    name = model_id.lower()
    task = next((task for pattern, task in _TASK_BY_NAME if pattern.search(name)), Task.TEXT_GENERATION)
    chat_shape = not model_id.startswith("@") or _CHAT_SHAPE.search(name) is not None
    return Model(model_id, task, chat_shape and task is Task.TEXT_GENERATION, 768 if task is Task.EMBEDDINGS else 0)


def search_models(query: dict[str, str]) -> list[dict[str, object]]:
    """The rows of `models()`: filtered by `author`, `search` and `task`, paged by `page` (from 1) and `per_page`.
    Raises ValueError when a page number is none."""
    rows = [
        model
        for model in _MODELS
        if query.get("author", "").lower() in model.id.split("/")[1].lower()
        and query.get("search", "").lower() in model.id.lower()
        and query.get("task", model.task.value).lower() == model.task.value.lower()
    ]
    page, per_page = int(query.get("page", 1)), int(query.get("per_page", 50))
    if page < 1 or per_page < 1:
        raise ValueError("page and per_page start at 1")
    return [_row(model) for model in rows[(page - 1) * per_page : page * per_page]]


def _row(model: Model) -> dict[str, object]:
    return {
        "id": model.id,
        "source": 1,
        "name": model.id,
        "description": f"{model.task.value} model, known to the emulator by its name and shape",
        "task": {"id": model.task.name.lower(), "name": model.task.value, "description": ""},
        "tags": [],
        "properties": [{"property_id": "output_dimensions", "value": str(model.dimensions)}] if model.dimensions else [],
    }
