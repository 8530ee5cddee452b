"""The loop that knows when nothing is left to do."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from emulator.clock.idle_loop import IdleLoop


def run(main: Callable[[IdleLoop], Coroutine[Any, Any, Any]]) -> Any:
    async def bounded() -> Any:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, IdleLoop)
        async with asyncio.timeout(5):
            return await main(loop)

    with asyncio.Runner(loop_factory=IdleLoop) as runner:
        return runner.run(bounded())


def test_idle_comes_after_everything_runnable() -> None:
    async def main(loop: IdleLoop) -> None:
        turns = 0

        async def work() -> None:
            nonlocal turns
            for _ in range(50):
                await asyncio.sleep(0)
                turns += 1

        working = asyncio.create_task(work())
        await loop.idle()
        assert (turns, working.done()) == (50, True)

    run(main)


def test_idle_comes_after_what_the_kernel_has_for_us() -> None:
    async def main(loop: IdleLoop) -> None:
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        reading = asyncio.create_task(reader.readexactly(5))
        await loop.idle()
        assert not reading.done()
        theirs.sendall(b"hello")
        await loop.idle()
        assert reading.done()
        assert reading.result() == b"hello"
        writer.close()
        theirs.close()

    run(main)


def test_a_job_in_a_thread_is_waited_for() -> None:
    async def main(loop: IdleLoop) -> None:
        go = threading.Event()
        job = loop.run_in_executor(None, go.wait)
        idle = asyncio.ensure_future(loop.idle())
        await asyncio.sleep(0.02)
        assert not idle.done()
        assert loop.external_work() == ["Event.wait"]
        go.set()
        await idle
        assert job.done()
        assert loop.external_work() == []

    run(main)


def test_marked_work_is_waited_for_and_named() -> None:
    async def main(loop: IdleLoop) -> None:
        end = asyncio.Event()

        async def ask() -> None:
            with loop.external("POST https://model"):
                await end.wait()

        asking = asyncio.create_task(ask())
        idle = asyncio.ensure_future(loop.idle())
        await asyncio.sleep(0.02)
        assert (idle.done(), loop.external_work()) == (False, ["POST https://model"])
        end.set()
        await idle
        assert asking.done()

    run(main)


def test_a_timer_of_the_real_clock_is_not_waited_for_unless_it_is_due() -> None:
    async def main(loop: IdleLoop) -> None:
        fired = []
        loop.call_later(60, fired.append, "late")
        loop.call_later(0, fired.append, "due")
        await loop.idle()
        assert fired == ["due"]

    run(main)


def test_several_may_wait_and_one_may_give_up() -> None:
    async def main(loop: IdleLoop) -> None:
        with loop.external("work"):
            waiting = [asyncio.ensure_future(loop.idle()) for _ in range(3)]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await loop.idle()
            assert not any(one.done() for one in waiting)
        await asyncio.gather(*waiting)

    run(main)


def test_a_loop_that_is_not_asked_runs_as_asyncio_has_it() -> None:
    async def main(loop: IdleLoop) -> None:
        assert loop._selector is loop._plain
        await loop.idle()
        await asyncio.sleep(0.01)
        assert loop._selector is loop._plain

    run(main)
