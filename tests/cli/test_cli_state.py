"""State, alarms and the other verbs of a running server as people type them, and the hotkeys on a real terminal: one server for all, whose
objects keep a number, sockets, an alarm and a timer. In Python and in JavaScript."""

from __future__ import annotations

import asyncio
import fcntl
import http.client
import io
import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from emulator.cli.main import run
from emulator.core.ids import Namespace

sys.path.insert(0, str(Path(__file__).parents[1] / "journeys"))

from harness import npm

WITHIN_S = 30.0
HOUR_MS = 3_600_000

PYTHON = """
import asyncio
from workers import DurableObject, Response, WorkerEntrypoint
from js import WebSocketPair


class Box(DurableObject):
    async def fetch(self, request):
        client, server = WebSocketPair.new().object_values()
        self.ctx.acceptWebSocket(server)
        return Response(None, status=101, web_socket=client)

    async def add(self, count):
        self.ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS t (n)")
        self.ctx.storage.sql.exec("INSERT INTO t VALUES (?)", count)
        return self.ctx.storage.sql.exec("SELECT sum(n) AS n FROM t").one().n

    async def later(self, time_ms):
        await self.ctx.storage.setAlarm(time_ms)

    async def when(self):
        return await self.ctx.storage.getAlarm()

    async def alarm(self, info=None):
        await self.add(1000)

    async def linger(self):
        async def sleeper():
            await asyncio.sleep(3600)

        self.task = asyncio.create_task(sleeper())

    async def webSocketMessage(self, ws, message):
        ws.send(message)

    async def webSocketClose(self, ws, code, reason, clean):
        pass


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return await self.env.BOX.getByName(request.url.rpartition("/")[2]).fetch(request)
"""

JAVASCRIPT = """
import { DurableObject } from "cloudflare:workers";

export class Box extends DurableObject {
  fetch() {
    const [client, server] = Object.values(new WebSocketPair());
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }
  add(count) {
    this.ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS t (n)");
    this.ctx.storage.sql.exec("INSERT INTO t VALUES (?)", count);
    return this.ctx.storage.sql.exec("SELECT sum(n) AS n FROM t").one().n;
  }
  later(timeMs) {
    return this.ctx.storage.setAlarm(timeMs);
  }
  when() {
    return this.ctx.storage.getAlarm();
  }
  alarm() {
    this.add(1000);
  }
  linger() {
    setTimeout(() => {}, 3600_000);
  }
  webSocketMessage(ws, message) {
    ws.send(message);
  }
}

export default {
  fetch: (request, env) => env.BOX.getByName(request.url.split("/").at(-1)).fetch(request),
};
"""


@dataclass
class Typed:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Terminal:
    """A server on a terminal of its own. A thread reads what it shows: a full terminal would stop it."""

    root: Path
    flags: tuple[str, ...] = ()
    screen: str = ""
    url: str = ""
    process: subprocess.Popen[bytes] = field(init=False)
    keyboard: int = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.screen = ""
        self.keyboard, terminal = pty.openpty()
        environ = {name: value for name, value in os.environ.items() if name not in ("CI", "EMU_NO_KEYS")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "emulator", "dev", "--port", "0", "--reload", "off", *self.flags],
            cwd=self.root,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env={**environ, "TERM": "dumb"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - it can only be taken between fork and exec
        )
        os.close(terminal)
        threading.Thread(target=self._read, daemon=True).start()
        self.until("Ready")
        found = re.search(r"http://127\.0\.0\.1:\d+", self.screen)
        assert found is not None
        self.url = found[0]

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self.keyboard, 4096)
            except OSError:
                return
            self.screen += data.decode(errors="replace")

    def until(self, text: str, since: int = 0) -> None:
        deadline = time.monotonic() + WITHIN_S
        while text not in self.screen[since:]:
            assert time.monotonic() < deadline, f"{text!r} did not come: {self.screen[since:]!r}"
            time.sleep(0.01)

    def press(self, keys: str, then: str) -> None:
        """Press keys, and wait for words that come after."""
        since = len(self.screen)
        os.write(self.keyboard, keys.encode())
        self.until(then, since)

    def typed(self, *words: str) -> Typed:
        """A command about this project."""
        return typed(self.root, *words)

    def call(self, name: str, method: str, *arguments: Any) -> Any:
        """A method of an object."""
        return asyncio.run(_ask(f"{self.url}/cdn-cgi/emu/api/objects/Box/{name}/call", {"method": method, "args": list(arguments)}))[
            "result"
        ]

    def end(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self.keyboard)


