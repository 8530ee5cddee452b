"""The ready file: complete or absent, and no dead server is found through it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from emulator.gateway import ready
from emulator.gateway.console import Binding
from emulator.gateway.ready import RunningServer

BINDINGS = (Binding("CHAT", "durable_object", "Chat"), Binding("AI", "ai"))


def server(pid: int) -> RunningServer:
    return RunningServer("http://127.0.0.1:8787/", "http://127.0.0.1:8787/cdn-cgi/emu/", pid, ("python",), BINDINGS)


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid


def test_written_and_read_back(tmp_path: Path) -> None:
    path = ready.default_path(tmp_path)
    ready.write(path, server(os.getpid()))
    assert ready.read(path) == server(os.getpid())
    assert json.loads(path.read_text()) == {
        "v": 1,
        "url": "http://127.0.0.1:8787/",
        "inspector": "http://127.0.0.1:8787/cdn-cgi/emu/",
        "pid": os.getpid(),
        "hosts": ["python"],
        "bindings": [{"name": "CHAT", "kind": "durable_object", "class": "Chat"}, {"name": "AI", "kind": "ai"}],
    }
    assert [entry.name for entry in path.parent.iterdir()] == ["dev.json"]


def test_a_dead_server_is_not_found(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    ready.write(path, server(dead_pid()))
    assert ready.read(path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"v": 2}', '{"v": 1}', '{"v": 1, "url": "x", "inspector": null, "pid": "x"}'])
def test_what_we_did_not_write_is_no_server(tmp_path: Path, text: str) -> None:
    path = tmp_path / "dev.json"
    path.write_text(text)
    assert ready.read(path) is None
    ready.remove(path, os.getpid())
    assert path.exists()


@pytest.mark.parametrize("pid", [0, -1])
def test_a_number_that_is_no_process(tmp_path: Path, pid: int) -> None:
    path = tmp_path / "dev.json"
    ready.write(path, server(pid))
    assert ready.read(path) is None


def test_only_our_own_file_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    ready.write(path, server(1))
    ready.remove(path, os.getpid())
    assert path.exists()
    ready.remove(path, 1)
    assert not path.exists()
    ready.remove(path, 1)


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    path.mkdir()
    (path / "full").touch()
    with pytest.raises(OSError):
        ready.write(path, server(1))
    assert [entry.name for entry in tmp_path.iterdir()] == ["dev.json"]
