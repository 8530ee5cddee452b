"""What has to be true of model calls, as real processes on both hosts show it: recorded from fakes, replayed without a network (A4, A9 to
A12, A22, A39). The document's own examples go the same way."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from fakes.base import Step
from fakes.mind import Turn, says
from fakes.openai import FakeOpenAi
from harness import npm, offline, seed
from harness.frames import connect, is_type
from harness.server import COMMAND, PROJECTS, Server, copy_project, serving, serving_offline
from harness.waiting import eventually
from test_journey_seed import project as seed_project

MODEL = "@cf/zai-org/glm-4.7-flash"
KEY, OTHER_KEY = "key-of-the-recorder-4711", "key-of-the-replayer-0815"
FIVE_MINUTES = PROJECTS / "model_faults" / "fixtures" / "ai" / "default" / "00-binding.run-glm-4.7-flash-five-minutes.json"
AGENTS = 20
CONFIG = """
[[ai.routes]]
match = "@cf/*"
to = "openai"
model = "gpt-4o"

[ai.backends.openai]
type = "openai"
base_url = "{base_url}"

[ai.backends.gemini]
type = "openai"
base_url = "{base_url}"
"""


class Proof:
    """A project that is recorded from a fake and then served without a network, from a copy that has another key."""

    def __init__(self, folder: Path, source: Path, modules: Path | None) -> None:
        self._folder = folder
        self._source = source
        self._modules = modules
        self._recorded: Path | None = None

    @asynccontextmanager
    async def recording(self, fake: FakeOpenAi, key: str = KEY) -> AsyncIterator[Server]:
        """Everything is recorded, and stored when this ends."""
        (self._source / "agents-emu.toml").write_text(CONFIG.format(base_url=fake.base_url), "utf-8")
        self._keys(self._source, key)
        async with serving(self._source, self._folder / "recording", "--ai", "record", modules=self._modules) as server:
            yield server
        self._recorded = server.folder

    def replaying(self, *arguments: str) -> AbstractAsyncContextManager[Server]:
        """Without a network, in the mode that CI=1 makes of `auto`."""
        source = self._recorded or self._source
        self._keys(source, OTHER_KEY)
        return serving_offline(source, self._folder / "replaying", *arguments, modules=self._modules)

    def stored(self) -> dict[str, bytes]:
        """The files below fixtures/ai, by their path in it."""
        assert self._recorded is not None
        root = self._recorded / "fixtures" / "ai"
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}

    @staticmethod
    def _keys(folder: Path, key: str) -> None:
        (folder / ".dev.vars").write_text(f"OPENAI_API_KEY={key}\nGEMINI_API_KEY={key}\n", "utf-8")


@pytest.fixture(params=["ts", "py"])
def host(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def modules(host: str) -> Path | None:
    return npm.sample_modules() if host == "ts" else None


@pytest.fixture
def proof(host: str, modules: Path | None, tmp_path: Path) -> Proof:
    return Proof(tmp_path, copy_project(PROJECTS / f"model_proof_{host}", tmp_path / "source"), modules)


@pytest.fixture(params=["js", "ts"])
def example(request: pytest.FixtureRequest, tmp_path: Path):
    """`example(title)`: the document's example, without the recordings of its own tests."""

    def of(title: str) -> Proof:
        sample = seed.samples(seed.document().read_text("utf-8"))[f"{title}-{request.param}"]
        source = seed_project(tmp_path / "source", sample)
        shutil.rmtree(source / "fixtures")
        return Proof(tmp_path, source, npm.sample_modules())

    return of


def test_there_is_no_network_in_there():
    """What the other tests rest on."""
    if not offline.possible():
        pytest.skip("this system lets us make no network namespace")
    looks = "import socket; print([name for _, name in socket.if_nameindex()]); socket.create_connection(('192.0.2.1', 80), 5)"
    command = [sys.executable, offline.__file__, "", "0", sys.executable, "-c", looks]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert seen.stdout == "['lo']\n"
    assert seen.stderr.endswith("OSError: [Errno 101] Network is unreachable\n")


# -- A4

