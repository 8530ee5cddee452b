"""The nine calls of the Workers AI provider in an agent (A5, A6), and what else the binding has (A7): real packages on our Node host."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from fakes.anthropic import FakeAnthropic
from fakes.base import FakeServer
from fakes.ollama import FakeOllama
from fakes.openai import FakeOpenAi
from harness import npm
from harness.server import PROJECTS, Server, copy_project, serving

PROJECT = PROJECTS / "model_tasks"
GLM, LLAMA = "@cf/zai-org/glm-4.7-flash", "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
MODELS = {
    "embedMany": "@cf/baai/bge-base-en-v1.5",
    "generateImage": "@cf/black-forest-labs/flux-1-schnell",
    "transcription": "@cf/openai/whisper-large-v3-turbo",
    "speech": "@cf/deepgram/aura-1",
    "rerank": "@cf/baai/bge-reranker-base",
}
TEXTS = ("generateText", "streamText", "toolLoop", "objectOutput")
CALL = {"toolName": "weather", "input": {"city": "example", "days": 1}}
RESULT = {"city": "example", "degrees": 18}
PNG, JPEG = [0x89, 0x50, 0x4E], [0xFF, 0xD8, 0xFF]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stubbed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """The project without any backend."""
    async with serving(PROJECT, tmp_path_factory.mktemp("stubbed"), modules=npm.sample_modules()) as server:
        yield server


async def asked(server: Server, task: str, model: str = "") -> Any:
    status, answer = await server.get(f"/agents/tasks/me/{task}?model={model}")
    assert status == 200, answer
    return answer


# -- A5: the stub


@pytest.mark.parametrize("model", [GLM, LLAMA])
@pytest.mark.parametrize("task", ["generateText", "streamText"])
async def test_text_by_the_stub(stubbed: Server, task: str, model: str):
    answer = await asked(stubbed, task, model)
    assert "You said: Say hello" in answer["text"]
    assert answer["finishReason"] == "stop"
    assert answer["tokens"][0] > 0
    assert answer["tokens"][1] > 0
    assert answer.get("several", True)


@pytest.mark.parametrize("model", [GLM, LLAMA])
async def test_a_tool_loop_by_the_stub(stubbed: Server, model: str):
    answer = await asked(stubbed, "toolLoop", model)
    assert (answer["steps"], [call["toolName"] for call in answer["calls"]], answer["finishReason"]) == (2, ["weather"], "stop")
    assert answer["results"][0]["degrees"] == 18


@pytest.mark.parametrize("model", [GLM, LLAMA])
async def test_an_object_by_the_stub(stubbed: Server, model: str):
    answer = await asked(stubbed, "objectOutput", model)
    assert (type(answer["name"]), type(answer["age"]), type(answer["tags"])) == (str, int, list)


async def test_the_other_five_by_the_stub(stubbed: Server):
    answers = {task: await asked(stubbed, task, model) for task, model in MODELS.items()}
    assert answers["embedMany"] == {"count": 3, "equal": True, "different": True}
    assert answers["generateImage"] == {"begin": JPEG, "bytes": True}
    assert answers["transcription"] == {"text": "This is the stub listening."}
    assert answers["speech"] == {"mediaType": "audio/mpeg", "bytes": True}
    assert answers["rerank"] == [{"originalIndex": 1, "document": "a sunny beach"}]
    calls = (await stubbed.control("GET", "ai/calls"))["calls"]
    assert [call["warnings"] for call in calls if call["warnings"]] == [], "what the SDK sends fits the schemas"


# -- A6: servers of three families


@asynccontextmanager
async def routed(fake: FakeServer, folder: Path, kind: str, base_url: str, model: str, more: str = "") -> AsyncIterator[Server]:
    """The project with every model led to `fake`; `model` generates text."""
    source = copy_project(PROJECT, folder / "source")
    (source / "agents-emu.toml").write_text(
        f'{more}\n[[ai.routes]]\nmatch = "*"\nto = "far"\nmodel = "{model}"\n'
        f'[ai.backends.far]\ntype = "{kind}"\nbase_url = "{base_url}"\nkey = "env:FAR_KEY"\n'
    )
    (source / ".dev.vars").write_text("FAR_KEY=key-of-a-fake-4711\n")
    async with serving(source, folder, "--ai", "live", modules=npm.sample_modules()) as server:
        yield server


def route(model: str, name: str) -> str:
    return f'[[ai.routes]]\nmatch = "{model}"\nto = "far"\nmodel = "{name}"\n'


async def check_texts(server: Server) -> None:
    """Equal text, tool name and arguments, finish reason and token counts, whoever answers and in whichever shape."""
    for model in (GLM, LLAMA):
        hello = {"text": "You said: Say hello", "finishReason": "stop", "tokens": [2, 4]}
        assert await asked(server, "generateText", model) == hello
        assert await asked(server, "streamText", model) == {**hello, "several": True}
        loop = await asked(server, "toolLoop", model)
        assert (loop["steps"], loop["calls"], loop["results"], loop["finishReason"]) == (2, [CALL], [RESULT], "stop")
        assert loop["text"] == 'The tool said: {"city":"example","degrees":18}'
        assert await asked(server, "objectOutput", model) == {"name": "example", "age": 1, "tags": ["example"]}


async def refused(server: Server, *tasks: str) -> None:
    """The family has no such models, and says so; nothing else does."""
    for task in tasks:
        status, answer = await server.get(f"/agents/tasks/me/{task}?model={MODELS[task]}")
        assert status == 500
        assert "route" in answer["message"], answer


async def test_all_nine_by_an_openai_compatible_server(tmp_path: Path):
    async with FakeOpenAi(flavour="vllm") as fake, routed(fake, tmp_path, "openai", fake.base_url, "gpt-4o") as server:
        await check_texts(server)
        assert await asked(server, "embedMany", MODELS["embedMany"]) == {"count": 3, "equal": True, "different": True}
        assert await asked(server, "generateImage", MODELS["generateImage"]) == {"begin": PNG, "bytes": True}
        assert await asked(server, "transcription", MODELS["transcription"]) == {"text": "Hello from the fake."}
        assert (await asked(server, "speech", MODELS["speech"]))["bytes"]
        assert await asked(server, "rerank", MODELS["rerank"]) == [{"originalIndex": 1, "document": "a sunny beach"}]


async def test_what_an_anthropic_server_has(tmp_path: Path):
    async with FakeAnthropic(key="key-of-a-fake-4711") as fake, routed(fake, tmp_path, "anthropic", fake.url, "claude-opus-4-8") as server:
        await check_texts(server)
        await refused(server, *MODELS)


async def test_what_an_ollama_server_has(tmp_path: Path):
    embedding = route(MODELS["embedMany"], "nomic-embed-text")
    async with FakeOllama() as fake, routed(fake, tmp_path, "ollama", fake.url, "qwen3:8b", embedding) as server:
        await check_texts(server)
        assert await asked(server, "embedMany", MODELS["embedMany"]) == {"count": 3, "equal": True, "different": True}
        await refused(server, "generateImage", "transcription", "speech", "rerank")


# -- A7, and what else the binding has


async def test_members_beside_run(stubbed: Server):
    assert await asked(stubbed, "list") == []
    assert await asked(stubbed, "url") == "https://gateway.ai.cloudflare.com/v1/local/g/openai"
    assert await asked(stubbed, "state") == {"id": 36, "log": 26, "status": 200}
    batch = await asked(stubbed, "batch")
    (row,) = batch["responses"]
    assert (batch["queued"], row["success"], row["external_reference"]) == ("queued", True, "a")
    status, error = await stubbed.get("/agents/tasks/me/unindexed")
    assert (status, error["name"]) == (500, "AiSearchNotFoundError")
    assert "AI Search has no local index" in error["message"]


async def test_a_model_of_ai_search_answers_from_a_recording(stubbed: Server):
    answer = await stubbed.get("/agents/tasks/me/search?query=What%20is%20the%20capital?")
    assert answer == (200, {"text": "Paris.", "sources": ["f1"]})
    status, error = await stubbed.get("/agents/tasks/me/search?query=else")
    assert (status, error["name"]) == (500, "AutoRAGNotFoundError")
