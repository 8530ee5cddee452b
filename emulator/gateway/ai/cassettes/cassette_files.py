"""How recordings are written: one file for each, sorted and stable, so that a diff shows what changed (ai-binding.md 7.1).

Only what a server said keeps its order of keys: its bytes are made from it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from emulator.errors import UsageError
from emulator.gateway.ai.canonical import Kind, ModelRequest, compact

BLOBS = "blobs"
SMALL = 16 * 1024
"""Bytes of a body that stay in the recording; a longer one becomes a blob."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_SLUG_LENGTH = 48
_CHUNKS_PER_LINE = 12
_SEAL = b'"seal": "'
_NO_SUM = "0" * 16
_EXTENSIONS = {
    "application/json": "json", "application/octet-stream": "bin", "application/pdf": "pdf", "application/x-ndjson": "ndjson",
    "application/zip": "zip", "audio/aac": "aac", "audio/flac": "flac", "audio/mpeg": "mp3", "audio/ogg": "ogg", "audio/wav": "wav",
    "audio/webm": "weba", "audio/x-wav": "wav", "image/gif": "gif", "image/jpeg": "jpg", "image/png": "png", "image/svg+xml": "svg",
    "image/webp": "webp", "text/css": "css", "text/csv": "csv", "text/event-stream": "sse", "text/html": "html", "text/javascript": "js",
    "text/plain": "txt", "text/xml": "xml", "video/mp4": "mp4", "video/webm": "webm",
}  # fmt: skip


# -- names


def check_cassette_name(name: str) -> str:
    """`name`, when it can be a folder of its own. Raises UsageError E506 for what would lie elsewhere (`../x`, `a/b`, `.x`)."""
    if _NAME.fullmatch(name) is None:
        raise UsageError(
            "E506",
            f"{name!r} cannot be the name of a cassette",
            hint="use up to 96 letters, digits, dots, dashes and underscores, beginning with a letter or digit",
        )
    return name


def cassette_name(scope: str) -> str:
    """The cassette for a scope, which may be any text, such as the name of a test: itself when it can be a folder, else its readable part
    and six digits of its hash, so that no two scopes share one and none leaves the fixtures folder."""
    if _NAME.fullmatch(scope):
        return scope
    readable = re.sub(r"[^A-Za-z0-9]+", "-", scope).strip("-")[:80].strip("-")
    return f"{readable or 'scope'}-{hashlib.sha256(scope.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}"


def stem(seq: int, request: ModelRequest, key: str) -> str:
    """File name without `.json`, and id: `seq` counts within the key, so recordings never renumber each other."""
    return f"{seq:02d}-{request.kind}-{_slug(request)}-{key[:8]}"


def seq_of(file_stem: str) -> int:
    """The leading number of a file name, 0 when there is none."""
    found = re.match(r"\d{1,9}(?=-)", file_stem)
    return int(found[0]) if found else 0


def extension(media_type: str) -> str:
    """The file name extension for a media type."""
    plain = media_type.split(";")[0].strip().lower()
    found = _EXTENSIONS.get(plain)
    if found is None:
        found = "json" if plain.endswith("+json") else "xml" if plain.endswith("+xml") else "bin"
    return found


def _slug(request: ModelRequest) -> str:
    text = request.target
    if request.kind in (Kind.HTTP, Kind.GATEWAY_HTTP):
        text = _model_in(request.body) or _place(text)
    elif request.kind is Kind.UNIVERSAL and isinstance(request.body, list) and request.body and isinstance(request.body[0], Mapping):
        entry = request.body[0]
        text = _model_in(entry.get("query")) or str(entry.get("provider", text))
    slug = re.sub(r"[^a-z0-9._-]+", "-", text.rstrip("/").rpartition("/")[2].lower()).strip("-._")
    return slug[:_SLUG_LENGTH].strip("-._") or "call"


def _model_in(body: Any) -> str | None:
    model = body.get("model") if isinstance(body, Mapping) else None
    return model if isinstance(model, str) and model else None


def _place(target: str) -> str:
    parts = urlsplit(target.partition(" ")[2])
    last = parts.path.rstrip("/").rpartition("/")[2]
    return f"{parts.netloc}-{last}" if last else parts.netloc


# -- documents


@dataclass(frozen=True, slots=True)
class Sealed:
    """A recording's file as it is: its JSON, and whether nobody changed it since it was written."""

    document: dict[str, Any]
    untouched: bool


