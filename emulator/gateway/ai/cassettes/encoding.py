"""Recorded stream events to the bytes that went over the wire, and their chunk boundaries (ai-binding.md 7.1). Pure.

`events` are for people; `chunks` (`[ms, byte count]`) are the real transport splits. They hold only while the encoded events still
hash to `sha256`; once a person has edited an event, each event is one chunk at its own time.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from emulator.gateway.ai.answers import Chunk
from emulator.gateway.ai.canonical import compact
from emulator.gateway.ai.cassettes.frames import encode_frame
from emulator.gateway.ai.recorder.byte_edits import Split

LAYOUTS = ("compact", "spaced", "indented")
"""How a server writes a JSON body: without spaces, with one after each sign, or over several lines."""


def laid_out(value: Any, layout: str) -> str:
    """JSON text in a layout."""
    match layout:
        case "spaced":
            return json.dumps(value, ensure_ascii=False)
        case "indented":
            return json.dumps(value, ensure_ascii=False, indent=2)
    return compact(value)


def encode_event(framing: str, event: dict[str, Any]) -> bytes:
    """The bytes of one event. `raw` and `b64` stand for themselves; `json` and `text` get the framing around them. Of a WebSocket's frame
    they are its line (frames.py)."""
    if framing == "websocket" and "raw" not in event:
        return encode_frame(event)
    if "b64" in event:
        return base64.b64decode(event["b64"], validate=True)
    if "raw" in event:
        return utf8(event["raw"])
    text = compact(event["json"]) if "json" in event else event.get("text", "")
    if framing == "sse":
        lines = [f"{name}: {event[name]}" for name in ("event", "id") if name in event]
        lines += [f"data: {line}" for line in text.split("\n")]
        return utf8("\n".join(lines) + "\n\n")
    return utf8(text + "\n") if framing == "ndjson" else utf8(text)


def utf8(text: str) -> bytes:
    """UTF-8; half of a surrogate pair, which UTF-8 cannot say, as JSON escapes it."""
    return text.encode("utf-8", "backslashreplace")


def is_edited(stream: dict[str, Any]) -> bool:
    """Whether the events no longer are what was recorded. A stream without `sha256` cannot tell and counts as unedited."""
    data = b"".join(encode_event(stream["framing"], event) for event in stream["events"])
    return "sha256" in stream and hashlib.sha256(data).hexdigest() != stream["sha256"]


def chunks_of(stream: dict[str, Any]) -> tuple[Chunk, ...]:
    """What to send and when: the recorded transport splits, or one chunk per event (see above)."""
    events = [Chunk(event["t"], encode_event(stream["framing"], event)) for event in stream["events"]]
    splits = stream.get("chunks")
    if not splits or "sha256" not in stream:
        return tuple(events)
    data = b"".join(event.data for event in events)
    if hashlib.sha256(data).hexdigest() != stream["sha256"] or sum(size for _, size in splits) != len(data):
        return tuple(events)
    return cut(data, splits)


def cut(data: bytes, splits: Sequence[Split]) -> tuple[Chunk, ...]:
    """`data` in the pieces in which it came."""
    chunks, at = [], 0
    for t_ms, size in splits:
        chunks.append(Chunk(t_ms, data[at : at + size]))
        at += size
    return tuple(chunks)
