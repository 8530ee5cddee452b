"""Who holds the session: one at a time, and only while it lives."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from emulator.config import AiMode
from emulator.config.speed import Speed
from emulator.errors import RecordingError, UsageError
from emulator.gateway.ai.cassettes.library import Library
from emulator.gateway.ai.lease import Lease
from emulator.gateway.ai.ledger import Ledger
from emulator.gateway.ai.playback import Playback
from emulator.gateway.ai.recorder.recorder import Summary
from emulator.gateway.ai.replay import Pacer
from emulator.gateway.ai.sessions import Sessions


class Recorder:
    """Remembers what it is told; `fails` is raised by the next end of a session."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.fails: Exception | None = None

    def begin(self, mode: AiMode, cassette: str | None) -> None:
        self.told.append((mode.value, cassette))

    def commit(self, *, prune: bool = False) -> Summary:
        self.told.append("commit, prune" if prune else "commit")
        return Summary()

    def discard(self) -> Summary:
        self.told.append("discard")
        failure, self.fails = self.fails, None
        if failure is not None:
            raise failure
        return Summary(committed=False)

    def close(self) -> None: ...


@dataclass
class Bench:
    playback: Playback
    sessions: Sessions
    recorder: Recorder
    lease: Lease
    told: list[str]

    def begin(self, mode: AiMode = AiMode.RECORD) -> Any:
        return self.lease.hold("ai record -- pytest", lambda: self.sessions.restart(mode=mode, cassette="sea", speed=Speed(4.0)))

    @property
    def state(self) -> tuple[str, str | None, str]:
        return (self.playback.mode.value, self.playback.library.cassette, str(self.playback.pacer.speed))


BEFORE = ("auto", None, "instant")
HELD = ("record", "sea", "4x")


@pytest.fixture
def bench(cassettes: Any) -> Bench:
    playback = Playback(Library([cassettes.root], recheck_ms=0), AiMode.AUTO, Pacer(Speed(None)), ci=False)
    recorder, told = Recorder(), list[str]()
    sessions = Sessions(playback, Ledger(), recorder, environ={})  # type: ignore[arg-type]
    recorder.told.clear()
    return Bench(playback, sessions, recorder, Lease(sessions, playback, told.append, connects_within_s=0.01), told)


@pytest.mark.parametrize(("commit", "prune", "told"), [(True, False, "commit"), (True, True, "commit, prune"), (False, False, "discard")])
async def test_the_holder_ends_its_session(bench: Bench, commit: bool, prune: bool, told: str) -> None:
    token, _ = bench.begin()
    keeping = asyncio.create_task(bench.lease.keep(token))
    await asyncio.sleep(0.03)
    assert (bench.state, bench.recorder.told) == (HELD, ["commit", ("record", "sea")]), "the connection keeps it, longer than the deadline"
    bench.lease.give_back(token, commit=commit, prune=prune)
    assert (bench.state, bench.recorder.told[2:]) == (BEFORE, [told, ("auto", None)])
    assert (await keeping, bench.told, bench.lease.status()) == ("ended", [], None)


async def test_a_second_holder_is_refused(bench: Bench) -> None:
    token, _ = bench.begin()
    with pytest.raises(UsageError, match="busy: ai record -- pytest holds the session since 20") as refused:
        bench.begin()
    assert refused.value.code == "E244" and "--force" in str(refused.value.hint)
    with pytest.raises(UsageError):
        bench.lease.require_free()
    with pytest.raises(UsageError, match="not held any more"):
        bench.lease.give_back("another", commit=True)
    assert (bench.state, "discard" in bench.recorder.told) == (HELD, False)
    bench.lease.give_back(token, commit=True)
    bench.lease.require_free()


async def test_a_holder_that_dies_leaves_nothing(bench: Bench) -> None:
    token, _ = bench.begin()
    keeping = asyncio.create_task(bench.lease.keep(token))
    await asyncio.sleep(0)
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping
    assert (bench.state, bench.recorder.told[2:]) == (BEFORE, ["discard", ("auto", None)])
    assert bench.told == ["ai record -- pytest is gone before its end: what it recorded is thrown away, and the mode is auto again"]
    with pytest.raises(UsageError, match="not held any more"):
        bench.lease.give_back(token, commit=True)


async def test_a_holder_that_never_connects_is_dead(bench: Bench) -> None:
    bench.begin()
    bench.recorder.fails = RecordingError("E508", "the disk is full")
    async with asyncio.timeout(5):
        while bench.lease.status() is not None:
            await asyncio.sleep(0.005)
    assert (bench.state, len(bench.told)) == (BEFORE, 1)
    assert "the disk is full" in bench.told[0]


async def test_a_hold_that_cannot_begin_holds_nothing(bench: Bench) -> None:
    with pytest.raises(UsageError):
        bench.lease.hold("x", lambda: bench.sessions.restart(mode=AiMode.REPLAY, cassette="absent"))
    assert (bench.lease.status(), bench.state) == (None, BEFORE)


async def test_taken_away_by_force(bench: Bench) -> None:
    assert bench.lease.take_away() is None
    token, _ = bench.begin()
    keeping = asyncio.create_task(bench.lease.keep(token))
    await asyncio.sleep(0)
    ended = bench.lease.take_away()
    assert ended is not None and not ended.committed
    assert (bench.state, await keeping) == (BEFORE, "taken away")


async def test_a_server_that_stops_keeps_nothing_of_a_held_session(bench: Bench) -> None:
    bench.begin()
    bench.sessions.end()
    assert bench.recorder.told[-1] == "discard"
