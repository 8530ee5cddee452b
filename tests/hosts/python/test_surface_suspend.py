"""run_sync: waiting in synchronous code while the loop goes on, with the optional greenlet."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from emulator.hosts.python.surface import suspend
from emulator.hosts.python.surface.promise import JsPromise

needs_greenlet = pytest.mark.skipif(not suspend.available(), reason="greenlet is not installed")


async def test_no_suspender_outside_a_driven_coroutine():
    with pytest.raises(RuntimeError, match=r"^No suspender$"):
        suspend.run_sync(asyncio.sleep(0))
    assert suspend.can_run_sync() is False


async def test_suspendable_is_transparent():
    async def work(value):
        await asyncio.sleep(0)
        return value

    assert await suspend.suspendable(work(3)) == 3
    with pytest.raises(KeyError):
        await suspend.suspendable(asyncio.wait_for(fail(), 1))


async def fail():
    await asyncio.sleep(0)
    raise KeyError("x")


@needs_greenlet
async def test_two_callers_wait_at_the_same_time():
    order = []
    gates = [JsPromise(), JsPromise()]

    def blocking(number):
        order.append(("begin", number))
        value = suspend.run_sync(gates[number])
        order.append(("end", number))
        return value

    async def entry(number):
        await asyncio.sleep(0)
        assert suspend.can_run_sync()
        return blocking(number)

    tasks = [asyncio.ensure_future(suspend.suspendable(entry(number))) for number in (0, 1)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert order == [("begin", 0), ("begin", 1)]
    gates[1].settle("b")
    gates[0].settle("a")
    assert await asyncio.gather(*tasks) == ["a", "b"]


@needs_greenlet
async def test_exceptions_and_cancellation_reach_the_blocked_code():
    seen = []

    async def entry(awaitable):
        try:
            suspend.run_sync(awaitable)
        except BaseException as error:
            seen.append(type(error).__name__)
            raise

    with pytest.raises(KeyError):
        await suspend.suspendable(entry(fail()))
    task = asyncio.ensure_future(suspend.suspendable(entry(asyncio.sleep(60))))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["KeyError", "CancelledError"]


@needs_greenlet
async def test_context_is_the_callers():
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")
    variable.set(1)

    async def read():
        await asyncio.sleep(0)
        return variable.get()

    async def entry():
        variable.set(2)
        return suspend.run_sync(read()), variable.get()

    assert await suspend.suspendable(entry()) == (2, 2)


@needs_greenlet
async def test_task_factory_covers_tasks_of_user_code():
    loop = asyncio.get_running_loop()
    loop.set_task_factory(suspend.task_factory)
    try:

        async def inner():
            return suspend.run_sync(asyncio.sleep(0, "slept"))

        assert await asyncio.create_task(inner()) == "slept"
    finally:
        loop.set_task_factory(None)
