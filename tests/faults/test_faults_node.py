"""What goes wrong in TypeScript agents: told with the user's own line, and survived by everybody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from harness import npm
from harness.server import Server, serving
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

    async def said() -> bool:
        return all(part in server.output() for part in parts)

    await eventually(said)


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
