"""Bytes that went over the wire to recorded stream events: the way back of encoding.py (ai-binding.md 7.1). Pure.

An event is written as people read it where its bytes come back exactly from that; else as `raw`, or `b64` when it is not UTF-8.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from emulator.gateway.ai.canonical import compact
from emulator.gateway.ai.cassettes.encoding import LAYOUTS, encode_event, laid_out
from emulator.gateway.ai.cassettes.frames import MEDIA_TYPE
from emulator.gateway.ai.recorder.byte_edits import Split

_BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_ENDS = {"sse": (b"\n\n", b"\r\r", b"\r\n\r\n"), "ndjson": (b"\n",), "websocket": (b"\n",)}
_LONGEST_EVENT = 1024 * 1024
_FRAMINGS = {
    "text/event-stream": "sse",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    MEDIA_TYPE: "websocket",
}


def framing_of(media_type: str) -> str | None:
    """`sse`, `ndjson` or `websocket` for a type that is a stream of events, else None."""
    return _FRAMINGS.get(media_type.split(";")[0].strip().lower())


def events_of(framing: str, data: bytes, splits: Sequence[Split]) -> list[dict[str, Any]]:
    """The events of a stream; each one's `t` is when its last byte came. Encoded again they are exactly `data`."""
    pieces = _PIECES.get(framing)
    if pieces is None:
        return list(_chunks(data, splits))
    found, clock = [], _Clock(splits)
    end = 0
    for piece in pieces(data):
        end += len(piece)
        found.append(event_of(framing, piece, clock.at(end)))
    return found


def whole_pieces(framing: str, windows: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes of one event after the other, for a stream that comes in windows; an event of more than 1 MiB is left out."""
    ends = _ENDS[framing]
    rest = b""
    for window in windows:
        rest += window
        *pieces, rest = _PIECES[framing](rest) if rest else [b""]
        yield from pieces
        if rest.endswith(ends):
            yield rest
            rest = b""
        if len(rest) > _LONGEST_EVENT:
            rest = b""
    if rest:
        yield rest


def event_of(framing: str, piece: bytes, t_ms: int) -> dict[str, Any]:
    """One event whose bytes are `piece`."""
    try:
        text = piece.decode()
    except UnicodeDecodeError:
        return {"t": t_ms, "b64": base64.b64encode(piece).decode()}
    if framing == "websocket":
        frame = json_value(text)
        event = {"t": t_ms, **frame} if isinstance(frame, dict) else {"t": t_ms, "raw": text}
        return event if encode_event(framing, event) == piece else {"t": t_ms, "raw": text}
    fields: dict[str, Any] | None
    fields = _sse_fields(text) if framing == "sse" else {"text": text.removesuffix("\n")} if framing == "ndjson" else {"text": text}
    if fields is not None:
        value = json_value(fields["text"]) if framing in ("sse", "ndjson") else None
        if isinstance(value, dict | list) and compact_or_none(value) == fields["text"]:
            fields = {name: fields[name] for name in fields if name != "text"} | {"json": value}
        event = {"t": t_ms, **fields}
        if encode_event(framing, event) == piece:
            return event
    return {"t": t_ms, "raw": text}


def parsed_event(framing: str, event: dict[str, Any]) -> Any:
    """The JSON value that an event carries in whatever form it is written; None when it carries none."""
    if "json" in event:
        return event["json"]
    if "b64" in event or framing not in ("sse", "ndjson"):
        return None
    text = event.get("text", "")
    if "raw" in event:
        fields = _sse_fields(event["raw"]) if framing == "sse" else {"text": event["raw"]}
        text = fields["text"] if fields is not None else ""
    value = json_value(text)
    return value if isinstance(value, dict | list) else None


def json_value(text: str) -> Any:
    """The value of a JSON text; None when it is not JSON as the standard has it (`NaN` is not)."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None


def layout_of(value: Any, text: str) -> str | None:
    """How to write `value` so that it is `text` again: a name of LAYOUTS, or None when there is no way."""
    for layout in LAYOUTS:
        try:
            if laid_out(value, layout) == text:
                return layout
        except (ValueError, RecursionError):
            return None
    return None


def compact_or_none(value: Any) -> str | None:
    """`compact`, or None for what cannot be written as UTF-8 (a lone surrogate)."""
    text = compact(value)
    return text if _is_unicode(text) else None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _sse_pieces(data: bytes) -> Iterator[bytes]:
    at = 0
    for found in _BLANK_LINE.finditer(data):
        yield data[at : found.end()]
        at = found.end()
    if at < len(data):
        yield data[at:]


def _lines(data: bytes) -> Iterator[bytes]:
    return iter(data.splitlines(keepends=True) if b"\r" not in data else re.findall(rb"[^\n]*\n|[^\n]+", data))


_PIECES: dict[str, Callable[[bytes], Iterator[bytes]]] = {"sse": _sse_pieces, "ndjson": _lines, "websocket": _lines}


def _sse_fields(text: str) -> dict[str, str] | None:
    """`event`, `id` and the joined `data` of an event; None when it has none or says other things too."""
    fields: dict[str, str] = {}
    data: list[str] = []
    for line in re.split(r"\r\n|\n|\r", text):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name in ("event", "id") and name not in fields:
            fields[name] = value
        elif line and name:
            return None
    return {**fields, "text": "\n".join(data)} if data else None


def _chunks(data: bytes, splits: Sequence[Split]) -> Iterator[dict[str, Any]]:
    at = 0
    for t_ms, size in splits:
        yield event_of("bytes", data[at : at + size], t_ms)
        at += size


class _Clock:
    """When the byte at an offset came; offsets are asked in rising order."""

    def __init__(self, splits: Sequence[Split]) -> None:
        self._splits = iter(splits)
        self._end = 0
        self._t_ms = 0

    def at(self, offset: int) -> int:
        while self._end < offset:
            self._t_ms, size = next(self._splits)
            self._end += size
        return self._t_ms