WORKERS = {
    "ts": (
        "index.js",
        "nodejs_compat",
        f'export default {{ fetch: async (_, env) => Response.json(await env.AI.run("{MODEL}", {{ prompt: "hello" }})) }};\n',
    ),
    "py": (
        "entry.py",
        "python_workers",
        "from workers import Response, WorkerEntrypoint\n\n\nclass Default(WorkerEntrypoint):\n    async def fetch(self, request):\n"
        f'        return Response.from_json(dict(await self.env.AI.run("{MODEL}", {{"prompt": "hello"}})))\n',
    ),
}
JSONC = """{{
  // As the documentation writes it.
  "name": "a4",
  "main": "{main}",
  "compatibility_date": "2026-06-11",
  "compatibility_flags": ["{flag}",],
  "ai": {{ "binding": "AI", }},
}}
"""
TOML = """name = "a4"
main = "{main}"
compatibility_date = "2026-06-11"
compatibility_flags = ["{flag}"]

[ai]
binding = "AI"
"""


@pytest.mark.parametrize(("name", "text"), [("wrangler.jsonc", JSONC), ("wrangler.toml", TOML)])
async def test_a4_a_binding_needs_no_account_no_token_and_no_network(host, modules, tmp_path, name, text):
    source = tmp_path / "source"
    source.mkdir()
    main, flag, code = WORKERS[host]
    (source / main).write_text(code, "utf-8")
    (source / name).write_text(text.format(main=main, flag=flag), "utf-8")
    nobody = {"CLOUDFLARE_API_TOKEN": "", "CLOUDFLARE_ACCOUNT_ID": "", "HOME": str(tmp_path)}
    async with serving_offline(source, tmp_path, "--ai", "stub", modules=modules, **nobody) as server:
        status, answer = await server.get("/")
        assert (status, answer["choices"][0]["message"]["content"]) == (200, f"This is the stub speaking for {MODEL}. You said: hello")


# -- A9


@pytest.mark.parametrize("speed", ["instant", "400x"])
async def test_a9_five_minutes_outlive_their_listener(proof: Proof, session: aiohttp.ClientSession, tmp_path, speed):
    cassette = tmp_path / "source" / "fixtures" / "ai" / "default"
    cassette.mkdir(parents=True)
    shutil.copy(FIVE_MINUTES, cassette)
    async with proof.replaying("--ai-speed", speed) as server:
        socket = await connect(session, server.origin, "/agents/careful/me")
        await socket.send({"prompt": "Talk for five minutes."})
        await socket.until(lambda frame: is_type(frame, "chunk") and "150" in frame["content"])
        socket.reset()

        async def whole() -> Any:
            _, state = await server.get("/agents/careful/me")
            return state if state["done"] else None

        state = await eventually(whole)
        assert state["text"] == "".join(f"word {number:03} " for number in range(300))
        back = await connect(session, server.origin, "/agents/careful/me")
        assert (await back.until(lambda frame: is_type(frame, "cf_agent_state")))[-1]["state"] == state
        (call,) = (await server.control("GET", "ai/calls"))["calls"]
        assert call["problem"] is None


# -- A10


async def test_a10_openai_is_recorded_without_its_key_and_replayed(proof: Proof):
    async with FakeOpenAi(key=KEY) as fake:
        async with proof.recording(fake) as server:
            said = await server.get("/responses")
        assert said == (200, "You said: Build me an AI agent on Cloudflare Workers")
        assert [(seen.method, seen.path, seen.headers["authorization"]) for seen in fake.seen] == [
            ("POST", "/v1/responses", f"Bearer {KEY}")
        ]
    keeps_no_key(proof)
    async with proof.replaying() as server:
        assert await server.get("/responses") == said


async def test_a10_the_documents_example(example):
    proof = example("openai")
    async with FakeOpenAi(key=KEY) as fake:
        async with proof.recording(fake) as server:
            said = await server.get("/agents/my-agent/me")
        assert said == (200, {"modelResponse": "You said: Build me an AI agent on Cloudflare Workers"})
        assert [seen.path for seen in fake.seen] == ["/v1/responses"]
    keeps_no_key(proof)
    async with proof.replaying() as server:
        assert await server.get("/agents/my-agent/me") == said


def keeps_no_key(proof: Proof) -> None:
    files = proof.stored()
    assert sorted(Path(name).suffix for name in files) == [".json", ".json"], "one recording, and the manifest"
    for data in files.values():
        assert KEY.encode() not in data
        assert b"authorization" not in data.lower()


# -- A11

PIECES = ["Here ", "is ", "a Wor", "ker: ", "ex", "port"]


