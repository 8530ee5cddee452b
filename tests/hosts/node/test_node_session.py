"""The Node host's session (session.mjs) under the gateway's own HostProcess: what it does with each frame, and how the process ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from emulator.config import Options, choose_node
from emulator.errors import StartError
from emulator.gateway.host_process import HostCommand, HostProcess, LoadFailed, RuntimeDir
from emulator.wire.exchange import RemoteError
from emulator.wire.frames import Kind

PARTNER = Path(__file__).parent / "session_partner.mjs"
HANDOVER: dict[str, Any] = {"sockets": [], "auto_responses": []}


class Listener:
    """Remembers what the host says."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.notes: list[dict[str, Any]] = []
        self.lost = asyncio.Event()

    def on_request(self, host: HostProcess, incoming: Any) -> None:
        raise AssertionError("this host asks for nothing")

    def on_call(self, host: HostProcess, incoming: Any, call: dict[str, Any]) -> None:
        raise AssertionError("this host calls nothing")

    def on_note(self, host: HostProcess, note: dict[str, Any], now_ms: int) -> None:
        self.notes.append(note)

    def on_socket(self, host: HostProcess, frame: Any) -> None:
        raise AssertionError("this host has no sockets")

    def on_turn(self, payload: bytes) -> None:
        raise AssertionError("this host has no objects")

    def on_point(self, host: HostProcess, payload: bytes) -> None:
        raise AssertionError("nobody asked this host for points")

    def on_output(self, host: HostProcess, stream: str, line: str) -> None:
        self.lines.append(line)


class Hosted:
    """One process, connected."""

    def __init__(self, runtime: RuntimeDir, node: Path, cwd: Path, environ: Mapping[str, str]) -> None:
        self.listener = Listener()
        command = HostCommand("node", [str(node), str(PARTNER)], cwd, "choose another", environ)
        self.process = HostProcess(command, runtime)

    async def connect(self) -> None:
        await self.process.connect(self.listener, lambda _host: self.listener.lost.set(), clock=lambda: 42, taken=())

    async def called(self) -> list[Any]:
        """What the session has called so far, in order."""
        assert self.process.link is not None
        answer = await self.process.link.request(b"worker", b"GET", b"http://h/", []).answer
        return json.loads(answer.body)


@pytest.fixture
async def hosted(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Hosted]:
    runtime = RuntimeDir()
    node = choose_node(Options(persist_to=tmp_path, fixtures=tmp_path)).path
    hosted = Hosted(runtime, node, tmp_path, getattr(request, "param", {}))
    try:
        yield hosted
    finally:
        hosted.process.kill()
        await hosted.process.end()
        runtime.remove()


async def test_a_life(hosted: Hosted) -> None:
    await hosted.connect()
    host = hosted.process
    assert host.runtime.startswith("Node.js v2")
    host.preload(["a", "b"])
    ready = await host.load({"behaviour": "fine"})
    assert (ready.handlers, ready.modules) == (["fetch"], ["m"])
    host.start(HANDOVER)
    # Preloading was over before the load began; the request that came right behind START found the host started.
    assert await hosted.called() == [["preload", ["a", "b"]], ["load", "fine"], ["start", 0]]
    assert host.link is not None
    host.link.send(int(Kind.TEXT), 7, b"hello")
    assert (await hosted.called())[-1] == ["socket", 7]
    assert await host.link.call("anything", number=1) == {"op": "anything", "number": 1}
    with pytest.raises(RemoteError) as caught:
        await host.link.call("throw")
    assert caught.value.fields["name"] == "TypeError"
    assert await host.drain("code was updated", 1.5) == 3
    assert host.ended is not None
    assert host.ended.result() == 0
    assert hosted.listener.lines == ["draining 1500 code was updated"]


async def test_code_that_does_not_load_says_why_and_the_next_load_is_another_chance(hosted: Hosted) -> None:
    await hosted.connect()
    with pytest.raises(LoadFailed) as caught:
        await hosted.process.load({"behaviour": "fail"})
    assert caught.value.error == {
        "name": "UserCodeError",
        "code": "E424",
        "message": "does not build",
        "where": "src/a.ts:1",
        "props": {},
    }
    with pytest.raises(LoadFailed) as caught:
        await hosted.process.load({"behaviour": "reject"})
    assert caught.value.error["where"].startswith(str(PARTNER))
    assert caught.value.error["stack"].splitlines()[-1] == "  [cause]: this"
    assert (await hosted.process.load({"behaviour": "fine"})).modules == ["m"]


async def test_a_host_that_was_never_started_drains(hosted: Hosted) -> None:
    await hosted.connect()
    assert await hosted.process.drain("over", 0.1) == 3


async def test_it_ends_with_its_gateway(hosted: Hosted) -> None:
    await hosted.connect()
    assert hosted.process.link is not None
    hosted.process.link.close()
    assert hosted.process.ended is not None
    assert await asyncio.wait_for(hosted.process.ended, 10) == 0


async def test_the_terminals_interrupt_is_the_gateways_business(hosted: Hosted) -> None:
    await hosted.connect()
    os.kill(hosted.process.pid, signal.SIGINT)
    assert (await hosted.process.load({"behaviour": "fine"})).modules == ["m"]


@pytest.mark.parametrize("hosted", [{"NO_HOST": "1"}], indirect=True)
async def test_a_host_whose_own_code_is_broken_says_so_and_ends(hosted: Hosted) -> None:
    with pytest.raises(StartError) as caught:
        await hosted.connect()
        await hosted.process.load({})
    assert caught.value.code in ("E342", "E343")
    assert hosted.process.ended is not None
    assert await asyncio.wait_for(hosted.process.ended, 10) == 70
    assert any("the host's own code is broken" in line for line in hosted.listener.lines)


async def test_a_fault_of_ours_at_the_start_is_not_blamed_on_node(node_binary: Path, tmp_path: Path) -> None:
    (tmp_path / "emulator/hosts/node").mkdir(parents=True)
    broken = tmp_path / "emulator/hosts/node/main.mjs"
    outcomes = []
    for source in ("const broken = ;", "process.exit(3);"):
        broken.write_text(source)
        runtime = RuntimeDir()
        process = HostProcess(HostCommand("node", [str(node_binary), str(broken)], tmp_path, "choose another"), runtime)
        with pytest.raises(StartError) as caught:
            await process.connect(Listener(), lambda _host: None, clock=lambda: 42, taken=())
        runtime.remove()
        outcomes.append((caught.value.code, caught.value.hint))
    report = "this is a fault of agents-emu itself: please report it, with these lines"
    assert outcomes == [("E342", report), ("E342", "choose another")]
