"""A clock that stands still until it is moved."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.clock.virtual import VirtualClock


def test_timers_fire_by_time_and_then_by_order_of_arming() -> None:
    clock, fired = VirtualClock(1000), []
    for name, when in [("late", 3000), ("b", 2000), ("a", 1500), ("c", 2000), ("past", 0)]:
        clock.call_at(when, lambda name=name: fired.append(name))
    assert clock.next_deadline() == 1000, "what is due already is due now"
    clock.set(2000)
    assert clock.fire_due() == 4
    assert fired == ["past", "a", "b", "c"]
    assert clock.next_deadline() == 3000
    assert clock.fire_due() == 0


def test_a_clock_does_not_go_back() -> None:
    clock = VirtualClock(1000)
    clock.set(1000)
    with pytest.raises(ValueError, match="does not go back"):
        clock.set(999)
    assert clock.now_ms() == 1000


def test_what_a_timer_arms_for_now_waits_for_the_next_call() -> None:
    clock, fired = VirtualClock(0), 0

    def again() -> None:
        nonlocal fired
        fired += 1
        clock.call_at(0, again)

    clock.call_at(0, again)
    assert (clock.fire_due(), clock.fire_due(), fired) == (1, 1, 2)
    assert clock.next_deadline() == 0


def test_one_timer_may_cancel_another_that_is_due_with_it() -> None:
    clock, fired = VirtualClock(0), []
    clock.call_at(5, lambda: (fired.append("first"), second.cancel()))
    second = clock.call_at(5, lambda: fired.append("second"))
    clock.set(5)
    assert clock.fire_due() == 1
    assert fired == ["first"]
    second.cancel()


def test_cancelled_timers_are_no_deadlines_and_do_not_pile_up() -> None:
    clock = VirtualClock(0)
    kept = clock.call_at(10_000, lambda: None, why="kept")
    for _ in range(10_000):
        clock.call_at(50, lambda: None).cancel()
    assert clock.next_deadline() == 10_000
    assert [timer.why for timer in clock.pending()] == ["kept"]
    assert len(clock._timers) < 200
    kept.cancel()
    assert (clock.next_deadline(), clock.pending()) == (None, [])


async def test_sleep_waits_for_the_clock_in_whole_milliseconds() -> None:
    clock = VirtualClock(0)
    sleeper = asyncio.create_task(clock.sleep(0.0101))
    await asyncio.sleep(0)
    assert clock.next_deadline() == 11
    clock.set(10)
    clock.fire_due()
    await asyncio.sleep(0)
    assert not sleeper.done()
    clock.set(11)
    clock.fire_due()
    await asyncio.wait_for(sleeper, 1)


async def test_sleep_of_nothing_is_one_turn_of_the_loop_and_a_cancelled_one_leaves_nothing() -> None:
    clock = VirtualClock(0)
    await asyncio.wait_for(clock.sleep(0), 1)
    sleeper = asyncio.create_task(clock.sleep(1))
    await asyncio.sleep(0)
    sleeper.cancel()
    await asyncio.wait({sleeper})
    assert clock.next_deadline() is None


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=60), st.lists(st.integers(0, 20), max_size=10))
def test_every_timer_fires_once_in_order_or_never(armed: list[tuple[int, bool]], moves: list[int]) -> None:
    clock, fired = VirtualClock(0), []
    for order, (when, cancelled) in enumerate(armed):
        timer = clock.call_at(when, lambda entry=(when, order): fired.append(entry))
        if cancelled:
            timer.cancel()
    for move in moves:
        clock.set(clock.now_ms() + move)
        clock.fire_due()
    expected = sorted((when, order) for order, (when, cancelled) in enumerate(armed) if not cancelled and when <= clock.now_ms())
    assert fired == (expected if moves else [])
