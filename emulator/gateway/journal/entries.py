"""What an entry looks like (journal.schema.json), made from what was given. Pure.

The gateway's hot paths give tuples; nothing here runs until somebody reads, or the file is written.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from emulator.gateway.journal.readers import Entry

VERSION = 1
"""Of journal.schema.json. A new kind or field is no new version; a changed one is."""
MAX_TEXT = 64 * 1024
"""Bytes that an entry shows of a frame or a body; of what is longer the beginning."""

Head = tuple[int, int, int]
"""Of every entry: `seq`, `ts_ms` (on the server's clock), `real_ms`."""
_TURN = ("class", "id", "name", "generation", "label")
_POINT = ("n", "what", "class", "id", "name", "generation", "label")
_NUMBERS = frozenset(("n", "generation"))
_OBJECT = frozenset(("class", "id", "name", "generation"))


def plain(head: Head, kind: str, fields: dict[str, Any]) -> Entry:
    """An entry whose fields are its own."""
    seq, ts_ms, real_ms = head
    return {"kind": kind, "seq": seq, "ts_ms": ts_ms, "real_ms": real_ms, **fields}


def gap(head: Head, first: int) -> Entry:
    """In the place of the entries from `first` to this one, which nobody has."""
    return plain(head, "gap", {"from": first, "to": head[0]})


def frame(head: Head, socket: int, about: tuple[str, str, str | None] | None, outgoing: bool, binary: bool, payload: bytes) -> Entry:
    """A WebSocket message between a client and its object, `about`: class, id, name."""
    seq, ts_ms, real_ms = head
    size = len(payload)
    entry: Entry = {
        "kind": "frame",
        "seq": seq,
        "ts_ms": ts_ms,
        "real_ms": real_ms,
        "socket": socket,
        "dir": "out" if outgoing else "in",
        "type": "binary" if binary else "text",
        "bytes": size,
    }
    if about is not None:
        entry["object"] = {"class": about[0], "id": about[1], "name": about[2]}
    shown = payload if size <= MAX_TEXT else payload[:MAX_TEXT]
    if binary:
        entry["base64"] = base64.b64encode(shown).decode("ascii")
    else:
        entry["text"] = shown.decode("utf-8", "replace" if size <= MAX_TEXT else "ignore")
    if size > MAX_TEXT:
        entry["cut"] = True
    return entry


def turn(head: Head, payload: bytes) -> Entry:
    """A turn of an object has ended; the payload is a TURN's (wire/README.md)."""
    *names, ms, commits, rows_read, rows_written, statements = payload.rsplit(b"\n", 5)
    fields = _turned(names[0]) if names else {}
    seq, ts_ms, real_ms = head
    return {
        "kind": "turn",
        "seq": seq,
        "ts_ms": ts_ms,
        "real_ms": real_ms,
        **fields,
        "ms": float(ms or 0),
        "commits": int(commits or 0),
        "rows_read": int(rows_read or 0),
        "rows_written": int(rows_written or 0),
        "statements": int(statements or 0),
    }


def point(head: Head, payload: bytes) -> Entry:
    """A boundary in a host; the payload is a POINT's (wire/README.md)."""
    return plain(head, "point", _lines(_POINT, payload))


@dataclass(slots=True)
class ShownBody:
    """What is known of an HTTP message's body: its header lines, how it begins (in pieces, `MAX_TEXT` bytes or all), its bytes so far."""

    headers: Iterable[tuple[bytes, bytes]]
    beginning: list[bytes] = field(default_factory=list)
    size: int = 0

    def passed(self, chunk: bytes) -> None:
        """One more piece of it."""
        if self.size < MAX_TEXT:
            self.beginning.append(chunk)
        self.size += len(chunk)


def request(
    head: Head,
    method: bytes,
    target: str,
    status: int,
    seconds: float,
    about: Entry | None,
    asked: ShownBody | None,
    answered: ShownBody | None,
) -> Entry:
    """A client's HTTP request and how it was answered."""
    path, _, query = target.partition("?")
    known = {"object": about} if about is not None else {}
    fields: Entry = {"method": method.decode("ascii", "replace"), "path": path, "status": status, "ms": round(seconds * 1000, 2), **known}
    if query:
        fields["query"] = query
    if asked is not None:
        fields["body"] = _body(asked)
    if answered is not None:
        fields["response"] = _body(answered)
    return plain(head, "request", fields)


def _body(known: ShownBody) -> Entry:
    """A body: its text when it is one, else base64."""
    found = (value for name, value in known.headers if len(name) == 12 and name.lower() == b"content-type")
    content_type, size = next(found, b"").decode("latin-1"), known.size
    shown = b"".join(known.beginning)[:MAX_TEXT]
    cut = {"cut": True} if size > len(shown) else {}
    try:
        return {
            "type": content_type,
            "bytes": size,
            "text": shown.decode("utf-8", "ignore" if cut and _is_text(content_type) else "strict"),
            **cut,
        }
    except UnicodeDecodeError:
        return {"type": content_type, "bytes": size, "base64": base64.b64encode(shown).decode("ascii"), **cut}


def _is_text(content_type: str) -> bool:
    return content_type.startswith("text/") or "json" in content_type or "urlencoded" in content_type


@lru_cache(1024)
def _turned(lines: bytes) -> Entry:
    """Whose turn it was: the same few again and again."""
    return {"label": "", **_lines(_TURN, lines)}


def _lines(names: tuple[str, ...], payload: bytes) -> Entry:
    """The fields of a frame of lines: the object in a member of its own, an empty line left out."""
    about: Entry = {}
    fields: Entry = {}
    for name, text in zip(names, payload.decode("utf-8", "replace").split("\n"), strict=False):
        if not text:
            continue
        value: Any = int(text) if name in _NUMBERS and text.isdecimal() else text
        (about if name in _OBJECT else fields)[name] = value
    return {"object": about, **fields} if about else fields
