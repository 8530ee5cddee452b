"""The writer of the alarm index when the file cannot be written: nothing is lost, nobody waits for ever."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from emulator.core.alarms import AlarmKey
from emulator.gateway import alarms as module
from emulator.gateway.alarm_index import AlarmIndex
from emulator.gateway.alarms import Alarms
from emulator.gateway.clocks import SystemClock
from emulator.gateway.journal import Journal

KEY = AlarmKey("Echo", "e" * 64)
FAR_MS = 4_000_000_000_000


class Caller:
    """An `alarm` CALL of a host; `answered` is None for a result, else the error object."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def result(self, value: Any) -> None:
        self.answered.set_result(value)

    def fail(self, error: dict[str, Any]) -> None:
        self.answered.set_result(error)


class Host:
    """The dispatcher with a host that answers `answer` to everything."""

    def __init__(self, answer: Any = None) -> None:
        self.link = object()
        self.on_resume: list[Any] = []
        self.answer = answer

    async def call(self, op: str, **fields: Any) -> Any:
        return self.answer


def make(state: Path, host: Host) -> Alarms:
    clock = SystemClock()
    return Alarms(AlarmIndex(state, "t"), host, clock, Journal(clock), lambda: 0.0)  # type: ignore[arg-type]


def set_alarm(alarms: Alarms, time_ms: int | None, key: AlarmKey = KEY) -> Caller:
    caller = Caller()
    alarms.on_call(caller, {"op": "alarm", "class": key.class_name, "id": key.id, "name": "a", "time_ms": time_ms})  # type: ignore[arg-type]
    return caller


def file(state: Path) -> Path:
    return state / "v3" / "do" / "t-Echo" / "metadata.sqlite"


def stored(state: Path) -> list[int]:
    with closing(sqlite3.connect(file(state))) as database:
        return [time_ns // 1_000_000 for (time_ns,) in database.execute("SELECT scheduled_time FROM _cf_ALARM")]


@contextmanager
def locked(state: Path) -> Iterator[None]:
    with closing(sqlite3.connect(file(state))) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.rollback()


async def test_a_locked_index_is_waited_for(tmp_path: Path) -> None:
    alarms = make(tmp_path, Host())
    assert await set_alarm(alarms, FAR_MS).answered is None
    with locked(tmp_path):
        caller = set_alarm(alarms, FAR_MS + 1)
        other = set_alarm(alarms, FAR_MS, AlarmKey("Other", "f" * 64))
        assert await other.answered is None  # another class's file is free
        assert not caller.answered.done()
    assert await caller.answered is None
    assert stored(tmp_path) == [FAR_MS + 1]
    await alarms.close()


async def test_beyond_the_bound_the_caller_is_told_and_the_change_still_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_WITHIN_S", 0.1)
    alarms = make(tmp_path, Host())
    assert await set_alarm(alarms, FAR_MS).answered is None
    with locked(tmp_path):
        error = await set_alarm(alarms, FAR_MS + 1).answered
        assert "locked" in error["message"]
        assert alarms.unwritten == 1
    assert await set_alarm(alarms, FAR_MS + 2, AlarmKey("Echo", "f" * 64)).answered is None
    assert sorted(stored(tmp_path)) == [FAR_MS + 1, FAR_MS + 2]
    await alarms.close()
    assert alarms.unwritten == 0


async def test_a_file_that_is_no_database_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_WITHIN_S", 0.0)
    file(tmp_path).parent.mkdir(parents=True)
    file(tmp_path).write_bytes(b"this is no database, it is a text that is long enough")
    alarms = make(tmp_path, Host())
    error = await set_alarm(alarms, FAR_MS).answered
    assert "cannot be used" in error["message"]
    file(tmp_path).unlink()
    assert await set_alarm(alarms, FAR_MS + 1).answered is None
    assert stored(tmp_path) == [FAR_MS + 1]
    await alarms.close()


async def test_the_end_does_not_wait_for_a_locked_index(tmp_path: Path) -> None:
    alarms = make(tmp_path, Host())
    assert await set_alarm(alarms, FAR_MS).answered is None
    with locked(tmp_path):
        caller = set_alarm(alarms, FAR_MS + 1)
        await asyncio.wait_for(alarms.close(), 10)
        assert "locked" in (await caller.answered)["message"]
        assert alarms.unwritten == 1


async def test_to_begin_anew_does_not_wait_for_a_locked_index(tmp_path: Path) -> None:
    alarms = make(tmp_path, Host())
    assert await set_alarm(alarms, FAR_MS).answered is None
    with locked(tmp_path):
        set_alarm(alarms, FAR_MS + 1)
        await asyncio.sleep(0)
        await asyncio.wait_for(alarms.restart(), 10)
    assert alarms.unwritten == 0 and list(alarms.book.pending()) == []
    # The files may be others by now.
    assert await set_alarm(alarms, FAR_MS + 2).answered is None
    assert stored(tmp_path) == [FAR_MS + 2]
    await alarms.close()


@pytest.mark.parametrize("answer", [{"outcome": "eaten"}, {}, None, []])
async def test_an_outcome_that_nobody_knows_is_a_failed_run(tmp_path: Path, until: Any, answer: Any) -> None:
    alarms = make(tmp_path, Host(answer))
    await set_alarm(alarms, FAR_MS).answered
    assert alarms.fire(KEY)
    await until(lambda: [(retry, running) for *_, retry, running in alarms.book.pending()] == [(1, False)])
    await alarms.close()
