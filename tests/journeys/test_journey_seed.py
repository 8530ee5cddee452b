"""The twelve code samples of the "Using AI Models" document, run as they are printed there with CI=1 and without any network: in the modes
auto and replay from recordings, in stub from nothing (A38).

Beside each stands what the document leaves to other pages: a wrangler.jsonc, a package.json, keys, and a module that routes requests.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from harness import npm, seed
from harness.node import Node, NpmClient
from harness.server import SAMPLES, Server, serving_offline
from harness.waiting import eventually

ENTRY = """import { routeAgentRequest } from "agents";

export { MyAgent } from "./index";

export default {
  async fetch(request, env) {
    return (await routeAgentRequest(request, env)) ?? new Response("Not found", { status: 404 });
  },
};
"""
WRANGLER = {
    "name": "seed",
    "main": "src/worker.js",
    "compatibility_date": "2026-06-11",
    "compatibility_flags": ["nodejs_compat"],
    "ai": {"binding": "AI"},
    "durable_objects": {"bindings": [{"name": "MyAgent", "class_name": "MyAgent"}]},
    "migrations": [{"tag": "v1", "new_sqlite_classes": ["MyAgent"]}],
}
KEYS = "OPENAI_API_KEY=of-nobody\nGEMINI_API_KEY=of-nobody\n"
GAP_MS = 40
PIECES = [f"piece {number}, " for number in range(8)]
SAID = "".join(PIECES)

GLM = "@cf/zai-org/glm-4.7-flash"
DEEPSEEK = "@cf/deepseek-ai/deepseek-r1-distill-qwen-32b"
OPENAI = "POST https://api.openai.com/v1/responses"
GEMINI = "POST https://generativelanguage.googleapis.com/v1beta/openai/chat/completions"


def recording(kind: str, target: str, response: dict[str, Any], *rules: dict[str, Any]) -> dict[str, Any]:
    """A hand-written recording that answers as often as it is asked."""
    headers = {"content-type": "text/event-stream" if "stream" in response else "application/json"}
    return {
        "format": 1,
        "id": "00-answer",
        "source": "manual",
        "request": {"kind": kind, "target": target},
        "match": {"where": list(rules), "repeat": "forever"},
        "response": {"status": 200, "headers": headers, **response},
    }


def stream(*events: dict[str, Any]) -> dict[str, Any]:
    """A stream of the events, one every 40 ms, and `[DONE]`."""
    timed = [{"t": GAP_MS * number, "json": event} for number, event in enumerate(events, 1)]
    done = {"t": GAP_MS * (len(timed) + 1), "text": "[DONE]"}
    return {"stream": {"framing": "sse", "events": [*timed, done], "end": "complete"}}


def chat_chunk(piece: str) -> dict[str, Any]:
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "delta": {"content": piece}}],
    }


STREAMED = {"path": "$.body.stream", "equals": True}
ANSWER = {"message": {"role": "assistant", "content": SAID}, "index": 0, "finish_reason": "stop"}
OUTPUT = {"id": "m", "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": SAID, "annotations": []}]}
RECORDINGS = {
    "websocket": recording("binding.run", GLM, stream(*map(chat_chunk, PIECES)), STREAMED),
    "sse": recording("binding.run", DEEPSEEK, stream(*({"response": piece} for piece in PIECES)), STREAMED),
    "gateway": recording(
        "binding.run",
        DEEPSEEK,
        {"json": {"response": SAID}},
        {"path": "$.gateway.id", "equals": "{gateway_id}"},
        {"path": "$.gateway.cacheTtl", "equals": 3360},
    ),
    "generate": recording("binding.run", GLM, {"json": {"choices": [ANSWER]}}),
    "openai": recording(
        "http",
        OPENAI,
        {"json": {"id": "r", "created_at": 0, "model": "gpt-4o", "output": [OUTPUT], "usage": {"input_tokens": 1, "output_tokens": 8}}},
        {"path": "$.body.model", "equals": "gpt-4o"},
    ),
    "gemini": recording("http", GEMINI, stream(*map(chat_chunk, PIECES)), STREAMED),
}


@pytest.fixture(scope="module")
def samples() -> dict[str, seed.Sample]:
    return seed.samples(seed.document().read_text("utf-8"))


@pytest.fixture(params=["js", "ts"])
def suffix(request: pytest.FixtureRequest) -> str:
    return request.param


def project(folder: Path, sample: seed.Sample) -> Path:
    """The sample as `src/index.*`, with what it needs around it."""
    source = folder / "src"
    source.mkdir(parents=True)
    (source / f"index.{sample.suffix}").write_text(sample.code, "utf-8")
    (source / "worker.js").write_text(ENTRY, "utf-8")
    (folder / "wrangler.jsonc").write_text(json.dumps(WRANGLER, indent=2), "utf-8")
    (folder / ".dev.vars").write_text(KEYS, "utf-8")
    needed = set(re.findall(r'from "([^"]+)"', sample.code))
    packages = {
        name: version
        for file in SAMPLES.glob("*_[jt]s/package.json")
        for name, version in json.loads(file.read_text("utf-8"))["dependencies"].items()
        if name in needed
    }
    assert set(packages) == needed
    manifest = {"name": "seed", "private": True, "type": "module", "dependencies": packages}
    (folder / "package.json").write_text(json.dumps(manifest, indent=2), "utf-8")
    cassette = folder / "fixtures" / "ai" / "default"
    cassette.mkdir(parents=True)
    (cassette / "00-answer.json").write_text(json.dumps(RECORDINGS[sample.title], indent=2), "utf-8")
    return folder


@pytest.fixture
def serve(samples, suffix, tmp_path):
    @asynccontextmanager
    async def of(title: str) -> AsyncIterator[Server]:
        source = project(tmp_path / "seed", samples[f"{title}-{suffix}"])
        async with serving_offline(source, tmp_path, "--ai-speed", "1x", modules=npm.sample_modules()) as server:
            yield server

    return of


def spoken(mode: str, model: str, asked: str) -> str:
    """What the model says to the question."""
    return SAID if mode != "stub" else f"This is the stub speaking for {model}. You said: {asked}"


async def fetched(node: Node, server: Server) -> Any:
    """The JSON of the agent, asked with `agentFetch`."""
    answer = await node.ask("fetch", options={"host": server.host, "agent": "MyAgent", "name": "me"}, init={})
    assert answer["status"] == 200, answer
    return json.loads(answer["body"])


async def heard(session, server: Server) -> list[bytes]:
    """The body of the agent's answer, piece by piece as it comes."""
    pieces = []
    async with session.get(f"{server.origin}/agents/my-agent/me") as response:
        assert response.status == 200
        while piece := await response.content.readany():
            pieces.append(piece)
    assert len(pieces) > 2, "it came in pieces, and not at its end"
    return pieces