def typed(root: Path, *words: str) -> Typed:
    """A command of the command line, in this process: it is quicker."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(["-C", str(root), *words])
    return Typed(code, out.getvalue(), err.getvalue())


async def _ask(url: str, body: Any) -> Any:
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
        return await response.json()


def make_project(root: Path, language: str) -> Path:
    main, code, flags = ("main.py", PYTHON, ["python_workers"]) if language == "python" else ("main.js", JAVASCRIPT, [])
    root.mkdir()
    (root / main).write_text(code)
    if language == "javascript":
        (root / "node_modules").symlink_to(npm.sample_modules(), target_is_directory=True)
    config = {
        "name": "boxes",
        "main": main,
        "compatibility_date": "2026-11-01",
        "compatibility_flags": flags,
        "durable_objects": {"bindings": [{"name": "BOX", "class_name": "Box"}]},
        "migrations": [{"tag": "v1", "new_sqlite_classes": ["Box"]}],
    }
    (root / "wrangler.jsonc").write_text(json.dumps(config))
    return root


@pytest.fixture(scope="module", params=["python", "javascript"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    running = Terminal(make_project(tmp_path_factory.mktemp("state") / "project", request.param))
    yield running
    running.end()


@pytest.fixture(scope="module")
def virtual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    running = Terminal(make_project(tmp_path_factory.mktemp("state") / "project", "python"), ("--clock", "virtual"))
    yield running
    running.end()


@pytest.fixture
def socket(server: Terminal) -> Iterator[Callable[[str], str]]:
    """Opens sockets, and gives how one ended: on a loop of its own, so that the tests may wait for commands."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    session = asyncio.run_coroutine_threadsafe(_session(), loop).result(WITHIN_S)
    opened: dict[str, Any] = {}

    def act(name: str) -> str:
        if name not in opened:
            opened[name] = asyncio.run_coroutine_threadsafe(session.ws_connect(f"{server.url}/{name}"), loop).result(WITHIN_S)
            return "open"
        return str(asyncio.run_coroutine_threadsafe(_end_of(opened.pop(name)), loop).result(WITHIN_S))

    yield act
    asyncio.run_coroutine_threadsafe(session.close(), loop).result(WITHIN_S)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


async def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession()


async def _end_of(socket: aiohttp.ClientWebSocketResponse) -> str:
    """The Close frame's code, or that there was none."""
    async with asyncio.timeout(WITHIN_S):
        message = await socket.receive()
    return str(message.data) if message.type is aiohttp.WSMsgType.CLOSE else "no Close"


def test_state_comes_back_with_its_alarms_and_its_clients_are_cut_off(server: Terminal, socket: Callable[[str], str]) -> None:
    alarm_ms = time.time_ns() // 1_000_000 + HOUR_MS
    assert server.call("alice", "add", 1) == 1
    server.call("alice", "later", alarm_ms)
    assert server.call("bob", "add", 5) == 5
    saved = server.typed("state", "save", "first", "--json").json
    assert (saved["objects"], saved["alarms"], saved["left_out"]) == (2, 1, [])
    assert server.call("alice", "add", 1) == 2, "who is saved goes on"
    server.call("alice", "later", alarm_ms + HOUR_MS)
    server.call("carol", "add", 1)
    assert socket("alice") == "open"
    loaded = server.typed("state", "load", "first", "--json").json
    assert (loaded["removed"], loaded["objects"], loaded["alarms"], loaded["sockets"]) == (3, 2, 1, 1)
    assert socket("alice") == "no Close"
    assert (server.call("alice", "add", 0), server.call("alice", "when"), server.call("bob", "add", 0)) == (1, alarm_ms, 5)
    rows = server.typed("alarms", "list", "--json").json["alarms"]
    assert [(row["name"], row["time_ms"]) for row in rows] == [("alice", alarm_ms)]


