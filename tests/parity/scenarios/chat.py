"""What the scenarios about chats have in common: a conversation with its tabs, and the moments that they wait for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.chat import MESSAGES, RESPONSE, chunk
from harness.frames import is_type
from playing.stage import Line, Stage

Moment = Callable[[Any], bool]


async def tab(stage: Stage, label: str, agent: str = "chat", **query: str) -> Line:
    """A tab that has read what it got on connect."""
    line = await stage.connect(label, agent, **query)
    await line.fence()
    return line


async def two_tabs(stage: Stage, agent: str = "chat") -> tuple[Line, Line]:
    return await tab(stage, "A", agent), await tab(stage, "B", agent)


def said(delta: str) -> Moment:
    """The answer has come to this piece."""
    return lambda frame: (chunk(frame) or {}).get("delta") == delta


def begun(frame: Any) -> bool:
    """The answer waits for its first permit."""
    return (chunk(frame) or {}).get("type") == "text-start"


def history_of(count: int) -> Moment:
    """The others are told this many messages."""
    return lambda frame: is_type(frame, MESSAGES) and len(frame["messages"]) == count


def replayed(frame: Any) -> bool:
    """The past is told; what comes now is live."""
    return is_type(frame, RESPONSE) and bool(frame.get("replayComplete"))


def finished(frame: Any) -> bool:
    """The end of a request whose id the server made up."""
    return is_type(frame, RESPONSE) and frame["done"] is True
