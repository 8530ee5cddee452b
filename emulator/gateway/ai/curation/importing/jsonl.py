"""JSON lines, as `agents-emu ai export --jsonl` writes them: one whole recording on each line.

A line is `{"cassette", "recording": {...}, "blobs": {"blobs/x.png": base64}}`. Importing gives the same files again, byte for byte.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from emulator.gateway.ai.cassettes.problems import FORMAT
from emulator.gateway.ai.curation.importing import Found, Note, Ready, read_text, unreadable


def read_jsonl(file: Path) -> Found:
    """The recordings of a file. Raises RecordingError E534 when not one line is a recording."""
    found = Found()
    for number, line in enumerate(read_text(file).splitlines(), 1):
        if line.strip():
            try:
                found.items.append(_ready(f"{file}:{number}", json.loads(line)))
            except json.JSONDecodeError as error:
                found.notes.append(Note(f"{file}:{number}:{error.colno}", f"left out, it is not JSON: {error.msg}"))
            except ValueError as error:
                found.notes.append(Note(f"{file}:{number}", f"left out, {error}"))
    if not found.items:
        first = found.notes[0] if found.notes else None
        hint = f"the first line: {first.what}" if first else "the file is empty"
        raise unreadable(file, ":1", "no line of it is a recording", hint)
    return found


def _ready(place: str, line: Any) -> Ready:
    document = line.get("recording") if isinstance(line, dict) else None
    if not isinstance(document, dict) or not isinstance(line.get("cassette"), str):
        raise ValueError('it is no line of an export: {"cassette": ..., "recording": {...}} is expected')
    if document.get("format") != FORMAT:
        raise ValueError(f"the recording has format {document.get('format')!r}; this version reads format {FORMAT}")
    if not isinstance(line.get("blobs", {}), dict):
        raise ValueError("its blobs are no object of base64 texts by name")
    blobs = {str(name): base64.b64decode(str(text), validate=True) for name, text in line.get("blobs", {}).items()}
    return Ready(place, line["cassette"], document, blobs)
