"""What dies and what stays: hibernation and eviction between turns, a killed host, a killed gateway, a reload, with sockets open."""

from __future__ import annotations

import os
import signal

import aiohttp
import pytest
import pytest_asyncio
from harness.chat import Listener, chunk, done, resume, submit, user
from harness.frames import RawSocket, connect
from harness.node import Node
from harness.server import PROJECTS, Server, serving
from harness.waiting import eventually


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory):
    """A server that the tests of this file may kill and restart."""
    async with serving(PROJECTS / "protocol", tmp_path_factory.mktemp("faults")) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def tab(session: aiohttp.ClientSession, server: Server, name: str) -> RawSocket:
    socket = await connect(session, server.origin, f"/agents/chat/{name}", _pk="A")
    await socket.fence()
    return socket


async def host_pid(server: Server, name: str) -> int:
    """The process in which the objects live, as an object there says."""
    return (await server.get(f"/agents/chat/{name}"))[1]["pid"]


async def kill_host(server: Server, name: str) -> None:
    """`kill -9` of the host; returns when another one serves. What is sent to a host that dies just then is lost with it."""
    killed = await host_pid(server, name)
    os.kill(killed, signal.SIGKILL)
    await swapped(server, name, killed)


async def release(server: Server, name: str, n: int) -> None:
    await server.request("POST", f"/agents/chat/{name}/release?n={n}")


async def a_turn(tab: RawSocket, id: str, history: list[dict], text: str) -> str:
    await tab.send(submit(id, [*history, user(text)], k=2))
    return Listener(id).hear(await tab.until(done(id))).text


async def spoken(server: Server, name: str) -> list[str]:
    _, messages = await server.get(f"/agents/chat/{name}/get-messages")
    return ["".join(part.get("text", "") for part in message["parts"]) for message in messages]


async def messages(server: Server, name: str) -> list[dict]:
    return (await server.get(f"/agents/chat/{name}/get-messages"))[1]


@pytest.mark.parametrize("verb", ["hibernate", "evict"])
async def test_an_object_that_left_memory_between_turns(server: Server, tab: RawSocket, name, verb):
    assert await a_turn(tab, "one", [], "first") == "d0 d1 "
    await server.control("POST", f"objects/Chat/{name}/{verb}")
    assert await a_turn(tab, "two", await messages(server, name), "second") == "d0 d1 "
    assert await spoken(server, name) == ["first", "d0 d1 ", "second", "d0 d1 "]


async def test_a_host_killed_in_mid_turn(server: Server, tab: RawSocket, name):
    """The socket stays open, what was stored is there, the next turn works; the cut turn itself is lost by cf-agents 0.1.3."""
    assert await a_turn(tab, "one", [], "first") == "d0 d1 "
    await tab.call("jot", "before the crash")
    history = await messages(server, name)
    await tab.send(submit("cut", [*history, user("second", "u2")], k=4, gated=True))
    await release(server, name, 2)
    await tab.until(lambda frame: (chunk(frame) or {}).get("delta") == "d1 ")
    await kill_host(server, name)

    assert (await tab.call("notes"))[-1]["result"] == ["before the crash"], "the same socket, another host"
    assert (await spoken(server, name))[:3] == ["first", "d0 d1 ", "second"]
    id, _ = await resume(tab)
    if id is not None:
        ended = (await tab.until(done("cut")))[-1]
        assert ended["outcome"] == "aborted"
    assert await a_turn(tab, "three", await messages(server, name), "third") == "d0 d1 "
    assert (await spoken(server, name))[-2:] == ["third", "d0 d1 "]


async def test_a_host_that_is_killed_again_and_again(server: Server, tab: RawSocket, name):
    for n in range(3):
        await tab.call("jot", str(n))
        await kill_host(server, name)
    assert (await tab.call("notes"))[-1]["result"] == ["0", "1", "2"]


