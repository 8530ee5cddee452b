"""Boundaries at which this process could be interrupted, told to the gateway while it asks, and the trap that stops it at one exactly
(wire/README.md, *Turns and points*); and what is told of every turn that ends.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from emulator.hosts.python.instance import Instance
from emulator.hosts.python.owner import Owner
from emulator.wire.frames import Kind
from emulator.wire.link import Link

if TYPE_CHECKING:
    from emulator.hosts.python.instance import Turn
    from emulator.hosts.python.objects import ObjectHandle

LABEL_LIMIT = 80
"""Characters of a frame that a point shows."""

_POINT = int(Kind.POINT)
_NOTHING = "0\n0\n0\n0"


class Points:
    """Counts the points since the gateway asked for them. Who reaches one looks at `on` first: nobody asks, nearly always."""

    def __init__(self, link: Link) -> None:
        self.on = False
        self.resumed: Callable[[], None] | None = None
        """Called when a stopped process goes on: it was not held up by user code."""
        self._link = link
        self._trap: int | None = None
        self._count = 0

    def order(self, on: bool, trap: int | None) -> None:
        """The gateway's note `points`."""
        self.on = on
        self._trap = trap
        self._count = 0

    def of_owner(self, what: str, owner: Owner | None, label: str) -> None:
        """A point of the code of `owner`, which is an object's or the Worker's."""
        self.reached(what, owner.handle if isinstance(owner, Instance) else None, label)

    def reached(self, what: str, handle: ObjectHandle | None, label: str) -> None:
        """Tell it; at the trap, stop here until the gateway continues this process, or kills it."""
        self._count += 1
        who = "\n\n\n" if handle is None else identity(handle)
        self._link.send(_POINT, 0, f"{self._count}\n{what}\n{who}\n{_line(label)}".encode("utf-8", "replace"))
        if self._count == self._trap:
            self._link.flush()
            hand_over(self._link.transport)
            os.kill(os.getpid(), signal.SIGSTOP)
            if self.resumed is not None:
                self.resumed()


def hand_over(transport: Any) -> None:
    """Wait until the kernel has every byte written to `transport`: what is in this process's memory would be lost with it."""
    connection = transport.get_extra_info("socket")
    while transport.get_write_buffer_size():
        select.select((), (connection,), ())
        # What the selector loop would call as soon as the socket can be written.
        transport._write_ready()


def turn_lines(who: str, turn: Turn, now_s: float) -> bytes:
    """The payload of TURN; `who` is `identity` of the object."""
    label = turn.label
    if "\n" in label:
        label = _line(label)
    ms = (now_s - turn.since_s) * 1000
    used = turn.used
    quiet = not (used.statements or used.commits)
    numbers = _NOTHING if quiet else f"{used.commits}\n{used.rows_read}\n{used.rows_written}\n{used.statements}"
    return f"{who}\n{label}\n{ms:.3f}\n{numbers}".encode("utf-8", "replace")


def identity(handle: ObjectHandle) -> str:
    """Class, id, name and generation in lines: of one instance."""
    return f"{handle.class_name}\n{handle.id}\n{_line(handle.name or '')}\n{handle.lifecycle.generation}"


def _line(text: str) -> str:
    return text.replace("\n", " ") if "\n" in text else text
