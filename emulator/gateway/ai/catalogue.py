"""Which task a model does and which shape its answers have (ai-binding.md 1.5). Pure.

`models.json` lists the models that the platform's own types name; a model nobody listed gets the task its name suggests, else text
generation.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib.resources import files


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
    """A model of the catalogue. `chat_shape`: answers as `choices` (OpenAI) rather than `response`. `dimensions`: embeddings. `beta`: what
    the catalogue calls experimental."""

    id: str
    task: Task
    chat_shape: bool = False
    dimensions: int = 0
    beta: bool = False


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
_CHAT_SHAPE = re.compile(r"glm-|kimi|gpt-oss|gemma-4|nemotron|qwen3|deepseek-v4")
_SOURCE = 1
"""Where models come from, as the catalogue numbers it: all of these are Cloudflare's own."""


@cache
def catalogue() -> dict[str, Model]:
    """All models that are known by name."""
    rows = json.loads(files(__package__).joinpath("models.json").read_text("utf-8"))
    return {row["id"]: Model(**{**row, "task": Task(row["task"])}) for row in rows}


def model_info(model_id: str) -> Model:
    """Task and shape of any model id. Third-party models (`author/model`) answer in chat shape."""
    if (known := catalogue().get(model_id)) is not None:
        return known
    name = model_id.lower()
    task = next((task for pattern, task in _TASK_BY_NAME if pattern.search(name)), Task.TEXT_GENERATION)
    chat_shape = not model_id.startswith("@") or _CHAT_SHAPE.search(name) is not None
    return Model(model_id, task, chat_shape and task is Task.TEXT_GENERATION, 768 if task is Task.EMBEDDINGS else 0)


def search_models(query: dict[str, str]) -> list[dict[str, object]]:
    """The rows of `models()`: filtered by `author`, `search`, `task`, `source` and `hide_experimental`, paged by `page` (from 1) and
    `per_page`. Raises ValueError when a number is none."""
    hidden = query.get("hide_experimental", "").lower() in ("true", "1")
    rows = [
        model
        for model in catalogue().values()
        if query.get("author", "").lower() in model.id.split("/")[1].lower()
        and query.get("search", "").lower() in model.id.lower()
        and query.get("task", model.task.value).lower() in (model.task.value.lower(), model.task.name.lower())
        and int(query.get("source", _SOURCE)) == _SOURCE
        and not (hidden and model.beta)
    ]
    page, per_page = int(query.get("page", 1)), int(query.get("per_page", 50))
    if page < 1 or per_page < 1:
        raise ValueError("page and per_page start at 1")
    return [_row(model) for model in rows[(page - 1) * per_page : page * per_page]]


def _row(model: Model) -> dict[str, object]:
    properties = [("output_dimensions", str(model.dimensions))] if model.dimensions else []
    properties += [("beta", "true")] if model.beta else []
    return {
        "id": model.id,
        "source": _SOURCE,
        "name": model.id,
        "description": f"{model.task.value} model, known to the emulator by its name and shape",
        "task": {"id": model.task.name.lower(), "name": model.task.value, "description": ""},
        "tags": [],
        "properties": [{"property_id": name, "value": value} for name, value in properties],
    }
