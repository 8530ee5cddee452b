"""The real clients through the real server to each family of backends (A6): equal answers; recorded, they replay without any backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from fakes import media
from fakes.anthropic import FakeAnthropic
from fakes.ollama import FakeOllama
from fakes.openai import FakeOpenAi
from harness import npm
from harness.server import CHECKOUT, PROJECTS, Server, copy_project, serving

PROJECT = PROJECTS / "model_backends"
PACKAGES = CHECKOUT / "build" / "model-backends"
FAMILIES = ("openai", "anthropic", "ollama")
CHAT, LEGACY = "glm-4.7-flash", "llama-3.1-8b-instruct"
CLAUDE = {
    "plugin": "anthropic/claude-opus-4.8",
    "agents": "anthropic/claude-opus-4.8",
    "provider": "anthropic/claude-opus-4.8",
    "anthropic": "claude-opus-4-8",
}
"""By client: how it names the same model."""

WEATHER = ["weather", {"city": "example", "days": 1}]
LOOPED = {"text": "The tool said: sunny in example for 1", "finish": "stop", "steps": [["tool-calls", [WEATHER]], ["stop", []]]}
EXPECTED: dict[str, Any] = {
    "generate": {"text": "You said: Say hello to me", "finish": "stop", "tokens": [6, 6]},
    "stream": {"text": "You said: Say hello to me", "finish": "stop", "tokens": [6, 6], "pieces": 6},
    "loop": {**LOOPED, "tokens": [11, 12]},
    "streamedLoop": {**LOOPED, "tokens": [11, 12]},
    "object": {"name": "example", "age": 1},
}
MADE: dict[str, tuple[str, Any]] = {
    "embedMany": ("bge-base-en-v1.5", {"count": 3, "same": True, "other": True}),
    "generateImage": ("flux-1-schnell", {"type": "image/png", "bytes": len(media.PNG)}),
    "transcribe": ("whisper-large-v3-turbo", {"text": "Hello from the fake."}),
    "generateSpeech": ("aura-1", {"bytes": len(media.MP3)}),
    "rerank": ("bge-reranker-base", [1, 0]),
}
"""By call: the model, and what OpenAI-compatible servers answer."""

CONFIG = """
[ai.backends.openai]
type = "openai"
base_url = "{openai}"

[ai.backends.anthropic]
type = "anthropic"
base_url = "{anthropic}"
key = "env:ANTHROPIC_API_KEY"

[ai.backends.ollama]
type = "ollama"
base_url = "{ollama}"

[[ai.routes]]
match = "@cf/openai/*"
to = "openai"
model = "gpt-4o"

[[ai.routes]]
match = "@cf/anthropic/*"
to = "anthropic"
model = "claude-opus-4-8"

[[ai.routes]]
match = "@cf/ollama/bge-*"
to = "ollama"
model = "nomic-embed-text"

[[ai.routes]]
match = "@cf/ollama/*"
to = "ollama"
model = "qwen3:8b"

[[ai.routes]]
match = "anthropic/*"
to = "anthropic"
"""


@dataclass
class Stage:
    """The server, and everything that it answered while it recorded."""

    server: Server
    heard: dict[tuple[str, ...], tuple[int, Any]]


def asked() -> list[tuple[str, ...]]:
    """Call, client and model of everything that is asked."""
    talks = [(call, "provider", f"@cf/{family}/{shape}") for call in EXPECTED for family in FAMILIES for shape in (CHAT, LEGACY)]
    claudes = [(call, client, model) for call in EXPECTED for client, model in CLAUDE.items()]
    made = [(call, "provider", f"@cf/openai/{model}") for call, (model, _) in MADE.items()]
    return [*talks, *claudes, *made, ("embedMany", "provider", "@cf/ollama/bge-base-en-v1.5")]


async def hear(server: Server, key: tuple[str, ...]) -> tuple[int, Any]:
    call, client, model = key
    return await server.get(f"/{call}", params={"client": client, "model": model})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """Asked everything while it recorded; then the backends are gone, and it replays."""
    folder = tmp_path_factory.mktemp("model_backends")
    npm.install(PACKAGES, PROJECT, [PROJECT / "package.json"], "--legacy-peer-deps")
    source = copy_project(PROJECT, folder / "source")
    (source / ".dev.vars").write_text("ANTHROPIC_API_KEY=sk-ant-fake\n")
    with (
        FakeOpenAi(flavour="vllm").running() as openai,
        FakeAnthropic(key="sk-ant-fake").running() as claude,
        FakeOllama().running() as ollama,
    ):
        addresses = {"openai": openai.base_url, "anthropic": claude.url, "ollama": ollama.url}
        (source / "agents-emu.toml").write_text(CONFIG.format(**addresses))
        async with serving(source, folder, "--ai", "record", modules=PACKAGES / "node_modules") as server:
            heard = {key: await hear(server, key) for key in asked()}
            await server.stop()
            server.arguments = ("--ai", "replay")
            for fake in (openai, claude, ollama):
                fake.seen.clear()
            await server.start()
            yield Stage(server, heard)
            assert [fake.seen for fake in (openai, claude, ollama)] == [[], [], []]


@pytest.mark.parametrize("call", EXPECTED)
@pytest.mark.parametrize("shape", [CHAT, LEGACY])
async def test_each_family_answers_alike(stage: Stage, call: str, shape: str):
    answers = [stage.heard[call, "provider", f"@cf/{family}/{shape}"] for family in FAMILIES]
    assert answers == [answers[0]] * 3
    status, body = answers[0]
    assert status == 200, body
    expected = EXPECTED[call]
    if "steps" in expected and shape == LEGACY:
        # The legacy shape has no finish reason, so the provider says "stop" of a call too.
        expected = {**expected, "steps": [["stop", [WEATHER]], ["stop", []]]}
    assert body == expected


@pytest.mark.parametrize("call", EXPECTED)
@pytest.mark.parametrize("client", CLAUDE)
async def test_every_client_that_reaches_claude_hears_the_same(stage: Stage, call: str, client: str):
    assert stage.heard[call, client, CLAUDE[client]] == (200, EXPECTED[call])


@pytest.mark.parametrize("call", MADE)
async def test_the_other_tasks(stage: Stage, call: str):
    model, expected = MADE[call]
    assert stage.heard[call, "provider", f"@cf/openai/{model}"] == (200, expected)


async def test_ollama_embeds_too(stage: Stage):
    assert stage.heard["embedMany", "provider", "@cf/ollama/bge-base-en-v1.5"] == (200, MADE["embedMany"][1])


async def test_what_was_recorded_replays_without_a_backend(stage: Stage):
    for key, answered in stage.heard.items():
        assert (key, await hear(stage.server, key)) == (key, answered)
