"""What keeps an owner awake, and which line of the user's began it.

A hold is made on the hot path, so it remembers a code object and an offset; the line is worked out when somebody asks.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Protocol

from emulator.hosts.python.surface.frames import OURS

type UserLine = tuple[CodeType, int]
"""A line of the user's: its code and the offset of the instruction in it."""

type Begun = UserLine | asyncio.Task[Any] | None
"""Where something began: the line, or the task that waits for it and stands there until it ends, which costs nothing to remember."""

_INSTALLED = ("site-packages", "dist-packages", "python_modules", "node_modules")


class Holding(Protocol):
    """Something unfinished that is no task."""

    @property
    def what(self) -> str:
        """`timer`, `fetch`, `call`, `socket`, `outgoing socket`, `waitUntil`, `stub`, `body` or `alarm`."""

    @property
    def text(self) -> str:
        """What it is, for people."""

    @property
    def begun(self) -> Begun:
        """Where the user's code began it."""

    @property
    def since_s(self) -> float:
        """When, in seconds since 1970 on the clock that user code sees."""


class Hold:
    """What keeps its owner awake until it is released."""

    __slots__ = ("begun", "since_s", "text", "what")

    def __init__(self, what: str, text: str, begun: Begun) -> None:
        self.what = what
        self.text = text
        self.begun = begun
        self.since_s = time.time()


class UserLines:
    """Knows which files are the user's: those in the project's folder that no installer put there."""

    def __init__(self) -> None:
        self._root = ""
        self._own = _Files(self)

    def settle(self, root: Path) -> None:
        """The project is in `root`."""
        self._root = f"{root}{os.sep}"
        self._own.clear()

    def is_own(self, filename: str) -> bool:
        """Whether it is a file of the user's."""
        root = self._root
        if not root or not filename.startswith(root) or filename.startswith(OURS):
            return False
        folders = filename[len(root) :].split(os.sep)[:-1]
        return not any(folder in _INSTALLED or folder.startswith(".venv") for folder in folders)

    def here(self, skip: int = 1) -> UserLine | None:
        """The innermost line of the user's that is running; `skip` frames are known to be none."""
        return self.of(sys._getframe(skip))

    def of(self, frame: FrameType | None) -> UserLine | None:
        """The same, seen from `frame`."""
        own = self._own
        while frame is not None:
            code = frame.f_code
            if own[code.co_filename]:
                return code, frame.f_lasti
            frame = frame.f_back
        return None

    def place(self, line: UserLine | None) -> str | None:
        """`src/chat.py:88`, seen from the project's folder."""
        if line is None:
            return None
        code, offset = line
        number = next((at for start, end, at in code.co_lines() if start <= offset < end and at is not None), code.co_firstlineno)
        return f"{code.co_filename.removeprefix(self._root)}:{number}"


class _Files(dict[str, bool]):
    """Files that were looked at, by name."""

    def __init__(self, lines: UserLines) -> None:
        super().__init__()
        self._lines = lines

    def __missing__(self, filename: str) -> bool:
        found = self[filename] = self._lines.is_own(filename)
        return found
