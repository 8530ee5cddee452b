"""What user code prints, line by line, with the object it came from (python-workers-surface.md 10.5).

`print` becomes level `log`, stderr and plain logging `error`, as in production; `js.console` keeps its levels.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from emulator.hosts.python.owner import Owner, current_owner
from emulator.hosts.python.surface.values import JsProxy, js_string

Emit = Callable[[str, str, "Owner | None"], None]
"""(level, text, whose code printed it)."""

MAX_LINE = 64 * 1024


class ConsoleStream(io.TextIOBase):
    """Stands in for sys.stdout or sys.stderr."""

    def __init__(self, level: str, emit: Emit) -> None:
        super().__init__()
        self._level = level
        self._emit = emit
        self._parts: dict[Owner | None, str] = {}

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def write(self, text: str) -> int:
        # Lines are kept apart per owner: two objects that print in turns must not end up in one line.
        who = current_owner.get()
        whole = self._parts.pop(who, "") + text
        *lines, rest = whole.split("\n")
        for line in lines:
            self._emit(self._level, line, who)
        if len(rest) > MAX_LINE:
            self._emit(self._level, rest, who)
        elif rest:
            self._parts[who] = rest
        return len(text)

    def flush(self) -> None:
        """Lines leave when they are whole; a flush in the middle of one (a progress bar) does not break it."""

    def close(self) -> None:
        for who, rest in self._parts.items():
            self._emit(self._level, rest, who)
        self._parts.clear()


def console_text(args: tuple[Any, ...]) -> str:
    """The arguments of a `console` call as one line."""
    return " ".join(_shown(arg) for arg in args)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, BaseException):
        return str(getattr(value, "stack", None) or value)
    if isinstance(value, JsProxy):
        plain = value.to_py()
        return js_string(value) if isinstance(plain, JsProxy) else repr(plain)
    return repr(value)
