"""Scenarios 37 to 41, 49 to 54 and 58: turns of a chat, as two tabs see them."""

from __future__ import annotations

from harness.chat import CLEAR, ask_for_stream, cancel, done, submit, user
from playing.stage import Stage, scenario

from scenarios.chat import begun, history_of, said, tab, two_tabs

HELLO = user("hello", "u1")


@scenario(37, "A chat in which nothing is being said")
async def idle(stage: Stage) -> None:
    a = await tab(stage, "A")
    await a.send(ask_for_stream("p1"))
    await a.receive()
    await stage.history()


@scenario(38, "A turn")
async def turn(stage: Stage) -> None:
    a, b = await two_tabs(stage)
    await a.send(submit("req1", [HELLO], k=2))
    for line in (a, b):
        await line.until(done("req1"))
        await line.fence()
    await stage.history()


@scenario(39, "A plain text response")
async def plain_text(stage: Stage) -> None:
    a, b = await two_tabs(stage)
    await a.send(submit("req1", [HELLO], script="text", k=2))
    await a.until(done("req1"))
    await b.until(done("req1"))
    await stage.history()


@scenario(40, "onChatMessage returns nothing, then throws")
async def no_answer(stage: Stage) -> None:
    a, b = await two_tabs(stage)
    await a.send(submit("req1", [HELLO], script="nothing"))
    await a.until(done("req1"))
    await b.until(done("req1"))
    await a.send(submit("req2", [HELLO, user("again", "u2")], script="throw"))
    await b.until(history_of(2))
    await a.send(submit("req3", [HELLO, user("again", "u2"), user("and again", "u3")], k=1))  # it comes after the turn that throws
    await a.until(done("req3"))
    await b.until(done("req3"))


@scenario(41, "The stream holds an error chunk")
async def error_chunk(stage: Stage) -> None:
    a, b = await two_tabs(stage)
    await a.send(submit("req1", [HELLO], script="error", k=1))
    await a.until(done("req1"))
    await b.until(done("req1"))
    await stage.history()


@scenario(49, "Cancel in mid answer")
async def cancelled(stage: Stage) -> None:
    a, b = await two_tabs(stage)
    await a.send(submit("req1", [HELLO], k=3, gated=True))
    await stage.release(1)
    await a.until(said("d0 "))
    await b.until(said("d0 "))
    await a.send(cancel("req1"))
    await a.until(done("req1"))
    await b.until(done("req1"))
    await a.send(cancel("nobody"))
    await a.fence()
    await stage.history()


@scenario(50, "Two submits back to back")
async def queued(stage: Stage) -> None:
    a, b = await two_tabs(stage)
    await a.send(submit("req1", [HELLO], k=1, gated=True))
    await a.until(begun)
    await a.send(submit("req2", [HELLO, user("two", "u2")], k=1, gated=True))
    await b.until(history_of(2))
    await a.fence()
    await b.fence()
    await stage.release(4)
    for line in (a, b):
        await line.until(done("req2"))
    await stage.history()


@scenario(51, "The drop policy")
async def dropped(stage: Stage) -> None:
    a, b = await two_tabs(stage, "drop-chat")
    await a.send(submit("req1", [HELLO], k=1, gated=True))
    await a.until(begun)
    await b.until(begun)
    await b.send(submit("req2", [HELLO, user("two", "u2")], k=1))
    await b.until(done("req2"))
    await a.fence()
    await stage.release(2, "drop-chat")
    await a.until(done("req1"))
    await b.until(done("req1"))


@scenario(52, "The latest policy, three submits")
async def overtaken(stage: Stage) -> None:
    a, b = await two_tabs(stage, "latest-chat")
    messages = [user(f"m{number}", f"u{number}") for number in range(3)]
    await a.send(submit("req0", messages[:1], k=1, gated=True))
    await a.until(begun)
    for number in (1, 2):
        await a.send(submit(f"req{number}", messages[: number + 1], k=1))
    await b.until(history_of(3))
    await a.fence()
    await b.fence()
    await stage.release(2, "latest-chat")
    await a.until(done("req2"))
    await b.until(done("req2"))
    await stage.history("latest-chat")


@scenario(53, "Regenerate")
async def regenerated(stage: Stage) -> None:
    a, b = await two_tabs(stage)
    await a.send(submit("req1", [HELLO], k=1))
    await a.until(done("req1"))
    await a.send(submit("req2", [HELLO], trigger="regenerate-message", k=2))
    await a.until(done("req2"))
    await b.until(done("req2"))
    await stage.history()


@scenario(54, "Clear when nothing is being said")
async def cleared(stage: Stage) -> None:
    a, b = await two_tabs(stage)
    await a.send(submit("req1", [HELLO], k=1))
    await a.until(done("req1"))
    await a.send({"type": CLEAR})
    await a.fence()
    await b.fence()
    await stage.history()


@scenario(58, "A turn that the server starts")
async def started_by_the_server(stage: Stage) -> None:
    a, b = await two_tabs(stage)
    await a.call("ask", "are you there?")
    await b.fence()
    await stage.history()
