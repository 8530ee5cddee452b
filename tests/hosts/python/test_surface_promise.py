"""Promises: eager, awaitable again and again, free when settled, never silent when nobody looks."""

from __future__ import annotations

import asyncio
import contextvars
import gc

import pytest

from emulator.hosts.python.surface.errors import JsException, js_error
from emulator.hosts.python.surface.promise import JsPromise, report_rejections


@pytest.fixture
async def reports():
    found: list[BaseException] = []
    report_rejections(asyncio.get_running_loop(), found.append)
    return found


def steps_of(coroutine):
    """How often a coroutine suspends; -1 for not at all."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return ("done", stop.value)
    coroutine.close()
    return ("suspended", None)


async def test_settled_promises_do_not_yield():
    async def use():
        return await JsPromise.resolved(1) + await JsPromise.from_awaitable(immediately(2))

    assert steps_of(use()) == ("done", 3)


async def immediately(value):
    return value


async def later(value):
    await asyncio.sleep(0)
    return value


async def fail_later(error):
    await asyncio.sleep(0)
    raise error


async def test_work_starts_at_the_call():
    started = []

    async def work():
        started.append(1)
        await asyncio.sleep(0)

    promise = JsPromise.from_awaitable(work())
    assert started == [1]
    await promise


async def test_awaiting_twice_and_by_two():
    promise = JsPromise.from_awaitable(later(7))
    assert await asyncio.gather(asyncio.ensure_future(promise), asyncio.ensure_future(promise)) == [7, 7]
    assert await promise == 7
    failing = JsPromise.from_awaitable(fail_later(ValueError("x")))
    for _ in range(2):
        with pytest.raises(ValueError, match="x"):
            await failing


async def test_cancelling_a_waiter_leaves_the_promise():
    promise = JsPromise()
    waiter = asyncio.ensure_future(promise)
    await asyncio.sleep(0)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    promise.settle(1)
    assert await promise == 1


async def test_a_cancelled_task_is_a_rejection_not_a_cancellation():
    task = asyncio.ensure_future(asyncio.sleep(10))
    promise = JsPromise.from_awaitable(task)
    task.cancel()
    with pytest.raises(JsException, match="AbortError"):
        await promise


async def test_then_catch_finally():
    order = []
    promise = JsPromise.resolved(1).then(lambda value: order.append("then") or value + 1)
    assert order == []  # callbacks never run inside then()
    assert await promise == 2
    assert await JsPromise.rejected(js_error("Error", "no")).catch(lambda error: error.message) == "no"
    assert await JsPromise.resolved(1).then(later) == 1
    assert await JsPromise.resolved(1).finally_(lambda: order.append("finally")) == 1
    with pytest.raises(KeyError):
        await JsPromise.resolved(1).finally_(lambda: {}["x"])
    assert order == ["then", "finally"]


async def test_then_keeps_the_context():
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
    variable.set(1)
    promise = JsPromise.resolved().then(lambda _: variable.get())
    variable.set(2)
    assert await promise == 1


async def test_combinators():
    assert (await JsPromise.all([later(1), 2, JsPromise.resolved(3)])).to_py() == [1, 2, 3]
    assert (await JsPromise.all([])).to_py() == []
    with pytest.raises(ValueError, match="first"):
        await JsPromise.all([fail_later(ValueError("first")), JsPromise()])
    settled = await JsPromise.allSettled([later(1), fail_later(ValueError("x"))])
    assert [item.status for item in settled] == ["fulfilled", "rejected"]
    assert await JsPromise.any([fail_later(ValueError("x")), later(2)]) == 2
    with pytest.raises(JsException, match="AggregateError"):
        await JsPromise.any([fail_later(ValueError("x"))])
    assert await JsPromise.race([JsPromise(), later(3)]) == 3


async def test_executor():
    async def delayed(resolve):
        await asyncio.sleep(0)
        resolve(5)

    promise = JsPromise._js_new(lambda resolve, reject: asyncio.ensure_future(delayed(resolve)))
    assert await promise == 5
    with pytest.raises(JsException, match="not a function"):
        JsPromise._js_new(1)
    parts = JsPromise.withResolvers()
    parts.resolve(later(4))
    assert await parts.promise == 4


async def test_unhandled_rejections_are_reported_once_and_handled_ones_never(reports):
    JsPromise.rejected(js_error("Error", "dropped"))
    JsPromise.from_awaitable(fail_later(ValueError("dropped later")))
    kept = JsPromise.rejected(js_error("Error", "handled"))
    with pytest.raises(JsException):
        await kept
    JsPromise.rejected(js_error("Error", "caught")).catch(lambda error: None)
    quiet = JsPromise.from_awaitable(fail_later(ValueError("quiet")))
    quiet.mark_handled()
    for _ in range(5):
        await asyncio.sleep(0)
    del kept, quiet
    gc.collect()
    assert sorted(str(error) for error in reports) == ["Error: dropped", "dropped later"]


async def test_many_promises_leave_no_tasks():
    for _ in range(100):
        await JsPromise.from_awaitable(later(1))
    assert len(asyncio.all_tasks()) == 1
