"""`chat`, `call`, `objects`, `evict`, `hibernate` as real processes against a real server that speaks the protocol."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_spec = importlib.util.spec_from_file_location("fake_agent", Path(__file__).with_name("fake_agent.py"))
assert _spec is not None
assert _spec.loader is not None
fake_agent = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fake_agent)

ANSWER = "".join(fake_agent.WORDS)
WITHIN_S = 60.0


@dataclass
class Result:
    code: int
    out: str
    err: str


async def start(project: Path, *arguments: str) -> asyncio.subprocess.Process:
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "emulator", *arguments),
        cwd=project,
        env=environ,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run(project: Path, *arguments: str, stdin: str = "") -> Result:
    process = await start(project, *arguments)
    out, err = await asyncio.wait_for(process.communicate(stdin.encode()), WITHIN_S)
    assert process.returncode is not None
    return Result(process.returncode, out.decode(), err.decode())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "wrangler.jsonc").write_text('{"name": "shop", "main": "entry.py"}')
    return tmp_path


@pytest.fixture
async def agent(project: Path) -> AsyncIterator[Any]:
    fake = fake_agent.FakeAgent()
    async with fake_agent.serving(fake, project, os.getpid()):
        yield fake


async def test_chat_streams_an_answer(agent: Any, project: Path) -> None:
    agent.messages = [{"id": "m0", "role": "user", "parts": []}]
    result = await run(project, "chat", "Chat/me", "hello")
    assert (result.code, result.out, result.err) == (0, ANSWER + "\n", "")
    assert [message["id"] for message in agent.messages][:1] == ["m0"], "the history goes along"
    assert agent.messages[1]["parts"] == [{"type": "text", "text": "hello"}]


@pytest.mark.parametrize("chunks", [0, 1, 4, 7])
async def test_chat_survives_a_broken_connection(agent: Any, project: Path, chunks: int) -> None:
    agent.break_after = chunks
    result = await run(project, "chat", "CHAT/me", "hello", "--json")
    answer = json.loads(result.out)
    assert (result.code, answer["text"], answer["outcome"]) == (0, ANSWER, "completed")
    assert len(agent.connections) == 2
    assert len(set(agent.connections)) == 1, "a client that comes back has the same id"


async def test_chat_when_the_turn_ended_meanwhile(agent: Any, project: Path) -> None:
    agent.break_after, agent.finish_while_away = 3, True
    assert (await run(project, "chat", "Chat/me", "hello")).out == ANSWER + "\n"


async def test_chat_that_the_agent_aborts_is_no_interruption_of_ours(agent: Any, project: Path) -> None:
    agent.aborts = True
    result = await run(project, "chat", "Chat/me", "hello")
    assert result.code == 1
    assert "E453 the turn ended without an answer: aborted" in result.err


async def test_chat_with_an_error(agent: Any, project: Path) -> None:
    agent.fail_with = "the model is on strike"
    result = await run(project, "chat", "Chat/me", "hello")
    assert result.code == 1
    assert "E453 the turn ended without an answer: the model is on strike" in result.err
    assert result.err.endswith("exit 1 (user code failed)\n")


async def test_chat_says_every_line_it_reads(agent: Any, project: Path) -> None:
    result = await run(project, "chat", "Chat/me", stdin="one\n\ntwo\n")
    assert (result.code, result.out) == (0, f"{ANSWER}\n{ANSWER}\n")


async def test_ctrl_c_cancels_the_turn(agent: Any, project: Path) -> None:
    agent.hold.clear()
    process = await start(project, "chat", "Chat/me", "hello")
    assert process.stdout is not None
    first = await asyncio.wait_for(process.stdout.readuntil(b"word0 "), WITHIN_S)
    assert first == b"word0 "
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), WITHIN_S)
    assert agent.cancelled.is_set()
    assert (process.returncode, err) == (130, b"exit 130 (interrupted)\n")


async def test_silence_has_an_end(agent: Any, project: Path) -> None:
    agent.hold.clear()
    result = await run(project, "chat", "Chat/me", "hello", "--timeout", "0.3")
    assert (result.code, "E454" in result.err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["add", "1", "-2", "40"], "39\n"),
        (["echo", "text", '{"a": [1]}', "007", "true"], '["text", {"a": [1]}, "007", true]\n'),
        (["count"], "0\n1\n2\nend\n"),
    ],
)
async def test_call_an_agent(agent: Any, project: Path, arguments: list[str], printed: str) -> None:
    result = await run(project, "call", "Chat/me", *arguments)
    assert (result.code, result.out, result.err) == (0, printed, "")


async def test_call_as_json(agent: Any, project: Path) -> None:
    result = await run(project, "call", "Chat/me", "count", "--json")
    assert json.loads(result.out) == {"v": 1, "object": "Chat/me", "method": "count", "result": "end", "chunks": [0, 1, 2]}


@pytest.mark.parametrize("target", ["Silent/a b", "Plain/a b"])
async def test_call_an_object_without_the_protocol(agent: Any, project: Path, target: str) -> None:
    result = await run(project, "call", target, "add", "1", "x")
    assert (result.code, result.out) == (0, '[1, "x"]\n')
    assert agent.calls == [(target.split("/")[0], "a b", "call", {"method": "add", "args": [1, "x"]})]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["call", "Chat/me", "secret"], 1, ["E451 Method secret is not callable", "@callable"]),
        (["call", "Chat/me", "hang", "--timeout", "0.2"], 1, ["E454 Chat/me did not answer hang"]),
        (["call", "Plain/a", "hang", "--timeout", "0.2"], 1, ["E454 Plain/a did not answer hang within 0.2 s"]),
        (["call", "Plain/a", "fail"], 1, ["E404 fail raised ValueError: no"]),
        (["call", "Chta/me", "add"], 2, ["E207", "did you mean Chat/me?"]),
        (["call", "AI/me", "add"], 2, ["E207"]),
        (["call", "Chat", "add"], 2, ["E208", "for example Chat/me"]),
        (["call", "Chat/me", "add", "--timout", "3"], 2, ["there is no option --timout"]),
        (["chat", "Plain/me", "hi"], 1, ["E452 the Worker answered 404"]),
        (["evict"], 2, ["E205 name an object, or give --all"]),
    ],
)
async def test_refusals(agent: Any, project: Path, arguments: list[str], code: int, words: list[str]) -> None:
    result = await run(project, *arguments)
    assert result.code == code
    assert result.err.splitlines()[-1].startswith(f"exit {code} (")
    for word in words:
        assert word in result.err


async def test_errors_as_json(agent: Any, project: Path) -> None:
    result = await run(project, "call", "Chat/me", "secret", "--json")
    assert json.loads(result.out)["error"]["code"] == "E451"


async def test_objects(agent: Any, project: Path) -> None:
    table = (await run(project, "objects")).out
    assert [line.split()[:4] for line in table.splitlines() if "/" in line] == [
        ["Chat/me", "active", "2", "3"],
        [f"Plain/{'cd' * 32}", "inactive", "0", "-"],
    ]
    assert len(json.loads((await run(project, "objects", "--json")).out)) == 2


@pytest.mark.parametrize(("verb", "done"), [("evict", "evicted"), ("hibernate", "hibernated")])
async def test_verbs(agent: Any, project: Path, verb: str, done: str) -> None:
    assert (await run(project, verb, "Chat/me")).out == f"Chat/me  {done}\n"
    assert json.loads((await run(project, verb, "--all", "--json")).out) == {"v": 1, "verb": verb, "objects": ["Chat/me"], "kept": {}}
    assert agent.calls == [("Chat", "me", verb, None)] * 2


async def test_an_object_that_cannot_be_evicted(agent: Any, project: Path) -> None:
    ended = await run(project, "evict", "Chat/busy")
    assert (ended.code, ended.out) == (1, "")
    assert "E406 Chat/busy was not evicted: 1 timer" in ended.err
    ended = await run(project, "evict", "Chat/busy", "--json")
    assert (ended.code, json.loads(ended.out)["kept"]) == (1, {"Chat/busy": "1 timer"})


async def test_a_server_with_a_token(agent: Any, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agent.token = "t0ken"
    refused = await run(project, "objects")
    assert (refused.code, "AGENTS_EMU_TOKEN" in refused.err) == (2, True)
    monkeypatch.setenv("AGENTS_EMU_TOKEN", "t0ken")
    assert (await run(project, "objects")).code == 0


async def test_from_another_folder(agent: Any, project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert (await run(elsewhere, "call", "Chat/me", "add", "1", "-C", str(project))).out == "1\n"


async def test_without_a_server(project: Path) -> None:
    result = await run(project, "chat", "Chat/me", "hi")
    assert result.code == 2
    assert "E206 no server is running for this project" in result.err
    assert "agents-emu dev" in result.err


async def test_a_server_that_is_gone(project: Path) -> None:
    fake = fake_agent.FakeAgent()
    async with fake_agent.serving(fake, project, os.getpid()):
        pass
    for arguments in (["chat", "Chat/me", "hi"], ["call", "Chat/me", "add"], ["objects"]):
        result = await run(project, *arguments)
        assert (result.code, "E651" in result.err) == (1, True)
