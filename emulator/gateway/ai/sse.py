"""Server-sent events out of a byte stream, as they arrive (the WHATWG event stream format). Pure.

Nothing is held back and nothing is lost: an event comes out with the feed that completes it, and the `raw` bytes of all events plus
`rest` are exactly the bytes that were fed. Cuts inside a character or between CR and LF are safe.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One block up to and including its blank line. `data` is None for a block that dispatches nothing (comments, keep-alives)."""

    raw: bytes
    data: str | None
    event: str | None = None
    id: str | None = None


class SseParser:
    """One stream."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._started = False

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """The events that `chunk` completes."""
        # A blank line may begin with up to three bytes that were kept before.
        searched = max(0, len(self._kept) - 3)
        self._kept += chunk
        events, begin = [], 0
        while (found := _BLANK_LINE.search(self._kept, max(begin, searched))) is not None:
            events.append(self._event(bytes(self._kept[begin : found.end()])))
            begin = found.end()
        del self._kept[:begin]
        return events

    @property
    def rest(self) -> bytes:
        """What came after the last complete event. A stream that ends with a rest was cut: the format drops it."""
        return bytes(self._kept)

    def _event(self, raw: bytes) -> SseEvent:
        text = raw
        if not self._started:
            self._started, text = True, raw.removeprefix(_BYTE_ORDER_MARK)
        data: list[str] = []
        fields: dict[str, str] = {}
        for line in _LINE_END.split(text):
            name, _, value = line.partition(b":")
            decoded = value.removeprefix(b" ").decode("utf-8", "replace")
            if name == b"data":
                data.append(decoded)
            elif name in (b"event", b"id"):
                fields[name.decode()] = decoded
        return SseEvent(raw, "\n".join(data) if data else None, fields.get("event"), fields.get("id"))