def seal_of(document: Mapping[str, Any]) -> str:
    """16 hex digits over everything else that a recording says, however it is laid out."""
    recorded = {name: value for name, value in document.get("recorded", {}).items() if name != "seal"}
    content = json.dumps({**document, "recorded": recorded}, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def sealed(document: dict[str, Any]) -> dict[str, Any]:
    """The same with its seal, whose second half recording_text works out."""
    return {**document, "recorded": {**document.get("recorded", {}), "seal": f"{seal_of(document)}.{_NO_SUM}"}}


def is_as_written(data: bytes) -> bool:
    """Whether a file is, byte for byte, one that recording_text made: then nothing in it needs to be checked. Quick."""
    data = data.replace(b"\r\n", b"\n")
    at = data.find(_SEAL)
    if at < 0:
        return False
    start = at + len(_SEAL) + 17
    return data[start : start + 16] == _sum(data, start)


def _sum(data: bytes, start: int) -> bytes:
    """16 hex digits over a file, but for these themselves."""
    return hashlib.sha256(data[:start] + data[start + 16 :]).hexdigest()[:16].encode()


def read_sealed(data: bytes) -> Sealed | None:
    """The recording in `data`, None when it is no recording. It is untouched when it says what it said when it was written, in whatever
    layout; a recorded file without a seal counts as edited: it is never replaced."""
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or not isinstance(document.get("request"), dict):
        return None
    recorded = document.get("recorded")
    seal = recorded.get("seal") if isinstance(recorded, dict) else None
    intact = isinstance(seal, str) and seal.partition(".")[0] == seal_of(document)
    return Sealed(document, intact and document.get("source") == "recorded")


def blob_files(document: Mapping[str, Any]) -> set[str]:
    """The files in a cassette that a recording needs beside its own."""
    response = document.get("response", {})
    blobs = [document.get("request", {}).get("body_blob"), response.get("blob"), response.get("stream", {}).get("blob")]
    return {blob["file"] for blob in blobs if isinstance(blob, Mapping) and isinstance(blob.get("file"), str)}


def recording_text(document: Mapping[str, Any]) -> bytes:
    """The file for a recording."""
    try:
        data = _rendered(document, ascii_only=False).encode()
    except UnicodeEncodeError:  # a lone surrogate can only be written as an escape
        data = _rendered(document, ascii_only=True).encode()
    start = data.find(_SEAL) + len(_SEAL) + 17
    if data[start : start + 16] != _NO_SUM.encode():
        return data
    return data[:start] + _sum(data, start) + data[start + 16 :]


def _rendered(document: Mapping[str, Any], *, ascii_only: bool) -> str:
    write = _Writer(ascii_only)
    members = [(name, write.response(value) if name == "response" else write.sorted(value, 1)) for name, value in sorted(document.items())]
    return write.object(members, 0) + "\n"


class _Writer:
    """Pieces of JSON text. `depth` is that of the line on which a piece begins."""

    def __init__(self, ascii_only: bool) -> None:
        self._ascii = ascii_only

    def object(self, members: Iterable[tuple[str, str]], depth: int) -> str:
        inner = "  " * (depth + 1)
        lines = ",\n".join(f"{inner}{json.dumps(name)}: {text}" for name, text in members)
        return f"{{\n{lines}\n{'  ' * depth}}}" if lines else "{}"

    def sorted(self, value: Any, depth: int) -> str:
        return self._pretty(value, depth, sort=True)

    def response(self, response: Mapping[str, Any]) -> str:
        members = [
            (name, self.stream(value) if name == "stream" else self._pretty(value, 2, sort=name != "json"))
            for name, value in sorted(response.items())
        ]
        return self.object(members, 1)

    def stream(self, stream: Mapping[str, Any]) -> str:
        members = []
        for name, value in sorted(stream.items()):
            if name == "events":
                text = self._lines([json.dumps(event, ensure_ascii=self._ascii) for event in value])
            elif name == "chunks":
                text = self._lines([", ".join(compact(split) for split in value[at : at + _CHUNKS_PER_LINE]) for at in _steps(value)])
            else:
                text = self.sorted(value, 3)
            members.append((name, text))
        return self.object(members, 2)

    def _lines(self, lines: list[str]) -> str:
        return "[\n" + ",\n".join(f"{'  ' * 4}{line}" for line in lines) + f"\n{'  ' * 3}]" if lines else "[]"

    def _pretty(self, value: Any, depth: int, *, sort: bool) -> str:
        text = json.dumps(value, indent=2, sort_keys=sort, ensure_ascii=self._ascii)
        return text.replace("\n", "\n" + "  " * depth)


def _steps(values: list[Any]) -> range:
    return range(0, len(values), _CHUNKS_PER_LINE)


def write_atomically(file: Path, data: bytes) -> None:
    """Write beside and rename, so that no reader sees half a file. Raises OSError."""
    descriptor, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(data)
        os.chmod(name, 0o644)
        os.replace(name, file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
