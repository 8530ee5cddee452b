"""The alarm as storage knows it, and the part of a run the host drives (S-65, S-67, S-68, S-71, S-72)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from emulator.hosts.python.surface.errors import JsException
from emulator.hosts.python.surface.values import jsnull

T1, T2 = 4_102_444_800_000, 4_102_444_900_000


@pytest.fixture
async def armed(rig: Any) -> Any:
    rig.js.setAlarm(T1)
    rig.storage.commit()
    rig.notes.alarms.clear()
    return rig


async def test_the_host_hears_of_the_alarm_at_the_commit_and_only_once(rig: Any) -> None:
    rig.js.setAlarm(T1)
    rig.js.setAlarm(T2)
    assert rig.notes.alarms == []
    rig.storage.commit()
    rig.js.put("k", 1)
    rig.storage.commit()
    assert rig.notes.alarms == [T2]


def test_it_is_stored_in_nanoseconds_where_wrangler_looks(armed: Any) -> None:
    with sqlite3.connect(armed.path) as file:
        assert file.execute("SELECT key, value, typeof(value) FROM _cf_METADATA").fetchall() == [(1, T1 * 1_000_000, "integer")]


async def test_a_rolled_back_alarm_is_not_told(rig: Any) -> None:
    def fails() -> None:
        rig.js.setAlarm(T1)
        raise LookupError

    with pytest.raises(LookupError):
        rig.js.transactionSync(fails)
    rig.storage.commit()
    assert rig.notes.alarms == []


async def test_deleting_what_is_not_there_is_no_write(rig: Any) -> None:
    await rig.js.deleteAlarm()
    assert not rig.storage.is_dirty


async def test_a_run_hides_the_alarm_and_its_end_deletes_it(armed: Any) -> None:
    assert armed.storage.alarm_started(T1)
    assert await armed.js.getAlarm() is jsnull
    assert armed.storage.alarm.stored() == T1  # still in the file: a crash runs it again
    armed.storage.alarm_finished(retry=False)
    armed.storage.commit()
    assert armed.storage.alarm.stored() is None
    assert armed.notes.alarms == [None]


async def test_a_failed_run_shows_the_original_time_until_its_retry(armed: Any) -> None:
    armed.storage.alarm_started(T1)
    armed.storage.alarm_finished(retry=True)
    assert await armed.js.getAlarm() == T1
    assert not armed.storage.is_dirty
    assert armed.storage.alarm_started(T1)


@pytest.mark.parametrize("retry", [True, False])
async def test_a_time_set_during_the_run_stays(armed: Any, retry: bool) -> None:
    armed.storage.alarm_started(T1)
    armed.js.setAlarm(T2)
    assert await armed.js.getAlarm() == T2
    armed.storage.alarm_finished(retry=retry)
    armed.storage.commit()
    assert await armed.js.getAlarm() == T2
    assert armed.notes.alarms == [T2]


async def test_the_same_time_set_again_during_the_run_is_a_new_alarm(armed: Any) -> None:
    armed.storage.alarm_started(T1)
    armed.js.setAlarm(T1)
    armed.storage.alarm_finished(retry=False)
    armed.storage.commit()
    assert armed.notes.alarms == [T1]


async def test_an_alarm_deleted_during_the_run_is_not_retried(armed: Any) -> None:
    armed.storage.alarm_started(T1)
    armed.js.deleteAlarm()
    armed.storage.alarm_finished(retry=True)
    armed.storage.commit()
    assert armed.notes.alarms == [None]
    assert not armed.storage.alarm_started(T1)


async def test_a_set_that_is_rolled_back_leaves_the_run_as_it_was(armed: Any) -> None:
    armed.storage.alarm_started(T1)

    def fails() -> None:
        armed.js.setAlarm(T2)
        raise LookupError

    with pytest.raises(LookupError):
        armed.js.transactionSync(fails)
    assert await armed.js.getAlarm() is jsnull
    armed.storage.alarm_finished(retry=False)
    armed.storage.commit()
    assert armed.storage.alarm.stored() is None


def test_a_time_the_object_does_not_know_is_not_run(armed: Any) -> None:
    assert not armed.storage.alarm_started(T2)
    armed.js.setAlarm(T2)
    armed.storage.commit()
    assert not armed.storage.alarm_started(T1)


async def test_dropping_it_after_the_last_retry(armed: Any) -> None:
    armed.storage.alarm_dropped()
    armed.storage.commit()
    assert await armed.js.getAlarm() is jsnull
    assert armed.notes.alarms == [None]


async def test_delete_all_takes_it_along(armed: Any) -> None:
    await armed.js.deleteAll()
    assert await armed.js.getAlarm() is jsnull
    assert armed.notes.alarms == [None]


async def test_delete_all_is_silent_about_an_alarm_nobody_heard_of(rig: Any) -> None:
    rig.js.setAlarm(T1)  # not committed
    await rig.js.deleteAll()
    rig.storage.commit()
    assert rig.notes.alarms == []
    assert await rig.js.getAlarm() is jsnull


async def test_facets_have_none(make_rig: Callable[..., Any]) -> None:
    facet = make_rig(is_facet=True)
    with pytest.raises(JsException, match=r"Facets currently cannot set alarms\."):
        await facet.js.setAlarm(T1)
    assert await facet.js.getAlarm() is jsnull
