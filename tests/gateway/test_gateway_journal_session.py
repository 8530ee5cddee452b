"""The journal of a real session: every entry is as the schema says, it is read live and later, and no secret is in it."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import pytest
import pytest_asyncio
from harness.server import COMMAND, Server, serving
from harness.waiting import eventually

from emulator.gateway.journal.schema import schema

KEY = "sk-0123456789abcdef"
API = "/cdn-cgi/emu/api/"
ENTRY = """
import json
import time
from js import WebSocketPair
from workers import DurableObject, Response, WorkerEntrypoint, fetch


class Room(DurableObject):
    async def fetch(self, request):
        client, server = WebSocketPair.new().object_values()
        self.ctx.acceptWebSocket(server)
        return Response(None, status=101, web_socket=client)

    async def webSocketMessage(self, ws, message):
        if message == "secret":
            for piece in (self.env.KEY[:5], self.env.KEY[5:11], self.env.KEY[11:]):
                ws.send(piece)
        elif message == "raise":
            raise RuntimeError("as asked")
        elif isinstance(message, str):
            self.ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS said (text TEXT)")
            self.ctx.storage.sql.exec("INSERT INTO said VALUES (?)", str(message))
            print("heard", message)
            ws.send(message)

    async def webSocketClose(self, ws, code, reason, clean):
        await self.ctx.storage.setAlarm(time.time() * 1000)

    async def alarm(self):
        print("rang")


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        if "/room/" in request.url:
            return await self.env.ROOM.getByName(request.url.rsplit("/", 1)[1].partition("?")[0]).fetch(request)
        if request.url.endswith("/model"):
            answer = await self.env.AI.run("@cf/meta/llama-3.1-8b-instruct", {"prompt": "hi"})
            return Response(json.dumps({"said": bool(answer)}))
        if request.url.endswith("/outside"):
            try:
                await fetch("http://127.0.0.1:9/nobody")
            except Exception:
                pass
        return Response(f"got {await request.text()} and {self.env.KEY}", headers={"content-type": "text/plain"})
