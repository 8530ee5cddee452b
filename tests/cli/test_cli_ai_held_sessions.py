"""Two commands and one server: who records holds the session, and nobody else ends it. Models are a fake server's."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


def _module(name: str, file: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, HERE / file)
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


asking_project = sys.modules.get("asking_project") or _module("asking_project", "asking_project.py")
sys.path[:0] = [str(HERE.parent)]

from fakes.openai import FakeOpenAi  # noqa: E402

KEY = asking_project.KEY


@pytest.fixture
def fake() -> Iterator[Any]:
    with FakeOpenAi(key=KEY).running() as running:
        yield running


@pytest.fixture
async def server(tmp_path: Path, fake: Any) -> AsyncIterator[Any]:
    project = asking_project.AskingProject(tmp_path / "asking").make().routed(fake.base_url)
    verbs = sys.modules.get("ai_server_verbs") or _module("ai_server_verbs", "test_cli_ai_server_verbs.py")
    running = await verbs.started(project, "--ai", "stub", "--ai-speed", "instant")
    yield running
    if running.process.returncode is None:
        await running.stop()
    await project.assert_nobody_left()


async def recording(server: Any, *more: str) -> asyncio.subprocess.Process:
    """`ai record` of a client that asks for the tide and then sleeps; it sleeps now."""
    process = await server.project.start("ai", "record", *more, "--", sys.executable, "client.py", "tide", "--sleep")
    async with asyncio.timeout(60):
        while await process.stdout.readline() != b"sleeping\n":
            assert process.returncode is None, await process.communicate()
    return process


def clients(project: Any) -> list[int]:
    """The clients of the project that live."""
    return [pid for pid in project.alive() if b"client.py" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")]


async def test_one_records_at_a_time(server: Any, fake: Any) -> None:
    first = await recording(server)
    for verb in (("record", "--", "true"), ("replay", "--", "true"), ("mode", "auto"), ("refresh", "*")):
        refused = await server.emu(*verb)
        assert (refused.code, "E244 busy: ai record -- python" in refused.err) == (2, True), (verb, refused.out, refused.err)
        assert f"(process {first.pid}) holds the session since 20" in refused.err and "--force" in refused.err
    status = await server.emu("status")
    assert f"(process {first.pid}) since 20" in status.out and "mode       record" in status.out
    first.send_signal(signal.SIGTERM)
    await first.communicate()
    assert first.returncode == 143
    state = await server.json("status")
    assert (state["mode"], state["held"], server.project.files()) == ("stub", None, [])
    again = await server.project.wrapped("record", "moon")
    assert (again.code, len(server.project.files())) == (0, 2), again.err
    assert (await server.json("status"))["mode"] == "stub"


async def test_a_killed_record_leaves_the_server_as_it_was(server: Any, fake: Any) -> None:
    assert (await server.project.wrapped("record", "sun")).code == 0
    before = server.project.files()
    process = await recording(server, "--cassette", "default")
    process.kill()
    # The client outlives a killed parent: it is asleep, and of no more concern to the server.
    async with asyncio.timeout(30):
        while (state := await server.json("status"))["held"] is not None:
            await asyncio.sleep(0.05)
    assert (state["mode"], state["cassette"], state["recordings"]) == ("stub", None, 1)
    assert (await server.emu("mode", "auto")).code == 0
    assert server.project.files() == before
    for pid in clients(server.project):
        os.kill(pid, signal.SIGKILL)
    _, out, err = await server.stop()
    assert f"(process {process.pid}) is gone before its end: what it recorded is thrown away, and the mode is stub again" in out + err


async def test_force_takes_the_session_away(server: Any, fake: Any) -> None:
    process = await recording(server)
    taken = await server.emu("mode", "live", "--force")
    assert (taken.code, "mode       live" in taken.out, "nothing new was kept" in taken.out) == (0, True, True), taken.err
    process.send_signal(signal.SIGTERM)
    _, err = await process.communicate()
    assert (process.returncode, b"E245 this session is not held any more" in err) == (2, True), err
    assert ((await server.json("status"))["mode"], server.project.files()) == ("live", [])