async def test_websocket(serve, node: Node):
    async with serve("websocket") as server:
        async for mode in server.each_mode():
            async with node.client(server.host, "MyAgent", mode) as client:
                await client.ready()
                await client.use("send", json.dumps({"prompt": "Why is the sky blue?"}))
                *chunks, last = await eventually(functools.partial(frames_of, client))
            assert last == {"type": "done"}
            assert {chunk["type"] for chunk in chunks} == {"chunk"}
            text = spoken(mode, GLM, "Why is the sky blue?")
            assert "".join(chunk["content"] for chunk in chunks) == text
            assert len(chunks) == (len(PIECES) if mode != "stub" else len(text.split()))


async def frames_of(client: NpmClient) -> list[dict]:
    """The sample's own frames, once the last one has come."""
    frames = [json.loads(event["data"]) for event in await client.use("happened") if event["kind"] == "message"]
    return [frame for frame in frames if frame["type"] in ("chunk", "done", "error")] if frames[-1]["type"] in ("done", "error") else []


async def test_sse(serve, session):
    async with serve("sse") as server:
        async for mode in server.each_mode():
            events = b"".join(await heard(session, server)).decode().split("\n\n")
            assert events[-2:] == ["data: [DONE]", ""]
            tokens = [json.loads(event.removeprefix("data: "))["response"] for event in events[:-2]]
            assert "".join(tokens) == spoken(mode, DEEPSEEK, "Build me a Cloudflare Worker that returns JSON.")


async def test_gateway(serve, node: Node):
    async with serve("gateway") as server:
        async for mode in server.each_mode():
            answer = await fetched(node, server)
            assert answer["response"] == spoken(mode, DEEPSEEK, "Build me a Cloudflare Worker that returns JSON.")


@pytest.mark.parametrize(("title", "model"), [("generate", GLM), ("openai", "gpt-4o")])
async def test_generating(serve, node: Node, title, model):
    async with serve(title) as server:
        async for mode in server.each_mode():
            text = spoken(mode, model, "Build me an AI agent on Cloudflare Workers")
            assert await fetched(node, server) == {"modelResponse": text}


async def test_gemini(serve, session):
    async with serve("gemini") as server:
        async for mode in server.each_mode():
            text = b"".join(await heard(session, server)).decode()
            assert text == spoken(mode, "gemini-2.0-flash", "Write me a Cloudflare Worker.")


def test_only_white_space_is_restored(samples):
    for sample in samples.values():
        assert re.sub(r"\s", "", sample.code) == re.sub(r"\s", "", sample.printed)
        assert max(map(len, sample.code.splitlines())) < 100
        assert not re.search(r"\S {2,}\S", sample.code)


def test_line_breaks_come_back():
    printed = 'import a from "a";import b from "b";\nclass C {  f() {    // why    return "x  y;z";  }}'
    assert seed.restored(printed) == (
        'import a from "a";\nimport b from "b";\nclass C {\n  f() {\n    // why\n    return "x  y;z";\n  }\n}\n'
    )
