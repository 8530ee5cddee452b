"""Scenarios 55 to 57, 67 and 68: a tool that the client runs, an approval, and how the answer goes on."""

from __future__ import annotations

from typing import Any

from harness.chat import PENDING, RESUMING, ask_for_stream, done, submit, take_stream, user
from harness.frames import is_type
from playing.stage import Line, Stage, scenario

from scenarios.chat import begun, finished, replayed, tab, two_tabs

HELLO = user("hello", "u1")
# The model thinks before it goes on: so that who asks for the stream does it before there is one, however slow the machine.
GOES_ON = {"k": 2, "gated": True, "script": "slow"}


def tool_result(output: Any, *, go_on: bool = True) -> dict[str, Any]:
    frame = {"type": "cf_agent_tool_result", "toolCallId": "call1", "toolName": "whereAmI", "output": output}
    return frame | ({"autoContinue": True} if go_on else {})


async def asked_for_a_tool(stage: Stage, script: str = "tool") -> tuple[Line, Line]:
    """Both tabs have seen the turn that ends with the call of a tool."""
    a, b = await two_tabs(stage)
    await a.send(submit("req1", [HELLO], script=script, then=GOES_ON))
    await a.until(done("req1"))
    await b.until(done("req1"))
    return a, b


async def going_on(stage: Stage) -> tuple[Line, Line, str]:
    """A has given the result, taken up the continuation and heard its past; its id."""
    a, b = await asked_for_a_tool(stage)
    await a.send(tool_result("here"))
    await a.send(ask_for_stream("p1"))
    await a.until(lambda frame: is_type(frame, PENDING))
    await stage.thinking()
    await stage.release(1)
    id = (await a.until(lambda frame: is_type(frame, RESUMING)))[-1]["id"]
    await b.until(begun)
    await a.send(take_stream(id))
    await a.until(replayed)
    return a, b, id


@scenario(55, "A tool's result, and the answer goes on")
async def result(stage: Stage) -> None:
    a, b, _ = await going_on(stage)
    await stage.release(3)
    await a.until(finished)
    await b.until(finished)
    await a.fence()
    await stage.history()


@scenario(56, "A second, different result of the same call")
async def second_result(stage: Stage) -> None:
    a, b = await asked_for_a_tool(stage)
    await a.send(tool_result("here", go_on=False))
    await a.until(lambda frame: is_type(frame, "cf_agent_message_updated"))
    await a.send(tool_result("there", go_on=False))
    await a.fence()
    await b.fence()
    await stage.history()


@scenario(57, "An approval is denied")
async def denied(stage: Stage) -> None:
    a, b = await asked_for_a_tool(stage, "approval")
    await a.send({"type": "cf_agent_tool_approval", "toolCallId": "call1", "approved": False})
    await a.until(lambda frame: is_type(frame, "cf_agent_message_updated"))
    await b.fence()
    await stage.history()


@scenario(57, "An approval is given")
async def approved(stage: Stage) -> None:
    a, b = await asked_for_a_tool(stage, "approval")
    await a.send({"type": "cf_agent_tool_approval", "toolCallId": "call1", "approved": True})
    await a.until(lambda frame: is_type(frame, "cf_agent_message_updated"))
    await b.fence()
    await stage.history()


@scenario(67, "A continuation of A's, and B asks for it")
async def owned(stage: Stage) -> None:
    a, b, _ = await going_on(stage)
    await b.send(ask_for_stream("p2"))
    await b.fence()
    await stage.release(3)
    await a.until(finished)
    await b.until(finished)


@scenario(68, "A continuation of A's, and C connects in the middle")
async def owned_and_joined(stage: Stage) -> None:
    a, _, id = await going_on(stage)
    c = await tab(stage, "C")
    await c.send(ask_for_stream("p3"))
    await c.fence()
    await c.send(take_stream(id))
    await c.until(replayed)
    await stage.release(3)
    await a.until(finished)
    await c.until(finished)
