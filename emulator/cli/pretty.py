"""Events as people read them: one line each, blocks for what needs attention, a banner of fewer than 25 lines."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Sequence
from functools import singledispatchmethod

from emulator import __version__
from emulator.cli.colours import Colour, Paint
from emulator.cli.session_words import session_lines
from emulator.config import LogLevel, Notice
from emulator.config.document import shown
from emulator.gateway.console import Binding, Caution, Event, Note, Ready, Reloaded, RequestServed, SessionEnded, Subject, Trouble, UserLog

MOST_BINDINGS = 9
KEYS = (
    "[h] hibernate  [e] evict  [d] drop  [D] deploy  [r] reload  [t] fire  [T] advance  [s] save  [R] reset  [p] AI mode  [l] log level"
    "  [x] clear  [?] help  [q] quit"
)
KEY_HELP = """\
  h  hibernate every idle object: instances go, sockets stay
  e  evict every object: the next event constructs it anew
  d  drop every socket by a TCP reset: clients hear nothing
  D  deploy: new code, objects reset, clients cut off, as in production
  r  reload the code
  t  run the alarm that is due next
  T  advance the clock; asks how far (with --clock virtual)
  s  save a snapshot of what is stored, into fixtures/state
  R  remove every object with all it has stored; asks
  p  next AI mode: auto, replay, new, live, stub
  x  clear the screen
  l  show fewer or more lines (debug, info, warn, error)
  q  quit, as Ctrl-C does"""
KINDS = {"durable_object": "Durable Object", "ai": "AI", "assets": "Assets"}

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Pretty:
    """Turns an event into text of one or more lines, without the last newline. `columns` is the width of the terminal, None if there
    is none: then nothing is cut."""

    def __init__(self, paint: Paint, columns: int | None, keys: bool) -> None:
        self._paint = paint
        self._columns = columns
        self._keys = keys

    @singledispatchmethod
    def text(self, event: Event) -> str:
        """The event as text."""
        raise TypeError(f"{type(event).__name__} is no event")

    @text.register
    def _(self, event: Ready) -> str:
        paint = self._paint
        title = [paint(f"agents-emu {__version__}", Colour.TITLE), event.project]
        title += [f"env: {event.environment}"] if event.environment else []
        title += [f"seed: {event.seed}"] if event.seed is not None else []
        title += [f"clock: {event.clock}"] if event.clock is not None else []
        addresses = [(event.url, "app and agents"), *([(event.inspector, "inspector")] if event.inspector else [])]
        width = max(len(url) for url, _ in addresses)
        lines = [
            "   ".join(title),
            "",
            *(self._cut(f"  {paint(url.ljust(width), Colour.LINK)}   {what}", len(url)) for url, what in addresses),
            "",
            *self._table(event.bindings),
            *(self._cut(f"  {'Models' if index == 0 else '      '}  {route}", len(route)) for index, route in enumerate(event.routes)),
            f"  State  {shown(event.state)}   Reload  {event.reload}",
            f"  {self._state(event)} {event.started_ms / 1000:.2f} s",
            *(["", *self._wrapped_keys()] if self._keys else []),
            "",
        ]
        return "\n".join(lines)

    def _state(self, event: Ready) -> str:
        if event.loaded:
            return f"{self._paint('Ready', Colour.GOOD)} in"
        return f"{self._paint('The code does not load', Colour.BAD)}; requests get the error until a save mends it. Serving after"

    @text.register
    def _(self, event: RequestServed) -> str:
        colour = Colour.BAD if event.status >= 500 else Colour.CARE if event.status >= 400 or not event.status else Colour.GOOD
        status = str(event.status) if event.status else "client left"
        took = f"{event.ms:.0f} ms" if event.ms >= 10 else f"{event.ms:.1f} ms"
        line = f"{event.method} {harmless(event.path)} {self._paint(status, colour)} {self._paint(took, Colour.DIM)}"
        return f"{line}  {subject_words(event.subject)}" if event.subject else line

    @text.register
    def _(self, event: UserLog) -> str:
        who = subject_words(event.subject) if event.subject else "worker"
        words = {LogLevel.WARN: self._paint("warn ", Colour.CARE), LogLevel.ERROR: self._paint("error ", Colour.BAD)}
        lines = event.text.rstrip("\n").split("\n")
        first = f"{self._paint(who, Colour.LINK)}  {words.get(event.level, '')}{lines[0]}"
        return "\n".join([first, *(f"{' ' * len(who)}  {line}" for line in lines[1:])])

    @text.register
    def _(self, event: Reloaded) -> str:
        sockets = f"{event.sockets} socket{'' if event.sockets == 1 else 's'} {'kept' if event.kept else 'closed'}"
        changed = ", ".join(event.paths[:3]) + (f" and {len(event.paths) - 3} more" if len(event.paths) > 3 else "")
        return f"{self._paint('reload', Colour.GOOD)} #{event.number}  {changed or 'as asked'}  {event.ms} ms  {sockets}"

    @text.register
    def _(self, event: Caution) -> str:
        return notice_text(event.notice, self._paint)

    @text.register
    def _(self, event: Trouble) -> str:
        return trouble_text(event, self._paint)

    @text.register
    def _(self, event: Note) -> str:
        return f"{subject_words(event.subject)}  {event.text}" if event.subject else event.text

    @text.register
    def _(self, event: SessionEnded) -> str:
        return "\n".join(session_lines(dataclasses.asdict(event)))

    def _table(self, bindings: Sequence[Binding]) -> list[str]:
        """Rows that fit the terminal: columns are dropped from the middle, never wrapped."""
        if not bindings:
            return []
        rows = [("Binding", "Kind", "Source", "Mode")]
        for binding in bindings[:MOST_BINDINGS]:
            kind = KINDS.get(binding.kind, binding.kind)
            named = binding.class_name and binding.class_name != binding.name
            rows.append((binding.name, f"{kind} {binding.class_name}" if named else kind, binding.source, binding.mode))
        for columns in ((0, 1, 2, 3), (0, 1, 3), (0, 3), (0,)):
            widths = {column: max(len(row[column]) for row in rows) for column in columns}
            if self._columns is None or sum(widths.values()) + 3 * len(columns) <= self._columns:
                break
        lines = ["  " + "   ".join(row[column].ljust(widths[column]) for column in columns).rstrip() for row in rows]
        lines[0] = self._paint(lines[0], Colour.DIM)
        more = len(bindings) - MOST_BINDINGS
        return [*lines, *([f"  and {more} more"] if more > 0 else []), ""]

    def _wrapped_keys(self) -> list[str]:
        lines, room = [""], (self._columns or 1000) - 2
        for word in KEYS.split("  "):
            if lines[-1] and len(lines[-1]) + len(word) + 2 > room:
                lines.append("")
            lines[-1] += f"  {word}" if lines[-1] else word
        return [f"  {line}" for line in lines]

    def _cut(self, line: str, address: int) -> str:
        """A line with an address: the words after it go before the address is cut."""
        plain = len(re.sub(r"\x1b\[\d+m", "", line))
        return line if self._columns is None or plain <= self._columns else line.split("   ")[0][: address + 20]


def notice_text(notice: Notice, paint: Paint) -> str:
    """A warning: what, where, and what to do about it."""
    lines = [f"{paint('warning', Colour.CARE)}  {notice.what}"]
    lines += [f"         {notice.where}"] if notice.where else []
    lines += [f"         {line}" for line in (notice.hint or "").splitlines()]
    return "\n".join(lines)


def trouble_text(event: Trouble, paint: Paint) -> str:
    """An error block: the error, whose object it was, and a traceback below it."""
    head, *rest = event.error.render().split("\n")
    who = f"   {subject_words(event.subject)}" if event.subject else ""
    lines = [f"{paint(head, Colour.BAD)}{who}", *(line.replace(f"  where  {os.getcwd()}{os.sep}", "  where  ", 1) for line in rest)]
    lines += [f"  | {line}" for line in event.details.rstrip("\n").split("\n")] if event.details else []
    return "\n".join(lines)


def subject_words(subject: Subject | None) -> str:
    """`Chat/me`: how an object is named everywhere, on the command line too."""
    return f"{subject.class_name}/{harmless(subject.name)}" if subject else ""


def harmless(text: str) -> str:
    """Text that a client chose, without characters that would steer the terminal."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
