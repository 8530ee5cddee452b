"""Mode check: what is compared in the background, what is kept of it, and that it is waited for."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from emulator.gateway.ai.cassettes.library import Library
from emulator.gateway.ai.checks import Checks
from emulator.gateway.ai.reply import Reply, Source
from emulator.gateway.exchange import Response
from emulator.gateway.failures import NetworkFailure


def answers(value: Any, *, status: int = 200, source: Source = Source.BACKEND) -> Any:
    async def outside() -> Reply:
        if isinstance(value, Exception):
            raise value
        return Reply(Response(status, [("content-type", "application/json")], json.dumps(value).encode()), source)

    return outside


@pytest.fixture
def recording(cassettes: Any) -> Any:
    cassettes.recorded("one", {"prompt": "x"}, {"response": "hello", "usage": {"prompt_tokens": 1}})
    (found,) = Library([cassettes.root], recheck_ms=0).shelf().recordings
    return found


@pytest.mark.parametrize(
    ("outside", "differences", "problem", "compared"),
    [
        (answers({"response": "other words", "usage": {"prompt_tokens": 9}}), None, None, 1),
        (answers({"response": "hello"}), ["removed  $.usage", "removed  $.usage.prompt_tokens"], None, 1),
        (answers({"response": ["hello"], "usage": {"prompt_tokens": 1}}), ["retyped  $.response"], None, 1),
        (answers({}, source=Source.STUB), [], "no backend answers", 0),
        (answers(NetworkFailure.refused("cannot connect", "x")), [], "cannot connect", 0),
    ],
)
async def test_what_is_kept(recording: Any, outside: Any, differences: Any, problem: str | None, compared: int) -> None:
    checks = Checks()
    for _ in range(2):  # a recording that answers twice is one row
        await checks.compare(recording, outside)
    assert checks.compared == compared
    if differences is None:
        assert checks.report() == []
        return
    (row,) = checks.report()
    assert row["recording"] == "default/one"
    told = [words.partition(":")[0] for words in row["differences"]]
    assert [words for words in differences if words not in told] == []
    assert problem is None or problem in row["problem"]
    checks.clear()
    assert (checks.report(), checks.compared) == ([], 0)


async def test_those_that_run_are_waited_for(recording: Any) -> None:
    checks, gate = Checks(), asyncio.Event()

    async def slow() -> Reply:
        await gate.wait()
        return await answers({})()

    running = asyncio.create_task(checks.compare(recording, slow))
    await asyncio.sleep(0)
    assert await checks.settled(0.01) == 1
    asyncio.get_running_loop().call_soon(gate.set)
    assert await checks.settled(10) == 0
    await running
    assert len(checks.report()) == 1
