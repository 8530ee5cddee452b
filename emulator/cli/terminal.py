"""The terminal of a running server: shows events as text or JSON lines, and reads the keys.

Ordinary lines go to standard output. Warnings and errors go to standard error, except as JSON, where everything is one stream.
Secret values are replaced in whatever is shown.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TextIO

from emulator.cli import json_lines
from emulator.cli.colours import Paint, wants_colour
from emulator.cli.hotkeys import Hotkeys
from emulator.cli.pretty import KEY_HELP, Pretty
from emulator.cli.question import Question
from emulator.cli.redaction import redacted
from emulator.config import LogFormat, LogLevel, Redactor
from emulator.gateway.console import Caution, Event, Key, Trouble

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

LEVELS = tuple(LogLevel)
CLEAR = "\x1b[2J\x1b[3J\x1b[H"


class Terminal:
    """A Console (gateway/console.py).

    `redact` takes secret values out of a text; `now_ms` is asked for the time of JSON lines. `out` and `err` are the process's own
    unless given; without `stdin` there is no keyboard.
    """

    def __init__(
        self,
        log_format: LogFormat,
        level: LogLevel,
        *,
        environ: Mapping[str, str],
        redact: Redactor | None = None,
        out: TextIO | None = None,
        err: TextIO | None = None,
        stdin: TextIO | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._format = log_format
        self._threshold = LEVELS.index(level)
        self._redact = redact
        self._now_ms = now_ms
        out, err = out or sys.stdout, err or sys.stderr
        self._out, self._err = _Output(out), _Output(err)
        self._warned: set[object] = set()
        self._question: Question | None = None
        self._hotkeys = Hotkeys(stdin if log_format is LogFormat.PRETTY else None, environ)
        columns = shutil.get_terminal_size().columns if out.isatty() else None
        self._pretty_out = Pretty(Paint(wants_colour(out, environ)), columns, self._hotkeys.available)
        self._pretty_err = Pretty(Paint(wants_colour(err, environ)), columns, False)

    def shows(self, level: LogLevel) -> bool:
        """Whether events of this level are shown at all."""
        return LEVELS.index(level) >= self._threshold

    def show(self, event: Event) -> None:
        """Show one event; a warning only the first time."""
        if not self.shows(event.level):
            return
        if isinstance(event, Caution):
            if event.notice in self._warned:
                return
            self._warned.add(event.notice)
        if self._redact is not None and not self._redact.idle:
            event = redacted(event, self._redact)
        if self._question is not None:
            self._question.erase()
        if self._format is LogFormat.JSON:
            self._out.write(json_lines.line(event, self._now_ms()))
        elif isinstance(event, Caution | Trouble):
            self._err.write(self._pretty_err.text(event))
        else:
            self._out.write(self._pretty_out.text(event))
        if self._question is not None:
            self._question.draw()

    def listen(self, loop: AbstractEventLoop, on_key: Callable[[Key], None]) -> None:
        """Read hotkeys from now on, when there is a keyboard."""
        gateway_keys = {key.value: key for key in Key}

        def pressed(character: str) -> None:
            question = self._question
            if question is not None:
                question.typed(character)
            elif character in gateway_keys:
                on_key(gateway_keys[character])
            elif character == "x":
                self._out.write(CLEAR, end="")
            elif character == "?":
                self._out.write(KEY_HELP)
            elif character == "l":
                self._threshold = (self._threshold + 1) % LEVELS.index(LogLevel.NONE)
                self._out.write(f"log level: {LEVELS[self._threshold].value}")

        self._hotkeys.start(loop, pressed)

    def ask(self, question: str, on_answer: Callable[[str], None]) -> None:
        """Ask on the last line; until it is answered, keys are the answer's. A second question waits for nobody: it is not asked."""
        if not self._hotkeys.available or self._question is not None:
            return

        def answered(line: str) -> None:
            self._question = None
            on_answer(line)

        self._question = Question(question, lambda text: self._out.write(text, end=""), answered)

    def close(self) -> None:
        """Give the keyboard back. Events may still be shown afterwards."""
        self._hotkeys.stop()


class _Output:
    """A text stream that goes quiet when nobody reads it any more, as in `agents-emu dev | head`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

    def write(self, text: str, end: str = "\n") -> None:
        try:
            self._stream.write(text + end)
            self._stream.flush()
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())  # what is still buffered, and the flush at exit, go nowhere without an error
            os.close(nowhere)