async def test_alarms_ring_after_the_host_was_killed(session, server: Server, name):
    a = await connect(session, server.origin, f"/agents/clockwork/{name}")
    await a.fence()
    await a.call("plan_in", 1, "tea")
    await kill_host(server, name)
    await a.until(lambda frame: frame == "delayed:tea")


async def test_a_reload_keeps_the_sockets_and_the_turns_after_it_run_the_new_code(server: Server, tab: RawSocket, name):
    source = server.folder / "src" / "chat.py"
    before = source.read_text("utf-8")
    assert await a_turn(tab, "one", [], "first") == "d0 d1 "
    old = await host_pid(server, name)
    try:
        source.write_text(before.replace('delta=f"d{number} "', 'delta=f"new{number} "'), "utf-8")
        await swapped(server, name, old)
        assert await a_turn(tab, "two", await messages(server, name), "second") == "new0 new1 "
        assert await spoken(server, name) == ["first", "d0 d1 ", "second", "new0 new1 "]
    finally:
        old = await host_pid(server, name)
        source.write_text(before, "utf-8")
        await swapped(server, name, old)


async def test_code_that_does_not_load_leaves_the_old_one_serving(server: Server, tab: RawSocket, name):
    source = server.folder / "src" / "chat.py"
    before = source.read_text("utf-8")
    old = await host_pid(server, name)
    try:
        source.write_text(before + "\nthis is no python\n", "utf-8")

        async def said_so() -> bool:
            return "SyntaxError" in server.output()

        await eventually(said_so)
        assert await a_turn(tab, "one", [], "first") == "d0 d1 "
        assert await host_pid(server, name) == old
    finally:
        source.write_text(before, "utf-8")
        await swapped(server, name, old)


async def swapped(server: Server, name: str, old: int) -> None:
    async def other() -> bool:
        status, answer = await server.get(f"/agents/chat/{name}")
        return status == 200 and answer["pid"] != old

    await eventually(other)


async def test_a_killed_gateway_comes_back_with_everything_stored(session, server: Server, node: Node, name):
    a = await connect(session, server.origin, f"/agents/counter/{name}")
    await a.call("bump")
    late = await connect(session, server.origin, f"/agents/chat/{name}")
    assert await a_turn(late, "one", [], "first") == "d0 d1 "
    async with node.client(server.host, "Counter", name) as client:
        assert (await client.ready())["state"] == {"n": 1}
        await server.kill()
        await client.seen("close")
        await server.restart()
        assert await client.call("bump") == 2
        assert (await client.ready())["name"] == name
    assert await spoken(server, name) == ["first", "d0 d1 "]
    names = {(row["class"], row["name"]) for row in (await server.control("GET", "objects"))["objects"]}
    assert {("Counter", name), ("Chat", name)} <= names


async def test_a_gateway_killed_in_mid_turn(session, server: Server, name):
    a = await connect(session, server.origin, f"/agents/chat/{name}", _pk="A")
    await a.send(submit("cut", [user("hello", "u1")], k=4, gated=True))
    await release(server, name, 2)
    await a.until(lambda frame: (chunk(frame) or {}).get("delta") == "d1 ")
    await server.kill()
    await server.restart()
    back = await connect(session, server.origin, f"/agents/chat/{name}", _pk="A")
    await back.fence()
    id, _ = await resume(back)
    if id is not None:
        assert (await back.until(done("cut")))[-1]["outcome"] == "aborted"
    assert (await spoken(server, name))[0] == "hello"
    assert await a_turn(back, "two", await messages(server, name), "again") == "d0 d1 "


async def test_a_clean_stop_closes_the_sockets_and_leaves_nothing(session, tmp_path):
    async with serving(PROJECTS / "protocol", tmp_path) as server:
        a = await connect(session, server.origin, "/agents/counter/x")
        await a.fence()
        assert await server.stop() in (0, 130)
        assert (await a.closing()).code in (1001, 1006, 1012)
