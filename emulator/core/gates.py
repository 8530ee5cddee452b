"""The input gate: which events and continuations of an object may run now (durable-objects.md 2.1 to 2.3).

`blockConcurrencyWhile` and async transactions are *critical sections*. While one is active nothing else of the object runs: no new
event, no timer, no answer to an earlier request; only what the section itself started. Sections nest, and siblings wait for each other
in order. SQL and KV never close this gate, because here they answer at once.

Pure: the gate keeps callbacks and calls them when their turn comes; who schedules them, and on which loop, is the caller's business.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

MAX_DEPTH = 64
"""Nested sections that work; the 65th fails (S-25)."""

Callback = Callable[[], None]


class TooDeep(Exception):
    """The text is the platform's."""

    def __init__(self) -> None:
        super().__init__("blockConcurrencyWhile() calls are nested too deeply.")


class Section:
    """One critical section, or the root that all ordinary events run in."""

    __slots__ = ("children", "depth", "ended", "parent", "waiting")

    def __init__(self, parent: Section | None) -> None:
        self.parent = parent
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.children: deque[tuple[Section, Callback]] = deque()
        self.waiting: deque[Callback] = deque()
        self.ended = False


class InputGate:
    """The gate of one instance."""

    __slots__ = ("root",)

    def __init__(self) -> None:
        self.root = Section(None)

    @property
    def is_open(self) -> bool:
        """Whether ordinary events may run."""
        return not self.root.children

    def enter(self, parent: Section, start: Callback) -> tuple[Section, bool]:
        """Open a section inside `parent`. The second value is True when it is the active one at once; else `start` is among the
        callbacks a later `leave` returns. The gate is closed for everybody else as soon as this returns. Raises TooDeep.
        """
        parent = _living(parent)
        if parent.depth >= MAX_DEPTH:
            raise TooDeep
        section = Section(parent)
        parent.children.append((section, start))
        return section, len(parent.children) == 1

    def leave(self, section: Section) -> list[Callback]:
        """A section's callback has ended. Returns what may run now, in order: the next section's start, or all that had waited.

        A section whose own inner sections still run stays closed until the last of them has left.
        """
        section.ended = True
        parent = section.parent
        if section.children or parent is None:
            return []
        assert parent.children[0][0] is section, "only the active section can leave"
        parent.children.popleft()
        # What still waits for the ended section now waits with its parent, ahead of later arrivals.
        parent.waiting.extendleft(reversed(section.waiting))
        section.waiting.clear()
        if parent.children:
            return [parent.children[0][1]]
        if parent.ended:
            return self.leave(parent)
        freed = list(parent.waiting)
        parent.waiting.clear()
        return freed

    def pass_or_wait(self, section: Section, callback: Callback) -> bool:
        """True when code of `section` may run now (the caller runs it); else the callback is kept until it may."""
        section = _living(section)
        if _admits(section):
            return True
        section.waiting.append(callback)
        return False


def _admits(section: Section) -> bool:
    """No section is active inside it, and it is itself the active one all the way up."""
    if section.children:
        return False
    while section.parent is not None:
        if section.parent.children[0][0] is not section:
            return False
        section = section.parent
    return True


def _living(section: Section) -> Section:
    """The section itself, or the nearest ancestor that has not ended: what an ended one left running counts as its parent's."""
    while section.parent is not None and section.ended and not section.children:
        section = section.parent
    return section
