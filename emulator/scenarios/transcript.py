"""What happened in a run, as lines: when, who, what. The same scenario gives the same text, whatever machine it runs on.

    agents-emu transcript 1
    scenario  the client catches up

    00.000  a  connect     /agents/chat/me
    00.000  a  <-          {"agent":"chat","name":"me","type":"cf_agent_identity"}
    00.410  a  drop        reset

Times are those of the virtual clock since the start; on the real clock there are none, because they differ each time.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from emulator.scenarios.naming import Names, compact, json_in

VERSION = 1
HEAD = "agents-emu transcript"
NO_TIME = "-"
_VERB_WIDTH = 10
SUFFIX = ".transcript"


@dataclass(frozen=True, slots=True)
class Line:
    """`at_ms` is the time since the start, None on the real clock; `who` a client, `http`, `call`, `server` or `check`."""

    at_ms: int | None
    who: str
    verb: str
    text: str


class Transcript:
    """Lines as they happen. `add` gives each back, so that it can be shown at once."""

    def __init__(self, name: str, names: Names) -> None:
        self._name = name
        self._names = names
        self.lines: list[Line] = []

    def add(self, at_ms: int | None, who: str, verb: str, what: Any = "") -> Line:
        """Append a line; `what` is a frame's data, or words."""
        line = Line(at_ms, who, verb, self._words(what))
        self.lines.append(line)
        return line

    def text(self) -> str:
        """The whole file."""
        rows = [(stamp(line), line) for line in self.lines]
        times = max((len(time) for time, _ in rows), default=0)
        who = max((len(line.who) for line in self.lines), default=0)
        body = [shown(line, times, who) for line in self.lines]
        return "\n".join([f"{HEAD} {VERSION}", f"scenario  {self._name}", "", *body, ""])

    def _words(self, what: Any) -> str:
        if isinstance(what, bytes):
            return f"binary {base64.b64encode(what).decode()}"
        if isinstance(what, str):
            inner = json_in(what)
            text = self._names.text(what) if inner is None else compact(self._names.value(inner))
        else:
            text = compact(self._names.value(what))
        return text.replace("\r", "\\r").replace("\n", "\\n")


def stamp(line: Line) -> str:
    """When, in words: `00.412`, `1:02.500`, `2d 03:00:00.000`."""
    return NO_TIME if line.at_ms is None else offset(line.at_ms)


def shown(line: Line, times: int = 6, who: int = 1) -> str:
    """One line, its columns this wide."""
    return f"{stamp(line):>{times}}  {line.who:{who}}  {line.verb:{_VERB_WIDTH}}  {line.text}".rstrip()


def offset(ms: int) -> str:
    """A time since the start."""
    seconds, milliseconds = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    text = f"{seconds:02}.{milliseconds:03}"
    if hours or days:
        text = f"{hours:02}:{minutes:02}:{text}"
    elif minutes:
        text = f"{minutes}:{text}"
    return f"{days}d {text}" if days else text
