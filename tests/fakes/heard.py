"""One model of a backend asked, and its answer read to the end: on top of asking.py, for tests that compare protocols."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from emulator.config.ai import BackendType
from emulator.gateway.ai.backends.anthropic import Anthropic
from emulator.gateway.ai.backends.ollama import Ollama
from emulator.gateway.ai.backends.openai import OpenAi
from emulator.gateway.ai.reply import Reply

from . import asking
from .asking import LEGACY, Asker

_CLASSES = {BackendType.ANTHROPIC: Anthropic, BackendType.OLLAMA: Ollama, BackendType.OPENAI: OpenAi}


@dataclass
class Heard:
    """An answer that was read to its end."""

    reply: Reply
    chunks: list[bytes]

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, int, str]:
        """Status, code and text of a refusal."""
        error = self.json["errors"][0]
        return self.reply.response.status, error["code"], error["message"]

    @property
    def events(self) -> list[Any]:
        """The data of every event; `[DONE]` as text."""
        data = [line.removeprefix("data: ") for line in self.body.decode().split("\n") if line.startswith("data: ")]
        return [one if one == "[DONE]" else json.loads(one) for one in data]

    @property
    def warnings(self) -> list[str]:
        return self.reply.warnings


@dataclass
class Model:
    """The model that the backend knows as `name`; call it to ask it."""

    asker: Asker
    name: str

    async def begin(self, inputs: Any, target: str = LEGACY, **more: Any) -> Reply:
        """The answer, its body unread."""
        return await self.asker.ask(inputs, target=target, model=self.name, **more)

    async def __call__(self, inputs: Any, target: str = LEGACY, **more: Any) -> Heard:
        reply = await self.begin(inputs, target, **more)
        return Heard(reply, await asking.chunks(reply))


@asynccontextmanager
async def model_at(kind: BackendType, url: str, name: str, **more: Any) -> AsyncIterator[Model]:
    """The model `name` of the server at `url`; `more` as for asking.asker."""
    async with asking.asker(_CLASSES[kind], kind, url, **{"name": kind.value, **more}) as asker:
        yield Model(asker, name)
