"""The verbs of `agents-emu ai` that look at a running server and steer it."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

_spec = importlib.util.spec_from_file_location("asking_project", Path(__file__).with_name("asking_project.py"))
assert _spec is not None and _spec.loader is not None
asking_project = sys.modules.setdefault("asking_project", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(asking_project)
MODEL = asking_project.MODEL


@dataclass
class Running:
    """`agents-emu dev` of the project."""

    project: Any
    process: asyncio.subprocess.Process
    url: str

    async def ask(self, prompt: str, **more: str) -> tuple[int, str]:
        query = "".join(f"&{name}={quote(value)}" for name, value in more.items())
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}?prompt={quote(prompt)}{query}") as response:
            return response.status, await response.text()

    async def emu(self, *arguments: str) -> Any:
        return await self.project.emu("ai", *arguments)

    async def json(self, *arguments: str) -> Any:
        result = await self.emu(*arguments, "--json")
        assert result.code == 0, result.err
        return result.json

    async def stop(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str, str]:
        self.process.send_signal(number)
        out, err = await asyncio.wait_for(self.process.communicate(), 60)
        assert self.process.returncode is not None
        return self.process.returncode, out.decode(), err.decode()


async def started(project: Any, *arguments: str) -> Running:
    ready = project.root / "ready.json"
    process = await project.start("dev", ".", "--port", "0", "--ready-file", str(ready), *arguments)
    async with asyncio.timeout(60):
        while not ready.exists():
            assert process.returncode is None, await process.communicate()
            await asyncio.sleep(0.05)
    return Running(project, process, json.loads(ready.read_text())["url"])


@pytest.fixture
async def project(tmp_path: Path) -> AsyncIterator[Any]:
    made = asking_project.AskingProject(tmp_path / "asking").make()
    made.recorded("00-tide", "tide", {"response": "twice a day"}, usage={"prompt_tokens": 400, "completion_tokens": 600})
    made.recorded("00-moon", "moon", {"response": "pulls"}, cassette="other")
    yield made
    await made.assert_nobody_left()


@pytest.fixture
async def server(project: Any) -> AsyncIterator[Running]:
    running = await started(project, "--ai-speed", "instant")
    yield running
    if running.process.returncode is None:
        await running.stop()


async def test_status_mode_and_score(server: Running) -> None:
    assert await server.ask("tide") == (200, "twice a day")
    state = await server.json("status")
    assert (state["mode"], state["cassettes"], state["hits"], state["summary"]["tokens_out"]) == ("auto", ["default", "other"], 1, 600)
    words = (await server.emu("status")).out
    assert "mode       auto" in words and "default, other: 2 recordings, 1 unused so far" in words
    assert "ai auto  1 model call (1 replayed); 1,000 tokens" in words

    switched = await server.emu("mode", "replay", "--cassette", "other", "--speed", "20x")
    assert switched.out.splitlines()[0].startswith("ai auto  1 model call (1 replayed); 1,000 tokens; replay saved $0.00")
    assert "mode       replay  a request without a recording fails" in switched.out
    assert await server.ask("moon") == (200, "pulls")
    assert (await server.ask("tide"))[0] == 500, "not in that cassette"
    back = await server.json("mode", "stub")
    assert (back["mode"], back["cassette"], back["speed"], back["ended"]["misses"]) == ("stub", None, "20x", 1)
    assert (await server.ask("tide"))[0] == 200

    code, out, _ = await server.stop()
    assert code == 130, "a miss of an earlier session is told there"
    assert "ai replay  2 model calls" in out, "the server's terminal tells it too"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("mode", "dream"), "E205"),
        (("mode", "replay", "--cassette", "absent"), "E243"),
        (("mode", "new", "--cassette", "../x"), "E506"),
        (("mode", "auto", "--speed", "fast"), "E242"),
    ],
)
async def test_modes_that_make_no_sense(server: Running, arguments: tuple[str, ...], code: str) -> None:
    result = await server.emu(*arguments)
    assert (result.code, code in result.err) == (2, True), result.err
    assert (await server.json("status"))["mode"] == "auto"


async def test_before_any_call(server: Running) -> None:
    unexplained = await server.emu("explain", "last")
    assert (unexplained.code, "E228 no model call to explain" in unexplained.err) == (2, True), unexplained.err
    assert "agents-emu ai explain last" in unexplained.err
    listed = await server.emu("explain")
    assert (listed.code, "no model was called yet" in listed.out) == (0, True), listed.err
    assert (await server.json("mode", "check"))["mode"] == "check"
    unchecked = await server.emu("check")
    assert (unchecked.code, "E546 nothing was compared: no model call" in unchecked.err) == (3, True), unchecked.err
    empty = await server.emu("gateway", "reset", "nope")
    assert (empty.code, "none is configured" in empty.err) == (2, True), empty.err
    assert (await server.emu("gateway", "reset")).code == 0


async def test_without_a_server(project: Any) -> None:
    for verb in (["status"], ["mode", "auto"], ["explain"], ["cost"], ["check"], ["fault", "list"], ["gateway", "logs"]):
        result = await project.emu("ai", *verb)
        assert (result.code, "E206 no server is running" in result.err) == (2, True), (verb, result.err)


@pytest.mark.parametrize(
    ("arguments", "environ", "prompt", "code"),
    [
        (("--ai", "replay"), {}, "sun", 3),
        (("--ai", "replay"), {}, "tide", 130),
        ((), {"CI": "1"}, "sun", 3),
        ((), {}, "sun", 130),
        (("--ai", "stub"), {"CI": "1"}, "sun", 130),
    ],
)
async def test_a_strict_server_ends_with_what_was_missing(
    project: Any, arguments: tuple[str, ...], environ: dict[str, str], prompt: str, code: int
) -> None:
    project.environ = environ
    server = await started(project, *arguments)
    await server.ask(prompt, swallow="1")
    ended, out, err = await server.stop()
    assert ended == code, err
    reason = "recording missing or stale" if code == 3 else "interrupted"
    assert err.endswith(f"exit {code} ({reason})\n")
    assert "1 model call" in out.splitlines()[-1] + out.splitlines()[-2]


async def test_models() -> None:
    def emu(*arguments: str) -> Any:
        return asking_project.AskingProject(Path.cwd()).emu("ai", "models", *arguments)

    rows = (await emu("list", "--task", "Text Embeddings", "--json")).json
    assert rows and {row["task"]["name"] for row in rows} == {"Text Embeddings"}
    assert "@cf/baai/bge-m3" in (await emu("list")).out
    schema = (await emu("schema", "@cf/baai/bge-m3", "--json")).json
    assert "text" in json.dumps(schema) and schema["type"] == "object"
    unknown = await emu("schema", "bge-m3")
    assert (unknown.code, "E212 no model of the catalogue is called bge-m3" in unknown.err) == (2, True), unknown.err
    assert "did you mean @cf/baai/bge-m3" in unknown.err
    assert "agents-emu ai models list" in (await emu("schema", "zzzzzzzzzz")).err
