"""Recordings from other tools: one file for each format, which reads the foreign file into exchanges or stubs; writing.py stores them.

A reader never fails for a single entry that it cannot use: it says which, where and why, and goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator.errors import RecordingError
from emulator.gateway.ai.answers import StreamEnd
from emulator.gateway.exchange import Headers


@dataclass(frozen=True, slots=True)
class Exchange:
    """One HTTP exchange of a foreign file. `place` is `file $.path`; `at` an ISO time, None when the format has none. `chunks` are the
    pieces of the answer's body with their times (ms since the request), one piece when the format does not keep them."""

    place: str
    method: str
    url: str
    request_headers: Headers
    request_body: bytes
    status: int
    response_headers: Headers
    chunks: tuple[tuple[int, bytes], ...]
    at: str | None = None
    timed: bool = False
    first_byte_ms: int = 0
    end: StreamEnd = StreamEnd.COMPLETE


@dataclass(frozen=True, slots=True)
class Stub:
    """An answer that matches by rules. `document` has `request`, `match` and `response` of a recording; `word` is for its id."""

    place: str
    word: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ready:
    """A whole recording, with the bodies that stand in files of their own, by their names in the cassette."""

    place: str
    cassette: str
    document: Mapping[str, Any]
    blobs: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Note:
    """Something of a foreign file that was left out, or that will behave in another way here."""

    place: str
    what: str


@dataclass(slots=True)
class Found:
    """What a reader found, in the file's order."""

    items: list[Exchange | Stub | Ready] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def unreadable(file: Path, place: str, what: str, hint: str) -> RecordingError:
    """The error for a file that is not of the format it was said to be; `place` is `:line:column` or ` $.path`."""
    return RecordingError("E534", f"this cannot be imported: {what}", where=f"{file}{place}", hint=hint)


def read_text(file: Path) -> str:
    """A foreign file as text. Raises RecordingError E534."""
    try:
        return file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise unreadable(file, "", f"it is not UTF-8 (byte {error.start})", "is it compressed?") from None
    except OSError as error:
        raise unreadable(file, "", f"it cannot be read: {(error.strerror or str(error)).lower()}", "correct the path") from None
