"""Requests that a session got no recording of: the old ones stay, whatever happened to the new answer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from emulator.config import AiMode
from emulator.config.speed import Speed
from emulator.gateway.ai.calls import Call
from emulator.gateway.ai.cassettes.library import Library
from emulator.gateway.ai.checks import Checks
from emulator.gateway.ai.faults.book import FaultBook
from emulator.gateway.ai.playback import Playback
from emulator.gateway.ai.replay import Pacer
from emulator.gateway.ai.reply import Reply, Source
from emulator.gateway.ai.upstream import Upstream
from emulator.gateway.exchange import Response
from emulator.gateway.failures import NetworkFailure

from .recording_tape import SSE, Tape, asked, record, said


@pytest.fixture
def tape(tmp_path: Path) -> Tape:
    return Tape(tmp_path / "fixtures")


async def broken(tape: Tape) -> None:
    with pytest.raises(ConnectionResetError):
        [chunk async for chunk in tape.tap(asked("one"), tape.reply([b"{"], SSE, failure=ConnectionResetError())).response.body]


async def left(tape: Tape) -> None:
    body = tape.tap(asked("one"), tape.reply([b"data: 1\n\n", b"data: 2\n\n"], SSE)).response.body
    await anext(body)
    await body.aclose()


async def in_an_unknown_coding(tape: Tape) -> None:
    await tape.hear(asked("one"), b"\x28\xb5", [("content-encoding", "zstd")])


async def of_our_own(tape: Tape) -> None:
    tape.tap(asked("one"), Reply(Response(403, [], b"{}"), Source.NONE))


async def unfinished(tape: Tape) -> None:
    body = tape.tap(asked("one"), tape.reply([b"data: 1\n\n", b"data: 2\n\n"], SSE)).response.body
    await anext(body)


async def unheard(tape: Tape) -> None:
    with pytest.raises(ConnectionRefusedError), tape.recorder.asking(asked("one"), "default"):
        raise ConnectionRefusedError("refused")


async def on_a_full_disk(tape: Tape) -> None:
    body = tape.tap(asked("one"), tape.reply([b"{}"], SSE)).response.body
    body._spool.failure = OSError(28, "No space left on device")
    assert [chunk async for chunk in body] == [b"{}"]
    await asyncio.sleep(0)


async def given_up(tape: Tape) -> None:
    with pytest.raises(asyncio.CancelledError), tape.recorder.asking(asked("one"), "default"):
        raise asyncio.CancelledError
    assert "CancelledError" in str(tape.recorder._in_vain.of("default"))


IN_VAIN = [broken, left, in_an_unknown_coding, of_our_own, unfinished, unheard, given_up, on_a_full_disk]


@pytest.mark.parametrize("prune", [False, True])
@pytest.mark.parametrize("ask", IN_VAIN)
async def test_what_was_asked_in_vain_keeps_its_old_recording(tape, ask, prune):
    await record(tape, "one", "two")
    (one,) = (recording.file for recording in tape.recordings() if recording.request.body["messages"][0]["content"] == "one")
    tape.recorder.begin(AiMode.RECORD)
    await tape.hear(asked("two"), b'{"response":"b"}')
    await ask(tape)
    summary = tape.recorder.commit(prune=prune)
    assert said(tape) == {"one": ["a"], "two": ["b"]}
    assert list(summary.spared) == [one] and summary.spared[one] and summary.removed == [] and summary.not_asked == []


async def test_a_sequence_of_which_one_answer_broke_off_stays_as_it_was(tape):
    await record(tape, "one", "one")
    tape.recorder.begin(AiMode.RECORD)
    await tape.hear(asked("one"), b'{"response":"b"}')
    await broken(tape)
    assert len(tape.recorder.commit(prune=True).spared) == 2
    assert said(tape) == {"one": ["a", "a"]}


async def test_an_answer_that_came_at_the_second_attempt_replaces_the_old_one(tape):
    await record(tape, "one")
    tape.recorder.begin(AiMode.RECORD)
    await broken(tape)
    await tape.hear(asked("one"), b'{"response":"b"}')
    summary = tape.recorder.commit()
    assert said(tape) == {"one": ["b"]} and summary.spared == {}


@pytest.mark.parametrize("fault", [False, True])
async def test_a_server_that_cannot_be_reached_and_a_fault_take_no_recording_away(tape, fault):
    await record(tape, "one", "two")
    tape.recorder.begin(AiMode.RECORD)
    playback = Playback(Library([tape.root], recheck_ms=0), AiMode.RECORD, Pacer(Speed.parse("instant")), ci=False)
    faults = FaultBook(1, [])
    if fault:
        faults.add({"do": {"status": 500}})
    upstream = Upstream(playback, tape.recorder, faults, Checks())

    async def unreachable() -> Reply:
        raise NetworkFailure.refused("cannot connect", "x")

    call = Call(asked("one"), 0.0, "r")
    if fault:
        assert (await upstream.answer(call, call.request, unreachable)).source is Source.FAULT
    else:
        with pytest.raises(NetworkFailure):
            await upstream.answer(call, call.request, unreachable)
    await tape.hear(asked("two"), b'{"response":"b"}')
    (why,) = tape.recorder.commit(prune=True).spared.values()
    assert ("fault" in why, "cannot connect" in why) == (fault, not fault)
    assert said(tape) == {"one": ["a"], "two": ["b"]}