"""


def make_project(folder: Path) -> Path:
    (folder / "src").mkdir(parents=True)
    configuration = {
        "name": "journaled",
        "main": "src/entry.py",
        "compatibility_date": "2026-06-11",
        "compatibility_flags": ["python_workers"],
        "durable_objects": {"bindings": [{"name": "ROOM", "class_name": "Room"}]},
        "migrations": [{"tag": "v1", "new_sqlite_classes": ["Room"]}],
        "ai": {"binding": "AI"},
    }
    (folder / "wrangler.jsonc").write_text(json.dumps(configuration))
    (folder / "src" / "entry.py").write_text(ENTRY)
    (folder / ".dev.vars").write_text(f"KEY={KEY}\n")
    return folder


async def talk(server: Server) -> None:
    """Something of everything."""
    assert server.session is not None
    async with server.session.post(f"{server.origin}/a?b=1", data=b"a body", headers={"content-type": "text/plain"}) as response:
        assert await response.text() == f"got a body and {KEY}"
    for path in ("/model", "/outside", "/cdn-cgi/handler/scheduled"):
        await server.get(path)
    async with server.session.ws_connect(f"{server.origin}/room/me?token=t", protocols=("one",)) as socket:
        for message in ("hello", "secret", b"\x00\x01", "raise"):
            await (socket.send_bytes(message) if isinstance(message, bytes) else socket.send_str(message))
        said = [await socket.receive() for _ in range(4)]
        assert [one.data for one in said] == ["hello", KEY[:5], KEY[5:11], KEY[11:]]
        await socket.close(code=4001, message=b"done")
    await server.request("POST", f"{API}objects/Room/me/evict", json={"sockets": "hibernate"})

    async def rang() -> bool:
        return any(entry["kind"] == "alarm.run" for entry in await entries(server))

    await eventually(rang)


async def entries(server: Server, query: str = "") -> list[dict[str, Any]]:
    assert server.session is not None
    async with server.session.get(f"{server.origin}{API}journal{query}") as response:
        assert response.content_type == "application/x-ndjson"
        return [json.loads(line) for line in (await response.text()).splitlines()]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    folder = tmp_path_factory.mktemp("session")
    async with serving(make_project(folder / "source"), folder, "--ai", "stub") as running:
        await talk(running)
        yield running


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_every_entry_is_as_the_schema_says(server: Server) -> None:
    validator = jsonschema.Draft202012Validator(schema())
    found = await entries(server)
    for entry in found:
        assert [error.message for error in validator.iter_errors(entry)] == [], entry
    assert [entry["seq"] for entry in found] == list(range(1, len(found) + 1))
    kinds = {entry["kind"] for entry in found}
    assert kinds >= {
        *("request", "socket.open", "socket.accept", "frame", "socket.close", "socket.end"),
        *("object", "turn", "log", "exception", "alarm.set", "alarm.run", "verb", "host.serving", "ai", "egress", "chunk"),
    }
    wrong = {**found[0], "seq": "1"}
    assert list(validator.iter_errors(wrong))


async def test_a_clients_session_can_be_told_from_it(server: Server) -> None:
    found = await entries(server)
    asked = next(entry for entry in found if entry["kind"] == "request" and entry["path"] == "/a")
    assert (asked["method"], asked["query"], asked["status"]) == ("POST", "b=1", 200)
    assert asked["body"] == {"type": "text/plain", "bytes": 6, "text": "a body"}
    assert asked["response"]["text"] == "got a body and [secret KEY]"
    opened = next(entry for entry in found if entry["kind"] == "socket.open")
    assert opened["url"].endswith("/room/me") and (opened["query"], opened["protocols"]) == ("token=t", "one")
    frames = [entry for entry in found if entry["kind"] == "frame" and entry["socket"] == opened["socket"]]
    assert found.index(opened) < found.index(frames[0])
    assert [entry["text"] for entry in frames if entry["dir"] == "in" and entry["type"] == "text"] == ["hello", "secret", "raise"]
    (sent,) = [entry for entry in frames if entry["dir"] == "in" and entry["type"] == "binary"]
    assert (sent["base64"], sent["bytes"], sent["object"]["name"]) == ("AAE=", 2, "me")
    close = next(entry for entry in found if entry["kind"] == "socket.close" and entry["by"] == "client")
    assert (close["code"], close["reason"], close["clean"]) == (4001, "done", True)
    turn = next(entry for entry in found if entry["kind"] == "turn" and entry.get("rows_written"))
    assert turn["object"]["class"] == "Room" and turn["object"]["generation"] == 1 and turn["commits"] >= 1
    verb = next(entry for entry in found if entry["kind"] == "verb")
    assert verb["verb"] == "POST objects/Room/me/evict" and verb["args"] == {"sockets": "hibernate"}


async def test_a_secret_is_nowhere_in_it_not_even_in_three_frames(server: Server) -> None:
    found = await entries(server)
    out = "".join(entry["text"] for entry in found if entry["kind"] == "frame" and entry["dir"] == "out" and entry["type"] == "text")
    assert KEY not in json.dumps(found) and KEY[:8] not in out and KEY[-8:] not in out and "[secret KEY]" in out

    async def written() -> bool:
        return '"alarm.run"' in file.read_text("utf-8")

    file = server.folder / ".agents-emu" / "journal.ndjson"
    await eventually(written)
    assert KEY not in file.read_text("utf-8")


async def test_readers_choose_and_follow_and_resume(server: Server) -> None:
    assert server.session is not None
    found = await entries(server)
    turns = await entries(server, "?kinds=turn,alarm.run")
    assert turns == [entry for entry in found if entry["kind"] in ("turn", "alarm.run")]
    mine = await entries(server, "?object=Room/me")
    assert {entry["kind"] for entry in mine} >= {"frame", "turn", "object"} and len(mine) < len(found)
    assert await entries(server, f"?since={found[4]['seq']}&limit=2") == found[5:7]
    last = (await entries(server))[-1]["seq"]
    async with server.session.get(f"{server.origin}{API}journal?since={last}&follow=1&kinds=request&limit=2") as response:
        for path in ("/one", "/two"):
            await server.get(path)
        got = [json.loads(line) async for line in response.content]
    assert [entry["path"] for entry in got] == ["/one", "/two"]
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(got[0]["seq"])}
    async with server.session.get(f"{server.origin}{API}journal?since=1&kinds=request&limit=1", headers=headers) as response:
        text = await response.text()
    assert text == f"id: {got[1]['seq']}\ndata: {json.dumps(got[1], separators=(',', ':'))}\n\n"


@pytest.mark.parametrize("query", ["since=x", "limit=-1", "kinds=frmae", "since=99999999999999999999"])
async def test_what_cannot_be_asked(server: Server, query: str) -> None:
    status, answer = await server.get(f"{API}journal?{query}")
    assert (status, answer["error"]["code"]) == (400, "E231" if "kinds" in query else "E227")
    if "kinds" in query:
        assert answer["error"]["hint"] == "did you mean frame?"


async def run(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(COMMAND), "journal", "-C", str(server.folder), *arguments]
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=30, check=False)


async def test_the_command_follows_and_reads_the_file_of_a_server_that_ended(tmp_path: Path) -> None:
    async with serving(make_project(tmp_path / "source"), tmp_path, "--ai", "stub") as server:
        nothing = await run(server, "--kinds", "turm")
        assert (nothing.returncode, "E231" in nothing.stderr, "did you mean turn?" in nothing.stderr) == (2, True, True)
        assert server.session is not None
        process = await asyncio.create_subprocess_exec(
            *(COMMAND, "journal", "-C", server.folder, "--follow", "--kinds", "frame"), stdout=asyncio.subprocess.PIPE
        )
        async with server.session.ws_connect(f"{server.origin}/room/me") as socket:
            await socket.send_str("hello")
            await socket.receive()
            assert process.stdout is not None
            async with asyncio.timeout(20):
                lines = [(await process.stdout.readline()).decode().split() for _ in range(2)]
        assert [line[2:4] + line[-2:] for line in lines] == [["frame", "Room/me", "->", "hello"], ["frame", "Room/me", "<-", "hello"]]
        live = await run(server, "--object", "Room/me", "--json")
        assert {"frame", "turn"} <= {json.loads(line)["kind"] for line in live.stdout.splitlines()}
        await server.stop()
        assert await asyncio.wait_for(process.wait(), 20) == 0
        assert (await run(server, "--follow")).returncode == 2
        left = await run(server, "--object", "Room/me", "--json", "--kinds", "frame,turn")
        seqs = [json.loads(line)["seq"] for line in left.stdout.splitlines()]
        assert seqs == sorted(seqs) and len(seqs) >= 3
        rest = await run(server, "--since", str(seqs[0]), "--object", "Room/me", "--json", "--kinds", "frame,turn")
        assert [json.loads(line)["seq"] for line in rest.stdout.splitlines()] == seqs[1:]
        (server.folder / ".agents-emu" / "journal.ndjson").unlink()
        none = await run(server)
        assert (none.returncode, "E230" in none.stderr) == (2, True)


async def test_a_stream_of_events_is_one_of_a_browser(server: Server) -> None:
    """It begins before anything happens, so that a page knows that it is connected."""
    assert server.session is not None
    last = (await entries(server))[-1]["seq"]
    timeout = aiohttp.ClientTimeout(total=10)
    async with server.session.get(
        f"{server.origin}{API}journal?since={last}&kinds=log", headers={"Accept": "text/event-stream"}, timeout=timeout
    ) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
