"""Branches side by side: always in the same order, and time passes when all of them wait."""

from __future__ import annotations

import asyncio

import pytest

from emulator.scenarios.lanes import Lanes


class Clock:
    """Time that passes in steps of 100 ms."""

    is_virtual = True
    start_ms = 0
    next_ms: int | None = None

    def __init__(self) -> None:
        self.now_ms = 0
        self.settled = 0

    async def settle(self) -> None:
        self.settled += 1
        await asyncio.sleep(0)

    async def wait(self, until_ms: int) -> None:
        self.now_ms = min(until_ms, self.now_ms + 100)


async def nothing() -> None:
    return None


def lanes(clock: Clock) -> Lanes:
    return Lanes(clock, nothing, lambda: None)


async def test_a_condition_comes_true_or_not() -> None:
    clock = Clock()
    assert await lanes(clock).until(lambda: clock.now_ms >= 250, 1000)
    assert clock.now_ms == 300
    assert not await lanes(clock).until(lambda: False, 1000)
    assert clock.now_ms == 1000


async def test_branches_take_turns_in_their_order() -> None:
    clock, said = Clock(), []
    one = lanes(clock)

    async def branch(name: str, *times: int) -> None:
        for time in times:
            said.append(f"{name} waits for {time}")
            await one.until(lambda time=time: clock.now_ms >= time, 10_000)
            said.append(f"{name} at {clock.now_ms}")

    await one.together([branch("a", 200, 200, 300), branch("b", 100, 300)])
    assert said == [
        *("a waits for 200", "b waits for 100", "b at 100", "b waits for 300"),
        *("a at 200", "a waits for 200", "a at 200", "a waits for 300"),
        *("a at 300", "b at 300"),
    ]


async def test_branches_within_branches() -> None:
    clock, said = Clock(), []
    one = lanes(clock)

    async def at(time: int) -> None:
        await one.until(lambda: clock.now_ms >= time, 10_000)
        said.append(time)

    await one.together([one.together([at(300), at(100)]), at(200)])
    assert said == [100, 200, 300]


async def test_a_branch_that_fails_ends_all() -> None:
    clock = Clock()
    one = lanes(clock)
    ended = []

    async def waits() -> None:
        try:
            await one.until(lambda: False, 10_000)
        finally:
            ended.append(clock.now_ms)

    async def fails() -> None:
        await one.until(lambda: clock.now_ms >= 100, 10_000)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await one.together([waits(), fails()])
    assert ended == [100]


async def test_a_branch_that_waits_in_vain_goes_on_at_its_time() -> None:
    clock, said = Clock(), []
    one = lanes(clock)

    async def patient(until_ms: int) -> None:
        said.append((await one.until(lambda: False, until_ms), clock.now_ms))

    await one.together([patient(500), patient(200)])
    assert said == [(False, 200), (False, 500)]


async def test_time_passes_until_nobody_waits_for_it() -> None:
    clock = Clock()
    one = lanes(clock)
    clock.next_ms = 5000
    await one.until_idle(1000)
    assert clock.now_ms == 0

    async def passing() -> None:
        clock.next_ms = 400 if clock.now_ms < 400 else None

    await Lanes(clock, passing, lambda: 200 if clock.now_ms < 200 else None).until_idle(1000)
    assert clock.now_ms == 400
