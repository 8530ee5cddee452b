"""What a reader found becomes recordings: redacted, checked for secrets, byte-exact, next to those that are there.

Nothing that exists is changed. What is there already, with the same answer, is not written again, so an import may be repeated.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from emulator import __version__
from emulator.errors import RecordingError
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.cassettes.cassette_files import blob_files, check_cassette_name, recording_text, sealed, write_atomically
from emulator.gateway.ai.cassettes.cassette_folder import recording_files
from emulator.gateway.ai.cassettes.decoding import events_of, framing_of, json_value, parsed_event
from emulator.gateway.ai.cassettes.manifest import MANIFEST, read_manifest
from emulator.gateway.ai.cassettes.problems import FORMAT
from emulator.gateway.ai.cassettes.recording import parse_recording
from emulator.gateway.ai.cassettes.recording_shape import check_shape
from emulator.gateway.ai.classify import BadRequest, http_request, run_request, universal_request
from emulator.gateway.ai.curation.conversation import usage_in
from emulator.gateway.ai.curation.importing import Exchange, Note, Ready, Stub
from emulator.gateway.ai.recorder.interaction import Interaction, Noted, blocked, interaction
from emulator.gateway.ai.recorder.redaction import Redaction
from emulator.gateway.ai.recorder.spool import Spool
from emulator.gateway.ai.recorder.staging import Staging
from emulator.gateway.ai.sse import SseParser
from emulator.gateway.content_coding import Broken, Decoder, decoder
from emulator.gateway.exchange import Headers, header

BINDING = "https://workers-binding.ai/"
_UNIVERSAL = "ai-gateway/universal/run/"
_BLOB = re.compile(r"blobs/[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(slots=True)
class Written:
    """What an import did. `same` counts what was there already; `notes` tell what was left out, and why."""

    written: list[Path] = field(default_factory=list)
    same: int = 0
    notes: list[Note] = field(default_factory=list)
    blocked: list[RecordingError] = field(default_factory=list)
    """E507: entries that hold secrets; they were not written."""


class Import:
    """One import into the fixtures folder. Exchanges and stubs go into `cassette`; whole recordings into their own unless it is given."""

    def __init__(self, folder: Path, cassette: str | None, redaction: Redaction, now: Callable[[], datetime]) -> None:
        self._ai = folder / "ai"
        self._given = None if cassette is None else check_cassette_name(cassette)
        self._cassette = self._given or "imported"
        self._redaction = redaction
        self._now = now
        self._staging = Staging(self._ai)
        self._there = _answers_there(self._ai / self._cassette)
        manifest = self._ai / self._cassette / MANIFEST
        self._normalise = read_manifest(manifest).normalise if manifest.exists() else ()
        self._count = 0
        self.done = Written()

    def add(self, item: Exchange | Stub | Ready) -> None:
        """Take one item. Raises OSError."""
        self._count += 1
        try:
            if isinstance(item, Exchange):
                self._exchange(item)
            elif isinstance(item, Stub):
                self._stub(item)
            else:
                self._ready(item)
        except UnicodeEncodeError:
            self.done.notes.append(Note(item.place, "left out, it holds half of a surrogate pair, which no server can send"))
        except RecordingError as error:
            if error.code != "E507":
                self.done.notes.append(Note(item.place, f"left out: {error.what} ({error.where})"))
                return
            error.where = f"{item.place}\n{error.where}"
            self.done.blocked.append(error)

    def finish(self) -> Written:
        """Move in what was staged. Raises OSError; then no exchange was written."""
        try:
            for cassette in self._staging.cassettes:
                self.done.written += self._staging.commit(cassette, self._normalise).written
        finally:
            self._staging.close()
        return self.done

    # -- exchanges

    def _exchange(self, item: Exchange) -> None:
        unpacked = _unpacked(item)
        if isinstance(unpacked, Note):
            self.done.notes.append(unpacked)
            return
        headers, chunks = unpacked
        try:
            asked = _asked(item)
        except BadRequest as error:
            self.done.notes.append(Note(item.place, f"left out, it is no request of the AI binding: {error}"))
            return
        spool = Spool()
        for t_ms, chunk in chunks:
            spool.add(t_ms, chunk)
        noted = Noted(
            asked=self._redaction.stored(asked),
            request_body=item.request_body or None,
            status=item.status,
            headers=headers,
            body=spool,
            live=item.timed,
            first_byte_ms=item.first_byte_ms,
            end=item.end,
            usage=_usage(headers, chunks),
        )
        try:
            made = interaction(noted, self._redaction, self._normalise, _moment(item) or self._now(), self._keep_blob)
        finally:
            spool.close()
        answer = (made.key, _fingerprint(made.document["response"]))
        if self._there[answer]:
            self._there[answer] -= 1
            self.done.same += 1
            return
        self._staging.add(self._cassette, self._count, Interaction(made.request, made.key, {**made.document, "source": "imported"}))

    def _keep_blob(self, windows: Iterable[bytes], media_type: str) -> dict[str, Any]:
        return self._staging.keep_blob(self._cassette, windows, media_type)

    # -- stubs and whole recordings

    def _stub(self, item: Stub) -> None:
        name = re.sub(r"[^a-z0-9]+", "-", item.word.lower()).strip("-")[:60].strip("-") or "stub"
        document = {
            "format": FORMAT,
            "id": f"{self._count:03d}-{name}",
            "source": "imported",
            "recorded": {"at": self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "tool": __version__},
            **item.document,
        }
        self._write(item.place, self._cassette, sealed(document), {})

    def _ready(self, item: Ready) -> None:
        self._write(item.place, check_cassette_name(self._given or item.cassette), dict(item.document), item.blobs)

    def _write(self, place: str, cassette: str, document: dict[str, Any], blobs: Mapping[str, bytes]) -> None:
        folder = self._ai / cassette
        file = folder / f"{document.get('id')}.json"
        check_shape(file, document)
        findings = [finding for finding in self._redaction.findings(document) if not finding.path.startswith("$.recorded")]
        if findings:
            raise blocked(ModelRequest(Kind.HTTP, str(document["request"].get("target"))), findings)
        data = recording_text(document)
        wrong = next((name for name in blob_files(document) if _BLOB.fullmatch(name) is None or name not in blobs), None)
        if wrong is not None:
            self.done.notes.append(Note(place, f"left out, its blob {wrong!r} is missing"))
            return
        if file.exists():
            if _same(file, document):
                self.done.same += 1
            else:
                self.done.notes.append(Note(place, f"left out, {file} exists and says something else; delete it to import this one"))
            return
        folder.mkdir(parents=True, exist_ok=True)
        new = [folder / name for name in blob_files(document) if not (folder / name).exists()]
        for path in new:
            path.parent.mkdir(exist_ok=True)
            write_atomically(path, blobs[path.relative_to(folder).as_posix()])
        try:
            parse_recording(cassette, file, data)
        except RecordingError:
            for path in new:
                path.unlink()
            raise
        write_atomically(file, data)
        self.done.written.append(file)


def _asked(item: Exchange) -> ModelRequest:
    path = item.url.removeprefix(BINDING).split("?")[0] if item.url.startswith(BINDING) else ""
    if path in ("run", "ai-gateway/run"):
        return run_request(item.request_headers, item.request_body)
    if path.startswith(_UNIVERSAL):
        return universal_request(path.removeprefix(_UNIVERSAL), item.request_headers, item.request_body)
    return http_request(item.method, item.url, item.request_headers, item.request_body)


def _unpacked(item: Exchange) -> tuple[Headers, tuple[tuple[int, bytes], ...]] | Note:
    """Headers and chunks of the answer, decompressed; streams of events in their events where the format keeps no pieces."""
    chunks = item.chunks
    coding = (header(item.response_headers, "content-encoding") or "identity").strip().lower()
    data = b"".join(chunk for _, chunk in chunks)
    if coding not in ("identity", ""):
        unpack = decoder(coding)
        if unpack is None:
            return Note(item.place, f"left out, its body is compressed with {coding}; record it decompressed")
        try:
            plain = _all_of(unpack, data)
        except Broken:
            return Note(item.place, f"left out, its body is not the {coding} that its header says")
        chunks = ((chunks[0][0] if chunks else 0, plain),)
        data = plain
    if not item.timed:
        chunks = _in_events(header(item.response_headers, "content-type") or "", data, chunks[0][0] if chunks else 0)
    return [(name, value) for name, value in item.response_headers if name.lower() != "content-encoding"], chunks


def _all_of(unpack: Decoder, data: bytes) -> bytes:
    plain = unpack.feed(data)
    while not unpack.finished and (more := unpack.feed(b"")):
        plain += more
    return plain


def _in_events(media_type: str, data: bytes, t_ms: int) -> tuple[tuple[int, bytes], ...]:
    framing = framing_of(media_type)
    if framing == "sse":
        parser = SseParser()
        pieces = [event.raw for event in parser.feed(data)] + ([parser.rest] if parser.rest else [])
    else:
        pieces = data.splitlines(keepends=True) if framing == "ndjson" else [data]
    return tuple((t_ms, piece) for piece in pieces)


def _usage(headers: Headers, chunks: tuple[tuple[int, bytes], ...]) -> Mapping[str, Any] | None:
    data = b"".join(chunk for _, chunk in chunks)
    framing = framing_of(header(headers, "content-type") or "")
    if framing is None:
        return usage_in(json_value(data.decode("utf-8", "replace")))
    values = (parsed_event(framing, event) for event in reversed(events_of(framing, data, [(0, len(data))])))
    return next((found for value in values if (found := usage_in(value))), None)


def _moment(item: Exchange) -> datetime | None:
    """When it was recorded: as the format says, else by the answer's own `date`."""
    try:
        if item.at is not None:
            moment = datetime.fromisoformat(item.at)
        else:
            moment = parsedate_to_datetime(header(item.response_headers, "date") or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _answers_there(cassette: Path) -> Counter[tuple[str, str]]:
    """How often each answer was imported before, by key and fingerprint."""
    there: Counter[tuple[str, str]] = Counter()
    for file in recording_files(cassette):
        document = json_value(file.read_text("utf-8", "replace"))
        if isinstance(document, dict) and document.get("source") == "imported" and isinstance(document.get("response"), dict):
            there[(document.get("match") or {}).get("key", ""), _fingerprint(document["response"])] += 1
    return there


def _fingerprint(response: Mapping[str, Any]) -> str:
    return json.dumps(response, sort_keys=True)


def _same(file: Path, document: Mapping[str, Any]) -> bool:
    there = json_value(file.read_text("utf-8", "replace"))
    if not isinstance(there, dict):
        return False
    return all(there.get(name) == document.get(name) for name in (*there, *document) if name != "recorded")