async def test_a11_the_documents_gemini_example(example, session: aiohttp.ClientSession):
    proof = example("gemini")
    async with FakeOpenAi(flavour="gemini") as fake:
        fake.script(Step(turn=Turn(pieces=PIECES), gap_ms=10))
        async with proof.recording(fake) as server:
            said = await pieces_of(session, server)
        assert b"".join(said).decode() == "".join(PIECES)
        assert fake.last.path == "/v1beta/openai/chat/completions"
    async with proof.replaying() as server:
        assert b"".join(await pieces_of(session, server)) == b"".join(said)


async def test_a11_chunks_come_back_as_they_were_cut(proof: Proof):
    async with FakeOpenAi(flavour="gemini") as fake:
        fake.script(Step(turn=Turn(pieces=PIECES), gap_ms=20))
        async with proof.recording(fake) as server:
            _, said = await server.get("/chunks")
        assert len(said) == fake.last.sent > len(PIECES)
    (recording,) = [json.loads(data) for name, data in proof.stored().items() if not name.endswith("cassette.json")]
    assert [size for _, size in recording["response"]["stream"]["chunks"]] == [len(chunk) for chunk in said]
    async with proof.replaying() as server:
        assert await server.get("/chunks") == (200, said)


async def pieces_of(session: aiohttp.ClientSession, server: Server) -> list[bytes]:
    async with session.get(f"{server.origin}/agents/my-agent/me") as response:
        assert response.status == 200
        return [piece async for piece in response.content.iter_any()]


# -- A12


@pytest.mark.parametrize("way", ["socket", "web"])
async def test_a12_a_way_out_fails_the_run_though_the_agent_swallows_it(host, modules, tmp_path, way):
    project = copy_project(PROJECTS / f"model_proof_{host}", tmp_path / "project")
    if modules is not None:
        (project / "node_modules").symlink_to(modules, target_is_directory=True)
    ask = f'curl -s "$AGENTS_EMU_URL/{way}"'
    process = await asyncio.create_subprocess_exec(
        *(COMMAND, "ai", "replay", "-C", project, "--json", "--", "sh", "-c", ask),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=npm.environment(),
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    report = json.loads(out)
    assert (process.returncode, report["exit"], report["command_exit"], report["session"]["misses"]) == (3, 3, 0, 1), err
    (missed,) = report["session"]["missed"]
    assert "192.0.2.1" in missed["what"]
    assert err.decode().startswith('"E631"' if way == "socket" else "599"), err


# -- A22


async def test_a22_each_answer_once_for_twenty_agents_at_a_time(proof: Proof):
    answers = [f"answer {number}" for number in range(AGENTS)]
    async with FakeOpenAi() as fake:
        fake.script(*(Step(turn=says(answer)) for answer in answers))
        async with proof.recording(fake) as server:
            assert [(await server.get(f"/agents/asker/{number}"))[1] for number in range(AGENTS)] == answers
    assert len(proof.stored()) == AGENTS + 1
    async with proof.replaying() as server:
        replayed = await asyncio.gather(*(server.get(f"/agents/asker/{number}") for number in reversed(range(AGENTS))))
        assert sorted(answer for _, answer in replayed) == sorted(answers)
        _, failure = await server.get("/agents/asker/late")
        assert "9902: AI_FIXTURE_EXHAUSTED" in failure["message"], failure
        (missed,) = (await server.control("GET", "ai/session"))["summary"]["missed"]
        assert missed["why"] == "used up"


# -- A39


async def test_a39_equal_requests_of_two_tests_at_a_time(proof: Proof):
    scopes = ("tests-one", "tests-two")
    asked = [(way, scope) for way in ("ask", "post") for scope in scopes]
    async with FakeOpenAi() as fake:
        fake.script(*(Step(turn=says(f"{way} of {scope}")) for way, scope in asked))
        async with proof.recording(fake) as server:
            for way, scope in asked:
                assert await server.get(f"/{way}?scope={scope}") == (200, f"{way} of {scope}")
        assert [name for seen in fake.seen for name in seen.headers if name.startswith("x-emulator")] == []
    files = proof.stored()
    assert {Path(name).parts[0] for name in files} == set(scopes)
    assert not any(b"x-emulator-scope" in data for data in files.values())
    async with proof.replaying() as server:
        answers = await asyncio.gather(*(server.get(f"/{way}?scope={scope}") for way, scope in reversed(asked)))
        assert answers == [(200, f"{way} of {scope}") for way, scope in reversed(asked)]
