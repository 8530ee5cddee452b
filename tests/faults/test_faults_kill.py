"""Processes that are killed, and signals: what was committed stays, sockets stay open, alarms fire, no process is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from harness.server import Server, serving
from harness.waiting import eventually

PROJECT = Path(__file__).parent / "project"


@pytest_asyncio.fixture(loop_scope="session")
async def mortal(tmp_path: Path) -> AsyncIterator[Server]:
    """A server that a test may kill and restart."""
    async with serving(PROJECT, tmp_path) as server:
        yield server


async def about(server: Server, name: str) -> dict[str, int]:
    """The host's pid, the count and how often the alarm rang, as the object says it."""
    return (await server.get(f"/{name}/about"))[1]


async def rings(server: Server, name: str) -> None:
    async def rung() -> bool:
        return (await about(server, name))["alarms"] == 1

    await eventually(rung)


async def test_kill_9_of_the_host_in_mid_stream(server: Server, session: aiohttp.ClientSession):
    """The stream breaks for its reader, the socket stays open, state is as last committed, the alarm still fires."""
    async with session.ws_connect(f"{server.origin}/one/ws") as ws:
        await ws.send_str("count")
        assert await ws.receive_str(timeout=5) == "1"
        assert (await server.get("/two/alarm"))[0] == 200
        pid = (await about(server, "one"))["pid"]
        stream = await session.get(f"{server.origin}/one/stream")
        told = len(await stream.content.readexactly(5000)) // 1000
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(aiohttp.ClientPayloadError):
            await stream.content.read()
        await ws.send_str("count")
        counted = int(await ws.receive_str(timeout=10))
        assert counted >= 1 + told + 1, "every piece that was sent had been counted before"
        after = await about(server, "one")
        assert after["pid"] != pid and after["count"] == counted
    await rings(server, "two")
    assert "E402 the python host ended with signal 9; it is started again" in server.output()


async def test_kill_9_of_the_gateway_in_mid_stream(mortal: Server, session: aiohttp.ClientSession):
    """After the restart everything committed is there, with names and alarms; no child had survived."""
    assert (await mortal.get("/one/alarm"))[0] == 200
    stream = await session.get(f"{mortal.origin}/two/stream")
    told = len(await stream.content.readexactly(5000)) // 1000
    await mortal.kill()  # and no process it started is alive
    await mortal.restart()
    assert (await about(mortal, "two"))["count"] >= told
    await rings(mortal, "one")
    names = {row["name"] for row in (await mortal.control("GET", "objects"))["objects"]}
    assert names == {"one", "two"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_in_mid_stream(mortal: Server, session: aiohttp.ClientSession, number: signal.Signals):
    async with session.ws_connect(f"{mortal.origin}/one/ws") as ws:
        stream = await session.get(f"{mortal.origin}/two/stream")
        told = len(await stream.content.readexactly(5000)) // 1000
        assert await ended_by(mortal, number) == 128 + number
        farewell = await ws.receive(timeout=5)
        assert (farewell.type, farewell.data) == (aiohttp.WSMsgType.CLOSE, 1001)
    await mortal.restart()
    assert (await about(mortal, "two"))["count"] >= told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_while_user_code_blocks(mortal: Server, number: signal.Signals):
    """A minute of `time.sleep` in user code does not hold up the end."""
    await mortal.get("/one/count")
    blocked = asyncio.ensure_future(mortal.get("/two/block"))

    async def is_blocked() -> bool:
        waiting = asyncio.ensure_future(mortal.get("/three/hello"))
        done, _ = await asyncio.wait({waiting}, timeout=0.3)
        waiting.cancel()
        return not done

    await eventually(is_blocked)
    assert await ended_by(mortal, number) == 128 + number
    blocked.cancel()
    await mortal.restart()
    assert (await about(mortal, "one"))["count"] == 1


async def test_a_second_signal_ends_it_at_once(mortal: Server):
    blocked = asyncio.ensure_future(mortal.get("/one/block"))
    await asyncio.sleep(0.3)
    mortal.process.send_signal(signal.SIGINT)
    assert await ended_by(mortal, signal.SIGTERM) in (130, 143)
    blocked.cancel()


async def ended_by(server: Server, number: signal.Signals) -> int:
    """The exit code after a signal; no process is left."""
    server.process.send_signal(number)
    async with asyncio.timeout(10):
        code = await server.process.wait()
    await server.assert_alone()
    return code