def test_a_part_is_loaded_and_the_others_keep_their_sockets(server: Terminal, socket: Callable[[str], str]) -> None:
    server.call("dora", "add", 1)
    server.call("emil", "add", 1)
    server.typed("state", "save", "dora", "--object", "Box/dora", "--replace")
    server.call("dora", "add", 1)
    server.call("emil", "add", 1)
    assert (socket("dora"), socket("emil")) == ("open", "open")
    assert server.typed("state", "load", "dora").out.startswith("loaded dora: 1 object gone, 1 object there, 1 client cut off")
    assert socket("dora") == "no Close"
    assert (server.call("dora", "add", 0), server.call("emil", "add", 0)) == (1, 2)
    assert len(server.typed("sockets", "--json").json["sockets"]) == 1
    assert server.typed("drop", "Box/emil", "--mode", "stall").out == "1 socket stalled\n"
    assert server.typed("drop", "Box/emil", "--resume").out == "1 socket resumed\n"
    assert server.typed("drop", "Box/emil", "--code", "4001").code == 0
    assert socket("emil") == "4001"
    assert server.typed("state", "reset", "--object", "Box/dora", "--yes").code == 0
    assert server.call("dora", "add", 0) == 0


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (["state", "load", "nothing"], 2, "E261"),
        (["state", "load", "../first"], 2, "E260"),
        (["state", "save", "a/b"], 2, "E260"),
        (["state", "save", "x", "--object", "Box/nobody"], 2, "E267"),
        (["state", "save", "x", "--class", "Nothing"], 2, "E267"),
        (["state", "save", "x", "--object", "nobody"], 2, "E227"),
        (["state", "reset"], 2, "E205"),
        (["alarms", "fire", "Box/nobody"], 2, "E228"),
        (["alarms", "skip", "Box/nobody"], 2, "E228"),
        (["alarms", "skip", "Bax/alice"], 2, "E207"),
        (["abort", "Box/nobody"], 2, "E228"),
        (["drop", "99999"], 2, "E228"),
        (["drop", "Box/nobody"], 2, "E228"),
        (["drop"], 2, "E205"),
        (["drop", "--all", "--code", "999"], 2, "E227"),
        (["drop", "--all", "--next"], 2, "E205"),
        (["stete"], 2, "E204"),
        (["state", "svae"], 2, "E205"),
    ],
)
def test_refusals_change_nothing(server: Terminal, words: list[str], status: int, code: str) -> None:
    done = server.typed(*words)
    assert (done.code, done.err[:4]) == (status, code), done
    assert server.call("still", "add", 0) == 0


def test_a_changed_project_is_told(server: Terminal) -> None:
    server.call("alice", "add", 1)
    server.typed("state", "save", "changed", "--replace")
    manifest = server.root / "fixtures" / "state" / "changed" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"v1"', '"v7"'))
    before = server.call("alice", "add", 0)
    done = server.typed("state", "load", "changed")
    assert (done.code, done.err[:4]) == (2, "E266")
    assert server.call("alice", "add", 0) == before
    assert "changed cannot be loaded: E266" in server.typed("state", "list").out


def test_an_alarm_is_skipped_or_run(server: Terminal) -> None:
    when = time.time_ns() // 1_000_000 + HOUR_MS
    server.call("frida", "add", 1)
    server.call("frida", "later", when)
    assert re.search(r"Box/frida +\d{4}-\d\d-\d\dT\S+Z  in (59 m|1 h)", server.typed("alarms", "list").out)
    assert "rows of the SDK's schedules stay" in server.typed("alarms", "skip", "Box/frida").out
    assert server.call("frida", "when") is None
    assert server.call("frida", "add", 0) == 1, "it was not run"
    server.typed("evict", "Box/frida")
    server.call("frida", "later", when)
    server.typed("evict", "Box/frida")
    assert server.typed("alarms", "skip", "Box/frida", "--json").json["time_ms"] == when
    assert server.call("frida", "when") is None, "also of one that is not in memory"
    server.call("frida", "later", when)
    assert server.typed("alarms", "fire", "Box/frida").code == 0
    deadline = time.monotonic() + WITHIN_S
    while server.call("frida", "add", 0) != 1001:
        assert time.monotonic() < deadline


def test_awake_says_what_and_what_would_be_without(server: Terminal) -> None:
    assert server.typed("awake", "Box/gone").out == "there is no Box/gone: nothing has woken it yet\n"
    server.call("greta", "linger")
    out = server.typed("awake", "Box/greta").out
    assert re.match(r"awake \d+ (ms|s), blocked from hibernating by:\n   1  ", out), out
    assert re.search(r"main\.(py|js):\d+", out), out
    assert re.search(r"without 1: (it leaves memory 10 s later|2 keeps it awake)$", out, re.MULTILINE), out
    assert server.typed("awake", "Box/greta", "--json").json["reasons"][0]["where"].startswith("main.")
    assert server.typed("abort", "Box/greta").out == "Box/greta  reset\n"


def test_the_host_is_killed_restarted_and_deployed(server: Terminal, socket: Callable[[str], str]) -> None:
    server.call("heidi", "add", 3)
    assert server.typed("crash").out.startswith("killed process ")
    assert server.call("heidi", "add", 0) == 3
    assert socket("heidi") == "open"
    assert "1 socket kept" in server.typed("restart").out
    assert server.typed("deploy").out.startswith("deployed in ")
    assert socket("heidi") == "no Close"
    assert server.typed("deploy", "--json").json["error"] is None


