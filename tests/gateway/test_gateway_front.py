"""A project with a Vite configuration: its real Vite behind our port, over the scripted host."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

SOURCE = Path(__file__).with_name("front_project")


def vite_of(server: Any) -> int:
    """The process that runs Vite now."""
    for pid in reversed(server.children()):
        if b"front/main.mjs" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return int(pid)
    raise AssertionError("no Vite runs")


def said(server: Any, words: str) -> bool:
    return any(words in str(line.get("text") or line.get("error") or "") for line in server.lines())


async def text(client: aiohttp.ClientSession, url: str, **headers: str) -> str:
    async with client.get(url, headers={name.replace("_", "-"): value for name, value in headers.items()}) as response:
        return await response.text()


async def test_who_answers_what(serve: Any, front_project: Any, client: aiohttp.ClientSession) -> None:
    server = serve(front_project(), log_level="debug")
    page = await text(client, server.url + "/")
    assert "<title>home</title>" in page and "/@vite/client" in page
    assert '"hello"' in await text(client, server.url + "/src/text.js")
    assert await text(client, server.url + "/hello.txt") == "hello from public\n"
    assert "<title>about</title>" in await text(client, server.url + "/pages/about")
    assert await text(client, server.url + "/plain") == (SOURCE / "public/plain.html").read_text()
    async with client.get(server.url + "/pages/about.html", allow_redirects=False) as response:
        assert (response.status, response.headers["location"]) == (307, "/pages/about")
    assert "<title>home</title>" in await text(client, server.url + "/some/route")
    # The Worker's: by run_worker_first, or because it is no GET of something there is.
    assert await text(client, server.url + "/hello") == "hello"
    async with client.post(server.url + "/src/text.js", data=b"12345") as response:
        assert response.status == 405
    # As the binding.
    assert '"hello"' in await text(client, server.url + "/assets/src/text.js")
    assert "<title>home</title>" in await text(client, server.url + "/assets/any")
    # What nobody shall see.
    (server.root / ".dev.vars").write_text("A=secret")
    for path in ("/.dev.vars", "/wrangler.jsonc", "/@fs" + str(server.root / ".dev.vars")):
        async with client.get(server.url + path) as response:
            assert response.status in (403, 404), path
    # The real plugin was not even loaded, the others are there.
    assert not said(server, "the Cloudflare plugin was loaded")
    assert await text(client, server.url + "/title") == "first"


async def test_without_assets_in_the_wrangler_file(serve: Any, front_project: Any, client: aiohttp.ClientSession) -> None:
    server = serve(front_project(assets=None))
    assert "<title>home</title>" in await text(client, server.url + "/")
    assert await text(client, server.url + "/nothing") == "no such script"
    async with client.post(server.url + "/whole", data=b"12345") as response:
        assert await response.text() == "5"


async def test_a_plugin_that_wants_the_real_package_gets_it(serve: Any, front_project: Any, client: aiohttp.ClientSession) -> None:
    root = front_project()
    config = root / "vite.config.js"
    config.write_text('import { more } from "@cloudflare/vite-plugin";\nif (!more) throw 1;\n' + config.read_text())
    server = serve(root)
    assert "<title>home</title>" in await text(client, server.url + "/")
    assert said(server, "the Cloudflare plugin was loaded")


async def hmr_url(client: aiohttp.ClientSession, server: Any) -> str:
    source = await text(client, server.url + "/@vite/client")
    token = re.search(r'wsToken = "([^"]+)"', source)
    assert token is not None
    return f"{server.url}/?token={token[1]}"


async def test_hot_module_reload(serve: Any, front_project: Any, client: aiohttp.ClientSession) -> None:
    server = serve(front_project())
    page = await text(client, server.url + "/")
    for path in re.findall(r'src="([^"]+)"', page):
        await text(client, server.url + path)
    await text(client, server.url + "/src/text.js")
    async with client.ws_connect(await hmr_url(client, server), protocols=["vite-hmr"]) as socket:
        assert socket.protocol == "vite-hmr"
        assert (await socket.receive_json(timeout=20))["type"] == "connected"
        (server.root / "src/text.js").write_text('export const text = "edited";\n')
        update = await socket.receive_json(timeout=20)
        assert update["type"] == "update"
        assert [one["acceptedPath"] for one in update["updates"]] == ["/src/text.js"]
        assert '"edited"' in await text(client, f"{server.url}/src/text.js?t={update['updates'][0]['timestamp']}")
    # A page of another origin has no token.
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await client.ws_connect(server.url, protocols=["vite-hmr"], origin="http://evil.example")
    # Every other WebSocket is the Worker's.
    async with client.ws_connect(server.url + "/ws/a", protocols=["chat"]) as socket:
        assert await socket.receive_str(timeout=20) == "early"


async def test_a_changed_configuration_takes_over_when_it_loads(
    serve: Any, front_project: Any, client: aiohttp.ClientSession, until: Any
) -> None:
    server = serve(front_project())
    assert await text(client, server.url + "/title") == "first"
    first = vite_of(server)
    async with client.ws_connect(await hmr_url(client, server), protocols=["vite-hmr"]) as socket:
        (server.root / "title.js").write_text("this is no JavaScript")
        await server.event("error", where=lambda event: event["error"]["code"] == "E431")
        assert await text(client, server.url + "/title") == "first"
        (server.root / "title.js").write_text('export const title = "second";\n')

        async def has_second() -> bool:
            return await text(client, server.url + "/title") == "second"

        await until(has_second)
        # Browsers hear of it: their socket ends, and they ask again.
        while (await socket.receive(timeout=20)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert socket.closed
    async with client.ws_connect(await hmr_url(client, server), protocols=["vite-ping"]):
        pass
    await until(lambda: not Path(f"/proc/{first}").exists())


async def test_a_configuration_that_never_loaded(serve: Any, front_project: Any, client: aiohttp.ClientSession, until: Any) -> None:
    root = front_project(assets={"not_found_handling": "none"})
    config = root / "vite.config.js"
    good = config.read_text()
    config.write_text('throw new Error("no such luck");\n' + good)
    server = serve(root)
    event = await server.event("error", where=lambda event: event["error"]["code"] == "E431")
    assert "no such luck" in event["error"]["what"]
    async with client.get(server.url + "/", headers={"sec-fetch-mode": "navigate"}) as response:
        assert response.status == 503
        assert "no such luck" in await response.text()
    assert await text(client, server.url + "/version") == "v1"  # the Worker does not suffer
    config.write_text(good)

    async def serves() -> bool:
        return "<title>home</title>" in await text(client, server.url + "/", sec_fetch_mode="navigate")

    await until(serves)


async def test_vite_that_dies_is_started_again(serve: Any, front_project: Any, client: aiohttp.ClientSession, until: Any) -> None:
    server = serve(front_project())
    await text(client, server.url + "/")
    first = vite_of(server)
    os.kill(first, signal.SIGKILL)
    await server.event("error", where=lambda event: event["error"]["code"] == "E432")

    async def serves() -> bool:
        return "<title>home</title>" in await text(client, server.url + "/", sec_fetch_mode="navigate")

    await until(serves)
    assert vite_of(server) != first


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_it_ends_with_the_gateway(serve: Any, front_project: Any, client: aiohttp.ClientSession, until: Any, number: int) -> None:
    server = serve(front_project())
    await text(client, server.url + "/")
    vite = vite_of(server)
    server.end(number)
    await until(lambda: not Path(f"/proc/{vite}").exists() or Path(f"/proc/{vite}/stat").read_text().split()[2] == "Z")


async def test_a_stream_is_read_as_fast_as_the_client_reads(
    serve: Any, front_project: Any, client: aiohttp.ClientSession, until: Any
) -> None:
    server = serve(front_project())
    async with client.get(server.url + "/flood") as response:
        await response.content.readexactly(1 << 20)
        counts: list[int] = []

        async def stands_still() -> bool:
            counts.append(int(await text(client, server.url + "/flooded")))
            await asyncio.sleep(0.1)
            return len(counts) > 3 and len(set(counts[-3:])) == 1

        await until(stands_still)
        assert counts[-1] < 32 << 20
        await response.content.readexactly(counts[-1] + (1 << 20))  # it goes on
        assert int(await text(client, server.url + "/flooded")) > counts[-1]


async def test_modules_do_not_drown_the_log(serve: Any, front_project: Any, client: aiohttp.ClientSession, until: Any) -> None:
    server = serve(front_project())
    await text(client, server.url + "/")
    for _ in range(20):
        await text(client, server.url + "/src/text.js")
    await until(lambda: any(entry["kind"] == "front" for entry in server.journal()))
    entries = server.journal()
    assert [entry["path"] for entry in entries if entry["kind"] == "request"] == ["/"]
    assert sum(entry["requests"] for entry in entries if entry["kind"] == "front") == 20


async def test_off(serve: Any, front_project: Any, client: aiohttp.ClientSession) -> None:
    server = serve(front_project(), front="off")
    assert await text(client, server.url + "/") == "no such script"
    assert any("no files are served" in str(event.get("notice")) for event in server.lines())
