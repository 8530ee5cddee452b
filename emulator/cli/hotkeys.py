"""Single keys on a terminal, without Enter, while the server runs.

The terminal is switched to unbuffered input without echo; Ctrl-C and Ctrl-Z keep their meaning. It is switched back by `stop`, which
also runs at interpreter exit, and the switch is made again when a suspended process is continued.
"""

from __future__ import annotations

import atexit
import os
import re
import signal
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TextIO

try:
    import termios
except ImportError:  # a platform without POSIX terminals has no hotkeys
    termios = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

_ESCAPE_SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|.)?")
"""An arrow or function key: it means nothing here, though it ends in a letter."""

_LOCAL_MODES, _CONTROL_CHARACTERS = 3, 6


class Hotkeys:
    """Keys of `stdin`. `available` is false without a terminal, in the background, with CI or EMU_NO_KEYS set."""

    def __init__(self, stdin: TextIO | None, environ: Mapping[str, str]) -> None:
        self._descriptor = _foreground_terminal(stdin)
        self._wanted = not environ.get("EMU_NO_KEYS") and environ.get("CI", "").lower() in ("", "0", "false")
        self._saved: list[Any] | None = None
        self._loop: AbstractEventLoop | None = None

    @property
    def available(self) -> bool:
        """Whether there is a keyboard to listen to."""
        return self._wanted and self._descriptor is not None

    def start(self, loop: AbstractEventLoop, on_key: Callable[[str], None]) -> None:
        """Call back for each key from now on. Does nothing when no keyboard is available."""
        if not self.available or self._descriptor is None:
            return
        descriptor = self._descriptor
        self._saved = termios.tcgetattr(descriptor)
        self._loop = loop
        atexit.register(self.stop)
        self._switch()
        loop.add_signal_handler(signal.SIGCONT, self._switch)

        def read() -> None:
            try:
                typed = os.read(descriptor, 64)
            except OSError:
                typed = b""
            if not typed:  # the terminal is gone
                loop.remove_reader(descriptor)
            # Escape alone is a key; with more behind it, it is the beginning of another one.
            keys = typed if typed == b"\x1b" else _ESCAPE_SEQUENCE.sub(b"", typed)
            for key in keys.decode("ascii", "ignore"):
                on_key(key)

        loop.add_reader(descriptor, read)

    def stop(self) -> None:
        """Give the terminal back as it was. May be called twice, and after the loop was closed."""
        if self._saved is None or self._descriptor is None or self._loop is None:
            return
        if not self._loop.is_closed():
            self._loop.remove_reader(self._descriptor)
            self._loop.remove_signal_handler(signal.SIGCONT)
        _set_modes(self._descriptor, self._saved)
        self._saved = None
        atexit.unregister(self.stop)

    def _switch(self) -> None:
        if self._saved is None or self._descriptor is None or not _in_foreground(self._descriptor):
            return
        modes = [*self._saved]
        modes[_LOCAL_MODES] &= ~(termios.ICANON | termios.ECHO)
        modes[_CONTROL_CHARACTERS] = [*modes[_CONTROL_CHARACTERS]]
        modes[_CONTROL_CHARACTERS][termios.VMIN], modes[_CONTROL_CHARACTERS][termios.VTIME] = 1, 0
        _set_modes(self._descriptor, modes)


def _foreground_terminal(stdin: TextIO | None) -> int | None:
    if termios is None or stdin is None or stdin.closed or not stdin.isatty():
        return None
    descriptor = stdin.fileno()
    return descriptor if _in_foreground(descriptor) else None


def _in_foreground(descriptor: int) -> bool:
    """A background process that changes the terminal is stopped by the system."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return False


def _set_modes(descriptor: int, modes: list[Any]) -> None:
    try:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, modes)
    except termios.error:
        return  # the terminal was closed under us; nothing is left to restore
