"""An entry of the journal as one line for people: when, what, whom it is about, and the rest in as few words as it takes."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import Any, TextIO

from emulator.cli.colours import Colour, Paint, wants_colour
from emulator.config.instants import iso

WIDTH = 160
"""Characters of a line; what passed between clients and agents is cut there, the rest of an entry is not."""
_HEAD = frozenset(("kind", "seq", "ts_ms", "real_ms", "object", "class", "id", "name"))
_INSTANTS = frozenset(("next_ms", "retry_ms", "scheduled_ms", "from_ms", "to_ms"))
_BAD = frozenset(("exception", "host.crashed", "host.stuck", "load.failed", "internal", "violation", "stall", "denied", "gap"))


class Words:
    """Renders lines for `out`. Times are UTC: on a virtual clock there is no other."""

    def __init__(self, out: TextIO) -> None:
        self._paint = Paint(wants_colour(out, os.environ))

    def line(self, line: bytes) -> str:
        """One entry."""
        entry = json.loads(line)
        kind = entry["kind"]
        when = datetime.fromtimestamp(entry["ts_ms"] / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]
        about = _about(entry)
        head = f"{entry['seq']:>6} {when}  {kind:<13} "
        rest = (f"{about}  " if about else "") + _words(entry)
        room = WIDTH - len(head)
        text = " ".join(rest.split()) if kind != "exception" else rest
        if kind in ("frame", "request") and len(text) > room:
            text = text[: room - 3] + "..."
        number = self._paint(f"{entry['seq']:>6} {when}", Colour.DIM)
        return f"{number}  {self._paint(f'{kind:<13}', Colour.BAD if kind in _BAD else Colour.LINK)} {text}"


def _about(entry: dict[str, Any]) -> str:
    about = entry.get("object") or entry
    if not about.get("class"):
        return ""
    return f"{about['class']}/{about.get('name') or str(about.get('id', ''))[:8]}"


def _words(entry: dict[str, Any]) -> str:
    match entry["kind"]:
        case "frame":
            arrow = "->" if entry["dir"] == "in" else "<-"
            what = entry["text"] if "text" in entry else f"{entry['bytes']} bytes"
            return f"client {entry['socket']} {arrow} {what}"
        case "request":
            query = f"?{entry['query']}" if entry.get("query") else ""
            return f"{entry['method']} {entry['path']}{query} {entry['status'] or 'left'} {entry['ms']:g} ms{_answer(entry)}"
        case "turn":
            counts = (("commits", "commits"), ("rows_read", "rows read"), ("rows_written", "rows written"))
            done = "".join(f", {entry[name]} {words}" for name, words in counts if entry.get(name))
            return f"{entry.get('label', '')} {entry.get('ms', 0):g} ms{done}"
        case "chunk":
            return f"{entry['call']} chunk {entry['n']}, {entry['bytes']} bytes"
        case "gap":
            return f"{entry['to'] - entry['from'] + 1} entries are not kept any more: {entry['from']} to {entry['to']}"
        case "log":
            return f"{entry['level']}: {entry['text']}"
        case "exception":
            error = entry["error"]
            return f"{error.get('name', 'Error')}: {error.get('message', '')}" + (f" in {entry['where']}" if entry.get("where") else "")
        case "verb":
            return f"{entry['verb']} {json.dumps(entry['args'], ensure_ascii=False) if entry['args'] else ''}"
        case "alarm.set":
            return f"for {iso(entry['time_ms'])}" if entry.get("time_ms") is not None else "removed"
    shown = ((name, value) for name, value in entry.items() if name not in _HEAD and value not in (None, [], {}))
    return " ".join(
        f"{name.removesuffix('_ms')}={_instant(value)}" if name in _INSTANTS else f"{name}={_value(value)}" for name, value in shown
    )


def _answer(entry: dict[str, Any]) -> str:
    body = entry.get("response") or {}
    return f" {body['text']}" if body.get("text") else ""


def _instant(value: Any) -> str:
    return iso(value) if isinstance(value, int) else _value(value)


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
