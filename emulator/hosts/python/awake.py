"""Why an object is not dropped: everything unfinished, each with the line of the user's that began it or stands in it (S-99)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import FrameType
from typing import Any, TypedDict

from emulator.hosts.python.holds import Begun, UserLine, UserLines
from emulator.hosts.python.instance import Instance


class Reason(TypedDict):
    """`where` is `file:line` in the project; `since_ms` is in milliseconds since 1970."""

    what: str
    text: str
    where: str | None
    since_ms: int


def reasons(instance: Instance) -> list[Reason]:
    """What keeps this instance from being dropped, its facets aside; empty when nothing does."""
    lines = instance.lines
    found = [_reason(hold.what, hold.text, lines.place(_line(hold.begun, lines)), hold.since_s) for hold in instance.holds.values()]
    turns = {turn.task: turn for turn in instance.in_flight if turn.task is not None}
    for task, since_s in instance.tasks.items():
        turn = turns.get(task)
        what, text = ("task", _named(task, lines)) if turn is None else ("event", turn.label)
        found.append(_reason(what, text, lines.place(stands_at(task, lines)), since_s))
    running = set(instance.tasks)
    for turn in (*instance.in_flight, *instance.waiting):
        if turn.task not in running:
            found.append(_reason("event", f"{turn.label}, which has to wait", None, turn.since_s))
    return found


def as_text(reason: Reason) -> str:
    """One reason in words: what `evict` answers as `why`."""
    where = f" ({reason['where']})" if reason["where"] else ""
    return f"{reason['what']}: {reason['text']}{where}"


def _line(begun: Begun, lines: UserLines) -> UserLine | None:
    return stands_at(begun, lines) if isinstance(begun, asyncio.Task) else begun


def stands_at(task: asyncio.Task[Any], lines: UserLines) -> UserLine | None:
    """The user's line in which a task waits, the innermost one."""
    innermost: UserLine | None = None
    for frame in _frames(task.get_coro()):
        innermost = lines.of(frame) or innermost
    return innermost


def _named(task: asyncio.Task[Any], lines: UserLines) -> str:
    """The name that the user gave it, else its function's."""
    name = task.get_name()
    # Python 3.12 and 3.13.0 call a nameless task of a loop with a task factory "None".
    if name != "None" and not name.startswith("Task-"):
        return name
    return next((frame.f_code.co_qualname for frame in _frames(task.get_coro()) if lines.is_own(frame.f_code.co_filename)), name)


def _frames(work: Any) -> Iterator[FrameType]:
    """The frames of a suspended coroutine and of what it awaits, outermost first; also where it left its stack (surface/suspend.py)."""
    while work is not None:
        frame = getattr(work, "cr_frame", None) or getattr(work, "gi_frame", None) or getattr(work, "ag_frame", None)
        if frame is None:
            return
        yield frame
        stack = frame.f_locals.get("stack")
        left = getattr(stack, "gr_frame", None)
        if left is not None:
            yield from _left_frames(left)
            return
        work = getattr(work, "cr_await", None) or getattr(work, "gi_yieldfrom", None) or getattr(work, "ag_await", None)


def _left_frames(frame: FrameType | None) -> Iterator[FrameType]:
    """The frames of a stack that was left, outermost first. Where the stack drives a coroutine, that one's frames are not on it."""
    stack: list[FrameType] = []
    while frame is not None:
        stack.append(frame)
        frame = frame.f_back
    for frame in reversed(stack):
        yield frame
        steps = frame.f_locals.get("steps")
        if steps is not None:
            yield from _frames(steps)


def _reason(what: str, text: str, where: str | None, since_s: float) -> Reason:
    return {"what": what, "text": text, "where": where, "since_ms": round(since_s * 1000)}