def test_keys_act_and_ask_while_the_server_serves(server: Terminal, socket: Callable[[str], str]) -> None:
    server.call("ida", "add", 1)
    assert socket("ida") == "open"
    server.press("d", "1 sockets reset")
    assert socket("ida") == "no Close"
    server.press("s", "agents-emu state load snapshot-")
    server.press("R", "with all it has stored? (y/N)")
    assert server.call("ida", "add", 0) == 1, "it serves while it asks"
    server.press("no\r", "nothing was removed")
    server.press("R", "(y/N)")
    server.press("q\x7fy\r", "objects removed")
    assert server.call("ida", "add", 0) == 0
    server.press("t", "no alarm is pending")
    server.call("ida", "later", time.time_ns() // 1_000_000 + HOUR_MS)
    server.press("t", "the alarm of Box/ida runs")
    server.press("T", "E250")
    server.press("p", "AI mode: replay")
    server.press("D", "reload #")
    server.press("?", "quit, as Ctrl-C does")
    server.press("h", "objects dropped")
    server.press("r", "reload #")


def test_the_clock_is_advanced_by_a_key(virtual: Terminal) -> None:
    virtual.call("a", "add", 1)
    virtual.call("a", "later", 1_767_225_600_000 + HOUR_MS)
    assert "2026-01-01T01:00:00.000Z  in 1 h 00 m" in virtual.typed("alarms", "list").out
    virtual.press("T", "Enter for no")
    virtual.press("\x1b", "\n")
    virtual.press("T", "Enter for no")
    virtual.press("soon\r", "E251")
    virtual.press("T", "Enter for no")
    virtual.press("61m\r", "it is 2026-01-01T01:01:00.000Z, ")
    assert virtual.call("a", "add", 0) == 1001
    virtual.typed("state", "save", "then")
    manifest = json.loads((virtual.root / "fixtures" / "state" / "then" / "manifest.json").read_text())
    assert manifest["clock"] == {"now_ms": 1_767_225_600_000 + 61 * 60_000}
    virtual.typed("clock", "advance", "1h")
    assert "it was saved at 2026-01-01T01:01:00.000Z, and it is 2026-01-01T02:01:00.000Z here" in virtual.typed("state", "load", "then").out


def test_kill_9_at_any_moment_of_a_load_leaves_one_of_both(tmp_path: Path) -> None:
    """Also what was acknowledged before it stays: the number and its alarm belong together."""
    running = Terminal(make_project(tmp_path / "project", "python"))
    when = time.time_ns() // 1_000_000 + HOUR_MS
    for name in ("a", "b", "c"):
        running.call(name, "add", 1)
        running.call(name, "later", when)
    assert running.typed("state", "save", "ones").code == 0
    for name in ("a", "b", "c"):
        running.call(name, "add", 1)
        running.call(name, "later", when + 1)
    for delay_s in (0.01, 0.04):
        asking = http.client.HTTPConnection(running.url.removeprefix("http://"))
        asking.request("POST", "/cdn-cgi/emu/api/state/load", json.dumps({"name": "ones"}))
        time.sleep(delay_s)
        running.end()
        asking.close()
        running.start()
        found = {(running.call(name, "add", 0), running.call(name, "when")) for name in ("a", "b", "c")}
        assert found in ({(1, when)}, {(2, when + 1)})
    running.end()


def test_without_a_server_the_files_are_worked_on(tmp_path: Path) -> None:
    root = make_project(tmp_path / "project", "python")
    namespace = Namespace.of("boxes", "Box")
    path = root / ".wrangler" / "state" / "v3" / "do" / "boxes-Box" / f"{namespace.id_from_name('a')}.sqlite"
    path.parent.mkdir(parents=True)

    def set_number(number: int) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("CREATE TABLE IF NOT EXISTS t (n)")
            database.execute("DELETE FROM t")
            database.execute("INSERT INTO t VALUES (?)", (number,))

    set_number(1)
    assert typed(root, "state", "save", "one").out.startswith("saved one: 1 object, ")
    set_number(2)
    assert typed(root, "state", "load", "one", "--json").json["removed"] == 1
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT n FROM t").fetchall() == [(1,)]
    assert (typed(root, "state", "load", "two").code, typed(root, "state", "load", "two").err[:4]) == (2, "E261")
    assert typed(root, "state", "reset", "--yes").code == 0
    assert not path.exists()
    assert typed(root, "state", "list", "one", "--json").json["rows"][0]["id"] == path.stem
    environ = {**os.environ, "_AGENTS_EMU_COMPLETE": "bash_complete", "COMP_WORDS": "agents-emu state load o", "COMP_CWORD": "3"}
    offered = subprocess.run([Path(sys.executable).with_name("agents-emu")], cwd=root, env=environ, capture_output=True, check=False)
    assert offered.stdout == b"plain,one\n"
