"""Scenarios 42 to 48, 69 and 70: tabs that come late, or come back."""

from __future__ import annotations

from harness.chat import MESSAGES, RESUME_NONE, RESUMING, ask_for_stream, done, submit, take_stream, user
from harness.frames import is_type
from playing.stage import Line, Stage, scenario

from scenarios.chat import begun, replayed, said, tab, two_tabs

HELLO = user("hello", "u1")


async def resume(line: Line, probe: str) -> None:
    """Ask for a stream, and take the one that is offered."""
    await line.send(ask_for_stream(probe))
    offer = (await line.until(lambda frame: is_type(frame, RESUMING) and frame.get("probeId") == probe))[-1]
    await line.send(take_stream(offer["id"]))


@scenario(42, "Reconnect after a stream that ended in an error")
async def after_an_error(stage: Stage) -> None:
    a, b = await two_tabs(stage)
    await a.send(submit("req1", [HELLO], script="error", k=1))
    await a.until(done("req1"))
    await b.goes()
    c = await tab(stage, "C")
    await resume(c, "p1")
    await c.until(done("req1"))
    await c.fence()


@scenario(43, "A tab joins in mid answer")
async def joined(stage: Stage) -> None:
    a = await tab(stage, "A")
    await a.send(submit("req1", [HELLO], k=4, gated=True))
    await stage.release(2)
    await a.until(said("d1 "))
    c = await tab(stage, "C")
    await stage.release(1)
    await a.until(said("d2 "))
    await c.fence()
    await resume(c, "p2")
    await c.until(replayed)
    await stage.release(2)
    await a.until(done("req1"))
    await c.until(done("req1"))


@scenario(44, "The sender is lost in mid answer and returns with its id")
async def sender_returns(stage: Stage) -> None:
    a, b = await two_tabs(stage)
    await a.send(submit("req1", [HELLO], k=3, gated=True))
    await stage.release(1)
    await a.until(said("d0 "))
    a.vanishes()
    again = await tab(stage, "A")
    await resume(again, "p1")
    await again.until(replayed)
    await stage.release(3)
    await again.until(done("req1"))
    await b.until(done("req1"))
    await again.fence()


@scenario(45, "The sender leaves in mid answer and returns after its end")
async def sender_returns_late(stage: Stage) -> None:
    a, b = await two_tabs(stage)
    await a.send(submit("req1", [HELLO], k=2, gated=True))
    await a.until(begun)
    await a.goes()
    await stage.release(3)
    await b.until(done("req1"))
    again = await tab(stage, "A")
    await again.send(ask_for_stream("p1"))
    await again.receive()
    await stage.history()


@scenario(46, "Acknowledging what has ended, and what never was")
async def late_acknowledgement(stage: Stage) -> None:
    a = await tab(stage, "A")
    await a.send(submit("req1", [HELLO], k=1))
    await a.until(done("req1"))
    for id in ("req1", "nobody"):
        await a.send(take_stream(id))
        await a.receive()


async def parked(stage: Stage, script: str) -> tuple[Line, Line, Line]:
    """A's turn has been accepted and says nothing yet. C has come since; A and B are there from the start."""
    a, b = await two_tabs(stage)
    await a.send(submit("req1", [HELLO], k=1, script=script, gated=script != "slow"))
    await b.until(lambda frame: is_type(frame, MESSAGES))
    await stage.thinking()
    return a, b, await tab(stage, "C")


@scenario(47, "A tab joins before the first chunk")
async def joined_early(stage: Stage) -> None:
    a, _, c = await parked(stage, "slow")
    await c.send(ask_for_stream("p1"))
    await c.receive()
    await stage.release(1)
    await c.until(lambda frame: is_type(frame, RESUMING))
    await a.until(done("req1"))
    await c.send(take_stream("req1"))
    await c.until(done("req1"))
    await c.fence()


@scenario(48, "A tab joins in mid answer and never acknowledges")
async def never_acknowledged(stage: Stage) -> None:
    a = await tab(stage, "A")
    await a.send(submit("req1", [HELLO], k=2, gated=True))
    await a.until(begun)
    c = await tab(stage, "C")
    await stage.release(3)
    await a.until(done("req1"))
    await c.until(done("req1"))
    await c.fence()


@scenario(69, "A tab waits for a turn that ends without streaming")
async def nothing_after_all(stage: Stage) -> None:
    a, b, c = await parked(stage, "nothing")
    await c.send(ask_for_stream("p1"))
    await c.receive()
    await stage.release(1)
    await c.until(lambda frame: is_type(frame, RESUME_NONE))
    await a.until(done("req1"))
    await b.until(done("req1"))
    await c.fence()


@scenario(70, "A tab waits for a turn that throws")
async def thrown_after_all(stage: Stage) -> None:
    a, _, c = await parked(stage, "throw")
    await c.send(ask_for_stream("p1"))
    await c.receive()
    await stage.release(1)
    await c.until(lambda frame: is_type(frame, RESUME_NONE))
    await c.fence()
    await a.fence()
