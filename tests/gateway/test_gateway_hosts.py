"""Hosts come and go while clients stay: reload, failed load, crash, restart, shutdown, and the death of the gateway itself."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
from pathlib import Path
from typing import Any

import aiohttp
import pytest


async def get(client: aiohttp.ClientSession, server: Any, path: str) -> str:
    async with client.get(server.url + path) as response:
        return await response.text()


async def connect(client: aiohttp.ClientSession, server: Any, path: str = "/ws") -> aiohttp.ClientWebSocketResponse:
    ws = await client.ws_connect(server.url + path, autoclose=False)
    assert [await ws.receive_str(), await ws.receive_str()] == ["early", "opened"]
    return ws


async def ask(ws: aiohttp.ClientWebSocketResponse, text: str) -> str:
    await ws.send_str(text)
    return await asyncio.wait_for(ws.receive_str(), 15)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def of_process(pid: str, what: str) -> list[bytes]:
    return Path(f"/proc/{pid}/{what}").read_bytes().split(b"\0")


async def test_a_save_swaps_the_code_and_keeps_the_socket(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve()
    ws = await connect(client, server)
    await ws.send_str("attach")
    first = await get(client, server, "/pid")
    server.write("v2")
    event = await server.event("reload")
    assert (event["paths"], event["sockets"], event["kept"]) == (["main.py"], 1, True)
    assert await ask(ws, "version") == "v2"
    handed = json.loads(await ask(ws, "handed"))
    assert (handed["class"], handed["name"], handed["tags"], bytes.fromhex(handed["attachment"])) == (
        "Echo",
        "a",
        ["t1", "t2"],
        b"\x00\xffattachment",
    )
    assert handed["url"].endswith("/ws")
    assert await get(client, server, "/pid") != first
    assert not alive(int(first))
    await ws.close()


async def test_many_saves_end_with_the_last(serve: Any, client: aiohttp.ClientSession, until: Any) -> None:
    server = serve()
    for number in range(12):
        server.write(f"n{number}")
        await asyncio.sleep(0.03)

    async def newest() -> bool:
        return await get(client, server, "/version") == "n11"

    await until(newest)
    assert len(server.children()) <= 2  # the serving one and the spare


async def test_code_that_does_not_load_leaves_the_old_serving(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve()
    ws = await connect(client, server)
    server.write("fail")
    event = await server.event("error")
    assert event["error"]["where"] == "main.py:3" and "SyntaxError" in event["error"]["what"]
    assert await get(client, server, "/version") == "v1"
    assert await ask(ws, "version") == "v1"
    server.write("v3")
    await server.event("reload")
    assert await ask(ws, "version") == "v3"
    await ws.close()


async def test_code_that_does_not_load_at_start_is_shown_and_recovers(
    serve: Any, client: aiohttp.ClientSession, make_project: Any, tmp_path: Path
) -> None:
    root = make_project(tmp_path / "project")
    (root / "main.py").write_text("fail")
    server = serve(root)
    async with client.get(server.url + "/hello") as response:
        assert response.status == 503
        text = await response.text()
    assert "SyntaxError: invalid syntax" in text and 'File "main.py", line 3' in text
    server.write("v1")
    await server.event("reload")
    assert await get(client, server, "/hello") == "hello"


async def test_a_host_that_dies_while_it_loads_is_a_failed_load(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve()
    server.write("die at load")
    event = await server.event("error")
    assert "ended while it loaded" in event["error"]["what"]
    assert await get(client, server, "/version") == "v1"


async def test_a_crash_keeps_sockets_that_were_accepted(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve()
    kept, lost = await connect(client, server), await connect(client, server, "/ws/standard")
    await get(client, server, "/auto/ping/pong")
    stream = await client.get(server.url + "/stream/100000/10")
    await stream.content.readany()
    waiting = asyncio.create_task(get(client, server, "/hold"))
    await asyncio.sleep(0.1)
    os.kill(int(await get(client, server, "/pid")), signal.SIGKILL)
    assert "The agent's process ended." in await waiting
    with pytest.raises(aiohttp.ClientPayloadError):
        await stream.read()
    assert (await asyncio.wait_for(lost.receive(), 15)).type is not aiohttp.WSMsgType.TEXT
    # Sent while nobody is there; answered by the next host.
    assert await ask(kept, "version") == "v1"
    assert await ask(kept, "ping") == "pong"
    event = await server.event("error", where=lambda event: "host ended" in json.dumps(event))
    assert "signal 9" in event["error"]["what"] and "1 sockets stay open" in event["error"]["what"]
    await kept.close()


async def test_crashes_on_purpose_may_follow_each_other(serve: Any, client: aiohttp.ClientSession) -> None:
    """They say nothing of the code: no pause between them, which would be half a minute here."""
    server = serve()
    pids = [await get(client, server, "/pid")]
    async with asyncio.timeout(20):
        for _ in range(9):
            async with client.post(server.url + "/cdn-cgi/emu/api/hosts/python/crash") as response:
                assert (await response.json())["killed"] == int(pids[-1])
            pids.append(await get(client, server, "/pid"))
    assert len(set(pids)) == 10


async def test_a_crash_drops_sockets_when_a_reload_does(serve: Any, client: aiohttp.ClientSession) -> None:
    """As production does, so that clients connect again."""
    server = serve(reload="close")
    ws = await connect(client, server)
    os.kill(int(await get(client, server, "/pid")), signal.SIGKILL)
    assert (await asyncio.wait_for(ws.receive(), 15)).type is not aiohttp.WSMsgType.TEXT
    assert await ask(await connect(client, server), "version") == "v1"


async def test_a_host_that_dies_before_its_start_is_replaced(serve: Any, client: aiohttp.ClientSession, until: Any) -> None:
    server = serve()
    ws = await connect(client, server)
    await get(client, server, "/grace/900")
    server.write("die unless started")
    await server.event("error", where=lambda event: "host ended" in json.dumps(event))
    assert await ask(ws, "version") == "die unless started"
    assert await get(client, server, "/version") == "die unless started"
    await ws.close()


async def test_a_crash_while_the_next_host_loads(serve: Any, client: aiohttp.ClientSession, until: Any) -> None:
    server = serve()
    ws = await connect(client, server)
    pid = int(await get(client, server, "/pid"))
    await until(lambda: len(server.children()) == 2)
    server.write("slow load")
    await asyncio.sleep(0.4)
    os.kill(pid, signal.SIGKILL)
    await server.event("error", where=lambda event: "host ended" in json.dumps(event))
    assert await ask(ws, "version") == "slow load"
    assert not alive(pid)
    await ws.close()


async def test_the_end_while_a_host_loads(serve: Any, client: aiohttp.ClientSession, until: Any) -> None:
    server = serve()
    await until(lambda: len(server.children()) == 2)
    children = server.children()
    server.write("slow load")
    await asyncio.sleep(0.4)
    assert await asyncio.wait_for(asyncio.to_thread(server.end), 15) == 143
    assert not any(alive(pid) for pid in children)
    assert '"error"' not in server.output and "Traceback" not in server.output


async def test_hosts_that_do_not_understand_us_leave_the_old_serving(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve()
    mark = server.root / "other-protocol.log"
    mark.touch()
    server.write("v2")
    await server.event("error", where=lambda event: event["error"]["code"] == "E915")
    assert await get(client, server, "/version") == "v1"
    mark.unlink()
    server.write("v3")
    await server.event("reload")
    assert await get(client, server, "/version") == "v3"


async def swapping(client: aiohttp.ClientSession, server: Any, until: Any) -> None:
    """Return while a swap waits for its old host."""
    await get(client, server, "/grace/900")
    server.write("v2")

    async def draining() -> bool:
        return "host.draining" in await get(client, server, "/cdn-cgi/emu/api/journal")

    await until(draining)


async def test_what_waits_for_a_host_keeps_its_order(serve: Any, client: aiohttp.ClientSession, until: Any) -> None:
    server = serve()
    ws = await connect(client, server)
    await swapping(client, server, until)
    for number in range(300):
        await ws.send_str(f"m{number}")
    async with asyncio.timeout(15):
        assert [await ws.receive_str() for _ in range(300)] == [f"m{number}" for number in range(300)]
    assert await ask(ws, "version") == "v2"
    await ws.close()


async def test_a_client_that_closes_during_a_swap_is_heard_by_the_next_host(serve: Any, client: aiohttp.ClientSession, until: Any) -> None:
    server = serve()
    ws = await connect(client, server)
    await swapping(client, server, until)
    await ws.send_str("last words")
    await ws.close(code=3000, message=b"bye")

    async def told() -> bool:
        return "close 3000 bye True" in await get(client, server, "/heard")

    await until(told)
    assert json.loads(await get(client, server, "/cdn-cgi/emu/api/sockets"))["sockets"] == []


async def test_requests_during_a_slow_drain_wait_and_get_the_new_code(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve()
    await get(client, server, "/grace/400")
    slow = asyncio.create_task(get(client, server, "/slow/300"))
    await asyncio.sleep(0.05)
    server.write("v2")
    await asyncio.sleep(0.25)
    waiting = [asyncio.create_task(get(client, server, "/version")) for _ in range(20)]
    assert await slow == "v1"  # a turn in flight ends on the old code
    assert set(await asyncio.gather(*waiting)) <= {"v1", "v2"}
    await server.event("reload")
    assert await get(client, server, "/version") == "v2"


async def test_a_turn_beyond_the_grace_is_reset_with_the_platforms_words(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve()
    await get(client, server, "/grace/60000")
    waiting = asyncio.create_task(get(client, server, "/hold"))
    await asyncio.sleep(0.1)
    server.write("v2")
    assert "Durable Object reset because its code was updated." in await waiting
    assert await get(client, server, "/version") == "v2"


async def test_reload_close_cuts_the_sockets(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve(reload="close")
    ws = await connect(client, server)
    server.write("v2")
    event = await server.event("reload")
    assert event["kept"] is False
    assert (await asyncio.wait_for(ws.receive(), 15)).type is not aiohttp.WSMsgType.TEXT


async def test_reload_off_watches_nothing(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve(reload="off")
    server.write("v2")
    await asyncio.sleep(0.5)
    assert await get(client, server, "/version") == "v1"


async def test_a_broken_configuration_keeps_the_old_one(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve()
    wrangler = server.root / "wrangler.jsonc"
    good = wrangler.read_text()
    wrangler.write_text("{")
    event = await server.event("error")
    assert event["error"]["code"] == "E103"
    assert await get(client, server, "/version") == "v1"
    wrangler.write_text(good.replace('"name": "t"', '"name": "t", "vars": {"A": 5}'))
    await server.event("reload")
    assert json.loads(await get(client, server, "/state"))["project"]["vars"] == {"A": 5}


async def test_what_the_server_is_built_around_needs_a_restart(serve: Any, client: aiohttp.ClientSession, until: Any) -> None:
    server = serve()
    wrangler = server.root / "wrangler.jsonc"
    old = json.loads(wrangler.read_text())
    (server.root / "public").mkdir()
    wrangler.write_text(json.dumps({**old, "name": "other", "assets": {"directory": "public"}}))
    event = await server.event("error")
    assert event["error"]["code"] == "E116"
    assert '"name" and "assets"' in event["error"]["what"] and event["error"]["hint"] == "restart agents-emu"
    server.write("v2")
    await server.event("reload")
    assert json.loads(await get(client, server, "/state"))["project"]["name"] == "t"
    wrangler.write_text(json.dumps({**old, "ai": {"binding": "AI"}}))
    await server.event("reload", 2)
    ready = json.loads((server.root / ".agents-emu" / "dev.json").read_text())
    assert [row["name"] for row in ready["bindings"]] == ["ECHO", "AI"]


async def test_swaps_under_load_lose_no_request(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve()
    stop = asyncio.Event()
    seen: list[tuple[int, str]] = []

    async def load() -> None:
        while not stop.is_set():
            async with client.get(server.url + "/version") as response:
                seen.append((response.status, await response.text()))

    ws = await connect(client, server)
    workers = [asyncio.create_task(load()) for _ in range(8)]
    for number in range(1, 5):
        server.write(f"w{number}")
        await server.event("reload", number)
        assert (await ask(ws, f"echo {number}")) == f"echo {number}"
    stop.set()
    await asyncio.gather(*workers)
    assert {status for status, _ in seen} == {200}
    versions = [version for _, version in seen]
    assert versions[-1] == "w4" and len(seen) > 50
    await ws.close()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_signal_ends_everything_within_its_bound(serve: Any, client: aiohttp.ClientSession, number: int, code: int) -> None:
    server = serve()
    ws = await connect(client, server)
    await get(client, server, "/grace/60000")
    waiting = asyncio.create_task(get(client, server, "/hold"))
    await asyncio.sleep(0.1)
    children = server.children()
    ready = server.root / ".agents-emu" / "dev.json"
    assert children and ready.exists()
    assert await asyncio.wait_for(asyncio.to_thread(server.end, number), 15) == code
    message = await ws.receive()
    assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
    await asyncio.wait({waiting})
    assert not ready.exists()
    assert not any(alive(pid) for pid in children)
    assert "Traceback" not in server.output


async def test_kill_9_of_the_gateway_leaves_no_child(serve: Any, client: aiohttp.ClientSession, until: Any) -> None:
    server = serve()
    await until(lambda: len(server.children()) == 2)
    children = server.children()
    server.end(signal.SIGKILL)
    await until(lambda: not any(alive(pid) for pid in children))
    left = [name for name in os.listdir(tempfile.gettempdir()) if name.startswith(f"agents-emu-{server.process.pid}-")]
    assert len(left) == 1
    server.again()
    assert await get(client, server, "/hello") == "hello"
    assert left[0] not in os.listdir(tempfile.gettempdir())


async def test_what_a_host_warns_of_is_shown_once(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve()
    server.write("v2")
    await server.event("reload")
    assert [line["notice"]["what"] for line in server.lines() if line.get("ev") == "warning"] == ["it works"]


async def test_a_host_sees_our_package_and_none_of_our_dependencies(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve()
    pid = await get(client, server, "/pid")
    environ = of_process(pid, "environ")
    path = next(value for value in environ if value.startswith(b"PYTHONPATH="))
    assert os.listdir(path.partition(b"=")[2].split(b":")[0]) == [b"emulator"]
    assert json.loads(await get(client, server, "/state"))["cwd"] == str(server.root)


async def test_the_link_is_for_the_child_only(serve: Any, client: aiohttp.ClientSession) -> None:
    server = serve()
    pid = await get(client, server, "/pid")
    arguments = of_process(pid, "cmdline")
    link = arguments[arguments.index(b"--link") + 1]
    assert os.path.basename(link) not in os.listdir(os.path.dirname(link))  # gone once the child is connected
    assert os.stat(os.path.dirname(link)).st_mode & 0o777 == 0o700
