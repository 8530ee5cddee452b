"""What the machine allows: the port, the state folder, and the journal's file."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from emulator.config import load_options, load_project
from emulator.errors import StartError
from emulator.gateway.clocks import SystemClock
from emulator.gateway.journal import Journal
from emulator.gateway.journal import file as journal_module
from emulator.gateway.journal.ring import ENTRIES as RING
from emulator.gateway.main import host_command
from emulator.gateway.ports import holder_of, is_loopback, listen
from emulator.gateway.state_lock import StateLock


@pytest.fixture
def taken() -> Any:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_port_gives_the_next_free_one(taken: int) -> None:
    with listen("127.0.0.1", taken, strict=False) as listener:
        assert taken < listener.getsockname()[1] <= taken + 100


def test_strict_names_the_holder(taken: int) -> None:
    assert holder_of(taken) == (os.getpid(), Path("/proc/self/comm").read_text().strip())
    with pytest.raises(StartError) as caught:
        listen("127.0.0.1", taken, strict=True)
    assert caught.value.code == "E301" and f"process {os.getpid()}" in caught.value.what


def test_the_holder_is_found_behind_a_descriptor_that_closes_meanwhile() -> None:
    """A process that looks for itself lists its descriptors with one that is closed when it looks at it: here it comes first."""
    lower = os.open(os.devnull, os.O_RDONLY)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert lower < listener.fileno()
        os.close(lower)
        holder = holder_of(listener.getsockname()[1])
    assert holder is not None and holder[0] == os.getpid()


@pytest.mark.parametrize("ip", ["203.0.113.1", "no address", "300.1.1.1"])
def test_an_address_that_is_not_ours(ip: str) -> None:
    with pytest.raises(StartError) as caught:
        listen(ip, 0, strict=False)
    assert caught.value.code == "E302"


def test_loopback() -> None:
    assert [is_loopback(ip) for ip in ("127.0.0.1", "127.3.2.1", "::1", "localhost", "0.0.0.0", "::", "192.168.0.1")] == [True] * 4 + [
        False
    ] * 3


def test_the_server_says_which_port_it_took(serve: Any, taken: int) -> None:
    server = serve(port=str(taken))
    assert server.wait_event("port")["text"] == f"port {taken} is taken, using {server.port}"


def test_a_taken_port_is_the_end_when_strict(serve: Any, taken: int) -> None:
    with pytest.raises(AssertionError, match=f"E301 port {taken} is taken by process {os.getpid()}"):
        serve(port=str(taken), strict_port=True)


def test_a_state_folder_has_one_holder(tmp_path: Path) -> None:
    with StateLock(tmp_path) as first:
        assert not first.unclean
        with pytest.raises(StartError) as caught:
            StateLock(tmp_path).__enter__()
        assert caught.value.code == "E321" and f"process {os.getpid()}" in caught.value.what
    with StateLock(tmp_path) as again:
        assert not again.unclean


def test_a_killed_holder_is_noticed(tmp_path: Path) -> None:
    script = (
        "import sys, time, pathlib; from emulator.gateway.state_lock import StateLock;"
        "StateLock(pathlib.Path(sys.argv[1])).__enter__(); print('has it', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(StartError, match=f"process {holder.pid}"):
            StateLock(tmp_path).__enter__()
        holder.send_signal(signal.SIGKILL)
    with StateLock(tmp_path) as lock:
        assert lock.unclean
    with StateLock(tmp_path) as lock:
        assert lock.unclean  # the one before ended without having looked
        lock.settled()
    with StateLock(tmp_path) as lock:
        assert not lock.unclean
        lock.doubted()
    with StateLock(tmp_path) as lock:
        assert lock.unclean


def test_a_live_runtime_of_another_kind_is_refused(tmp_path: Path) -> None:
    """A process that is called workerd and has one of the databases open."""
    database = tmp_path / "v3" / "do" / "t-Echo" / "x.sqlite"
    database.parent.mkdir(parents=True)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE t (x)")
    tail = shutil.which("tail")
    assert tail is not None
    workerd = tmp_path / "workerd"
    shutil.copy(tail, workerd)
    workerd.chmod(0o755)
    with subprocess.Popen([workerd, "-f", database], stdout=subprocess.PIPE) as runtime:
        assert runtime.stdout is not None
        runtime.stdout.read(1)
        try:
            with pytest.raises(StartError) as caught:
                StateLock(tmp_path).__enter__()
            assert caught.value.code == "E322" and f"workerd (process {runtime.pid})" in caught.value.what
        finally:
            runtime.kill()
    with StateLock(tmp_path):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StartError) as caught:
        StateLock(tmp_path / "state").__enter__()
    assert caught.value.code == "E323"


def test_a_state_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("x")
    with pytest.raises(StartError) as caught:
        StateLock(tmp_path / "state").__enter__()
    assert caught.value.code == "E323"


def test_two_servers_on_one_folder(serve: Any, make_project: Any, tmp_path: Path) -> None:
    root = make_project(tmp_path / "project")
    first = serve(root)
    with pytest.raises(AssertionError, match=rf"E321 another agents-emu \(process {first.process.pid}\)"):
        serve(root)


class Silent:
    """A Console that nobody looks at."""

    def show(self, event: Any) -> None: ...


def test_an_environment_of_the_projects_own_gets_our_copies_of_the_sdks(make_project: Any, tmp_path: Path) -> None:
    root = make_project(tmp_path / "project")
    project = load_project(root, config=None, environment=None, env_files=(), variables={}, environ={})
    options, _ = load_options(root, {}, environ={}, cwd=root)
    assert "--fallback-path" not in host_command(project, options, Silent()).arguments  # type: ignore[arg-type]
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (root / ".venv" / "pyvenv.cfg").write_text("version = 3.12.1\n")
    *_, flag, folder = host_command(project, options, Silent()).arguments  # type: ignore[arg-type]
    assert flag == "--fallback-path" and (Path(folder) / "workers").is_dir()


async def test_the_journal_writes_all_and_remembers_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "journal.ndjson"
    journal = Journal(SystemClock(), path)
    read: list[Any] = []
    end = journal.subscribe(read.append)
    for number in range(RING + 50):
        journal.add("x", number=number)
    end()
    journal.add("last", text="\udcff ü")
    assert (len(read), journal.last_seq) == (RING + 50, RING + 51)
    assert [entry["seq"] for entry in journal.since(RING + 48)] == [RING + 49, RING + 50, RING + 51]
    assert len(journal.since(0)) == RING
    assert journal.since(RING + 51) == []
    await asyncio.sleep(0.3)
    assert path.read_text("ascii").count("\n") == RING + 51
    journal.close()
    Journal(SystemClock(), path).close()
    lines = path.with_name("journal.ndjson.1").read_text("ascii").splitlines()
    assert json.loads(lines[0])["number"] == 0 and json.loads(lines[-1])["kind"] == "last"


async def test_the_journals_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "MAX_FILE", 1000)
    path = tmp_path / "journal.ndjson"
    journal = Journal(SystemClock(), path)
    for number in range(7):
        journal.add("x", text="y" * 400, number=number)
        journal.flush()
    journal.close()
    kept = [[json.loads(line)["number"] for line in file.read_text().splitlines()] for file in (path.with_name("journal.ndjson.1"), path)]
    assert kept == [[4, 5], [6]]
    assert sorted(os.listdir(tmp_path)) == ["journal.ndjson", "journal.ndjson.1"]
