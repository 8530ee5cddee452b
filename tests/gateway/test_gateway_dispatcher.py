"""The mailbox of the dispatcher: what waits for a host, and what does not wait any more."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from emulator.gateway import dispatcher as module
from emulator.gateway.clocks import SystemClock
from emulator.gateway.dispatcher import Dispatcher, NoHost, Overloaded
from emulator.gateway.journal import Journal
from emulator.gateway.sockets import SocketBook


class Link:
    """A link whose calls are answered at once with their operation."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.on_drained: Any = None

    def call(self, op: str) -> asyncio.Future[str]:
        self.calls.append(op)
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        answer.set_result(op)
        return answer


@pytest.fixture
def dispatcher() -> Dispatcher:
    clock = SystemClock()
    return Dispatcher(SocketBook(clock, Journal(clock)))


async def test_who_has_gone_takes_no_place(dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    gone = [asyncio.create_task(dispatcher.call("gone")) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await dispatcher.call("refused")
    for task in gone:
        task.cancel()
    await asyncio.wait(gone)
    waiting = [asyncio.create_task(dispatcher.call(op)) for op in ("a", "b", "c")]
    await asyncio.sleep(0)
    link = Link()
    dispatcher.resume(link)  # type: ignore[arg-type]
    assert await asyncio.gather(*waiting) == ["a", "b", "c"]
    assert link.calls == ["a", "b", "c"]


async def test_a_failure_ends_all_waiting_also_for_who_leaves_at_that_moment(dispatcher: Dispatcher) -> None:
    stays, leaves = (asyncio.create_task(dispatcher.call("x")) for _ in range(2))
    await asyncio.sleep(0)
    dispatcher.fail({"name": "SyntaxError", "message": "m"})
    leaves.cancel()
    results = await asyncio.gather(stays, leaves, return_exceptions=True)
    assert [type(result) for result in results] == [NoHost, asyncio.CancelledError]
