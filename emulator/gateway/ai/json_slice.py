"""One member of a JSON object, cut out of its text: numbers and spaces stay as the other side wrote them. Pure."""

from __future__ import annotations

import json
import re

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def member(text: str, name: str) -> str | None:
    """The text of the object's member `name`; None when `text` is no JSON object or has none. The last of equal names counts, as in
    `JSON.parse`."""
    found = None
    try:
        at = _after(text, 0, "{")
        while text[at] != "}":
            key, at = _DECODER.raw_decode(text, at)
            begin = _after(text, _skip(text, at), ":")
            _, end = _DECODER.raw_decode(text, begin)
            if key == name:
                found = text[begin:end]
            at = _skip(text, end)
            if text[at] == ",":
                at = _skip(text, at + 1)
    except (ValueError, IndexError):
        return None
    return found


def _after(text: str, at: int, sign: str) -> int:
    at = _skip(text, at)
    if text[at] != sign:
        raise ValueError(f"{sign!r} expected at {at}")
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space is not None else at
