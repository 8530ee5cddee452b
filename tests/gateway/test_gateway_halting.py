"""Processes that are stopped from outside run on when everybody who held them has let go, whatever went wrong meanwhile."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.gateway import child_process
from emulator.gateway.host_process import HostCommand, HostProcess, RuntimeDir


@pytest.fixture
def host(tmp_path: Path) -> Iterator[HostProcess]:
    runtime = RuntimeDir()
    process = HostProcess(HostCommand("python", [sys.executable, "-c", "import time; time.sleep(600)"], tmp_path), runtime)
    yield process
    process.kill()
    process._process.wait()
    runtime.remove()


def stands_still(host: HostProcess) -> bool:
    return Path(f"/proc/{host.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


async def test_it_runs_on_when_all_have_let_go(host: HostProcess) -> None:
    host.hold()  # as a trap does
    assert await host.halt() and await host.halt()
    for _ in range(2):
        host.go_on()
        assert stands_still(host)
    host.go_on()
    assert not stands_still(host)


async def test_it_runs_on_though_nobody_saw_it_stop(host: HostProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.gateway.host_process.END_WITHIN_S", 0.0)
    monkeypatch.setattr(child_process, "is_stopped", lambda process: False)
    assert not await host.halt()
    host.go_on()
    assert not stands_still(host)


async def test_one_that_has_ended_is_not_stopped(host: HostProcess) -> None:
    host.kill()
    host._process.wait()
    assert not await host.halt()
    host.go_on()


async def test_where_the_kernel_is_not_asked_ps_is(host: HostProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "waitid")
    assert not child_process.is_stopped(host._process)
    assert await host.halt()
    host.go_on()
    host.kill()
    await asyncio.to_thread(host._process.wait)
    with pytest.raises(ChildProcessError):
        child_process.is_stopped(host._process)
