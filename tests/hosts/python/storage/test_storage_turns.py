"""Turns, transactions and dead instances: what the host relies on (durable-objects.md 2.4 to 2.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from emulator.hosts.python.database import CONSTRAINTS_VIOLATED
from emulator.hosts.python.storage import CommitFailed, StorageRevoked
from emulator.hosts.python.surface.errors import JsException


def test_the_first_write_of_a_turn_is_told_once(rig: Any) -> None:
    assert rig.rows("SELECT 1") == [[1]]
    assert (rig.notes.dirty_calls, rig.storage.is_dirty) == (0, False)
    rig.rows("CREATE TABLE t(a)")
    rig.js.put("k", 1)
    assert (rig.notes.dirty_calls, rig.storage.is_dirty) == (1, True)
    rig.storage.commit()
    assert not rig.storage.is_dirty
    rig.js.put("k", 2)
    assert rig.notes.dirty_calls == 2


def test_a_commit_without_writes_does_nothing(rig: Any) -> None:
    rig.storage.commit()
    assert not rig.path.exists()


async def test_reset_before_the_commit_loses_the_turn_and_nothing_else(rig: Any) -> None:  # S-34, S-35
    rig.js.put("kept", 1)
    rig.storage.commit()
    rig.js.put("lost", 1)
    rig.rows("CREATE TABLE lost(a)")
    rig.reopen()
    assert await rig.js.get("kept") == 1
    assert await rig.js.get("lost") is None
    assert rig.rows("SELECT name FROM sqlite_master WHERE name = 'lost'") == []


async def test_a_failed_commit_rolls_everything_back_and_says_why(rig: Any) -> None:  # S-29, S-31
    rig.rows("CREATE TABLE p(id PRIMARY KEY); CREATE TABLE c(p REFERENCES p(id) DEFERRABLE INITIALLY DEFERRED)")
    rig.storage.commit()
    rig.rows("INSERT INTO c VALUES (1)")
    rig.js.put("k", 1)
    rig.js.setAlarm(4_102_444_800_000)
    with pytest.raises(CommitFailed) as failure:
        rig.storage.commit()
    assert str(failure.value) == (
        f"{CONSTRAINTS_VIOLATED}FOREIGN KEY constraint failed: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY)"
    )
    assert rig.notes.alarms == []
    rig.reopen()
    assert rig.rows("SELECT * FROM c") == []
    assert await rig.js.get("k") is None


async def test_sync_ends_with_the_commit_and_never_with_a_failed_one(rig: Any) -> None:
    rig.js.put("k", 1)
    synced = rig.js.sync()
    assert not synced.done
    rig.storage.commit()
    assert synced.done
    assert rig.js.sync().done
    rig.js.put("k", 2)
    lost = rig.js.sync()
    rig.reopen()
    assert not lost.done


def test_a_dead_instance_cannot_touch_storage(rig: Any) -> None:
    rig.js.put("k", 1)
    rig.storage.commit()
    dead = rig.js
    rig.reopen()
    for access in (lambda: dead.get("k"), lambda: dead.sql.exec("SELECT 1"), lambda: dead.kv.put("k", 2), lambda: dead.setAlarm(1)):
        with pytest.raises(StorageRevoked):
            access()
    assert rig.js.kv.get("k") == 1


def test_writes_are_in_the_file_after_the_commit_only(rig: Any, make_rig: Callable[..., Any]) -> None:
    rig.rows("CREATE TABLE t(a)")
    rig.storage.commit()
    reader = make_rig()  # a second handle on the same file sees what is committed
    rig.rows("INSERT INTO t VALUES (1)")
    assert reader.rows("SELECT a FROM t") == []
    rig.storage.commit()
    assert reader.rows("SELECT a FROM t") == [[1]]


class Boom(Exception):
    pass


async def test_transaction_sync_passes_values_and_exceptions_unchanged(rig: Any) -> None:
    rig.rows("CREATE TABLE t(a)")
    marker = object()
    assert rig.js.transactionSync(lambda: marker) is marker

    def fails() -> None:
        rig.rows("INSERT INTO t VALUES (1)")
        raise Boom("mine")

    with pytest.raises(Boom, match="mine"):
        rig.js.transactionSync(fails)
    assert rig.rows("SELECT * FROM t") == []


async def test_transaction_sync_refuses_async_callbacks(rig: Any) -> None:
    async def late() -> None:
        raise AssertionError("never runs")

    def writes_then_waits() -> Any:
        rig.js.kv.put("k", 1)
        return late()

    with pytest.raises(JsException, match="async callback"):
        rig.js.transactionSync(writes_then_waits)
    assert rig.js.kv.get("k") is None


async def test_an_async_transaction_lasts_across_turns_and_rolls_back_as_one(rig: Any) -> None:  # S-39
    rig.js.put("before", 1)  # the turn so far is committed when the transaction begins

    async def fails(txn: Any) -> None:
        await txn.put("inside", 1)
        await asyncio.sleep(0)
        rig.storage.commit()  # the host's end of turn
        await rig.js.setAlarm(4_102_444_800_000)
        raise Boom

    with pytest.raises(Boom):
        await rig.js.transaction(fails)
    assert (await rig.js.get("before"), await rig.js.get("inside")) == (1, None)
    assert rig.notes.alarms == []
    assert not rig.storage.is_dirty


async def test_an_async_transaction_commits_at_its_end(rig: Any, make_rig: Callable[..., Any]) -> None:
    async def works(txn: Any) -> str:
        await txn.put("inside", 1)
        await txn.setAlarm(4_102_444_800_000)
        return "value"

    assert await rig.js.transaction(works) == "value"
    assert rig.notes.alarms == [4_102_444_800_000]
    assert await make_rig().js.get("inside") == 1


async def test_an_async_transaction_that_cannot_commit_means_reset(rig: Any) -> None:
    rig.rows("CREATE TABLE p(id PRIMARY KEY); CREATE TABLE c(p REFERENCES p(id) DEFERRABLE INITIALLY DEFERRED)")

    async def orphan(_txn: Any) -> None:
        rig.rows("INSERT INTO c VALUES (1)")

    with pytest.raises(CommitFailed):
        await rig.js.transaction(orphan)
    assert rig.rows("SELECT * FROM c") == []


async def test_a_reset_ends_open_transactions(rig: Any) -> None:
    entered, never = asyncio.Event(), asyncio.Event()

    async def hangs(txn: Any) -> None:
        await txn.put("inside", 1)
        entered.set()
        await never.wait()

    promise = rig.js.transaction(hangs)
    await entered.wait()
    rig.storage.rollback()
    assert await rig.js.get("inside") is None
    rig.js.put("after", 1)
    rig.storage.commit()
    never.set()  # the dead task's end must not disturb what came after
    await promise
    assert await rig.js.get("after") == 1


async def test_a_statement_that_rolls_the_turn_back_itself(rig: Any) -> None:
    rig.rows("CREATE TABLE t(a UNIQUE)")
    rig.rows("INSERT INTO t VALUES (1)")
    rig.storage.commit()
    rig.js.setAlarm(4_102_444_800_000)
    with pytest.raises(JsException, match="UNIQUE"):
        rig.rows("INSERT OR ROLLBACK INTO t VALUES (1)")
    assert rig.storage.alarm.get() is None
    rig.storage.commit()
    assert rig.notes.alarms == []
    rig.rows("INSERT INTO t VALUES (2)")
    rig.storage.commit()
    assert rig.rows("SELECT a FROM t ORDER BY a") == [[1], [2]]


async def test_delete_all_keeps_the_alarm_before_the_flag(make_rig: Callable[..., Any]) -> None:  # S-63
    rig = make_rig(flags={"delete_all_deletes_alarm": False})
    rig.js.setAlarm(4_102_444_800_000)
    rig.js.put("k", 1)
    await rig.js.deleteAll()
    assert await rig.js.getAlarm() == 4_102_444_800_000
    assert await rig.js.get("k") is None
    assert rig.notes.alarms == [4_102_444_800_000]


async def test_delete_all_is_refused_inside_transaction_sync(rig: Any) -> None:
    with pytest.raises(JsException, match="internal error"):
        await rig.js.transactionSync(lambda: [rig.js.deleteAll()])[0]
