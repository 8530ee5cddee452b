"""One file of a cassette, checked and understood (ai-binding.md 7.1 and 7.2; for people: fixtures/README.md)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from emulator.gateway.ai.answers import Answer, Chunk, StreamEnd
from emulator.gateway.ai.canonical import Kind, ModelRequest, canonical, compact, key_of
from emulator.gateway.ai.cassettes import frames, jsonpath
from emulator.gateway.ai.cassettes.cassette_files import is_as_written
from emulator.gateway.ai.cassettes.encoding import chunks_of, cut, encode_event, is_edited, laid_out, utf8
from emulator.gateway.ai.cassettes.long_body import WINDOW, LongBody
from emulator.gateway.ai.cassettes.problems import FORMAT, broken, foreign_format
from emulator.gateway.ai.cassettes.recording_shape import GUIDE, check_shape

LARGEST = 64 * 1024 * 1024
"""Bytes of a recording's own file; long bodies belong in blobs."""

_MEDIA_TYPES = {"sse": "text/event-stream", "ndjson": "application/x-ndjson", "websocket": frames.MEDIA_TYPE}


class Repeat(StrEnum):
    """How often a recording answers: once, once and then again when it is the last of its key, always."""

    ONCE = "once"
    LAST = "last"
    FOREVER = "forever"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of `match.where`: some value at `path` has to fulfil every condition given."""

    path: str
    steps: tuple[jsonpath.Step, ...]
    conditions: dict[str, Any]

    def holds(self, document: dict[str, Any]) -> bool:
        values = jsonpath.select(document, self.steps)
        if "exists" in self.conditions and bool(values) is not self.conditions["exists"]:
            return False
        rest = {name: value for name, value in self.conditions.items() if name != "exists"}
        return not rest or any(all(_holds(name, wanted, value) for name, wanted in rest.items()) for value in values)

    def __str__(self) -> str:
        return f"{self.path} " + " and ".join(f"{name} {compact(value)}" for name, value in self.conditions.items())


def _holds(condition: str, wanted: Any, value: Any) -> bool:
    if condition == "equals":
        return bool(value == wanted) and isinstance(value, bool) is isinstance(wanted, bool)
    text = value if isinstance(value, str) else compact(value)
    return wanted in text if condition == "contains" else re.search(wanted, text) is not None


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording as the matcher sees it. Hand-written ones (`manual`) match by `rules` and by `request.target` as a pattern
    (`@cf/*`), as do imported ones that have rules; the others by the key of their request."""

    cassette: str
    file: Path
    id: str
    manual: bool
    request: ModelRequest
    rules: tuple[Rule, ...]
    repeat: Repeat
    response: dict[str, Any]
    usage: dict[str, Any] | None
    digest: str
    priority: int = 0
    recorded_at: datetime | None = None
    expires: datetime | None = None
    match: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """As it is written; a recorded one's `key` is for people, the index works it out."""
    _keys: dict[tuple[str, ...], str] = field(default_factory=dict, compare=False, repr=False)

    def key(self, normalise: tuple[str, ...]) -> str:
        """The key of its request under a cassette's rules, worked out once."""
        if normalise not in self._keys:
            self._keys[normalise] = key_of(canonical(self.request, normalise))
        return self._keys[normalise]

    @property
    def identity(self) -> tuple[str, str, str]:
        """Changes when the file's content does, so an edited recording counts as unused."""
        return (self.cassette, self.id, self.digest)

    @property
    def name(self) -> str:
        """`cassette/id`: how logs call it."""
        return f"{self.cassette}/{self.id}"

    def matches(self, request: ModelRequest, document: dict[str, Any]) -> bool:
        """Whether this hand-written recording answers `request`, whose `document()` is given to save repeating it."""
        return self.fits_target(request) and all(rule.holds(document) for rule in self.rules)

    def fits_target(self, request: ModelRequest) -> bool:
        """Whether kind and target pattern fit."""
        return self.request.kind is request.kind and fnmatchcase(request.target, self.request.target)

    @property
    def specificity(self) -> tuple[int, int, int, int]:
        """The higher `match.priority` wins, then more rules, then an exact target over a pattern, then the longer pattern."""
        pattern = any(sign in self.request.target for sign in "*?[")
        return (self.priority, len(self.rules), 0 if pattern else 1, len(self.request.target))

    def edited(self) -> bool:
        """Whether a person changed the stream after it was recorded; it is then played event by event."""
        return "events" in self.response.get("stream", {}) and is_edited(self.response["stream"])

    def answer(self) -> Answer:
        """The answer to play. Raises RecordingError E501 when a blob has gone or changed since loading."""
        response = self.response
        headers = [(name, value) for name, value in response.get("headers", {}).items()]
        given = {name.lower() for name, _ in headers}
        # What was recorded has all the headers there were; by hand, the obvious one may be left out.
        wants_type = "content-type" not in given and (self.manual or "headers" not in response)
        first_byte_ms = response.get("t", 0)
        if "stream" in response:
            stream = response["stream"]
            media_type = _MEDIA_TYPES.get(stream["framing"], "application/octet-stream")
            if wants_type:
                headers.append(("content-type", media_type))
            end = StreamEnd(stream.get("end", "complete"))
            chunks: Sequence[Chunk] = chunks_of(stream) if "events" in stream else self._blob_chunks(stream)
            return Answer(response["status"], headers, b"", chunks, first_byte_ms, end, self.usage)
        body, media_type = _body(response, self.file)
        if "json" in response and self.request.kind not in (Kind.HTTP, Kind.GATEWAY_HTTP, Kind.UNIVERSAL):
            headers = [(name, value) for name, value in headers if name.lower() != "content-type"]
            headers.append(("content-type", media_type))  # exactly: ai-binding.md 1.3 rule 4
        elif media_type and wants_type:
            headers.append(("content-type", media_type))
        return Answer(response["status"], headers, body, None, first_byte_ms, usage=self.usage)

    def _blob_chunks(self, stream: dict[str, Any]) -> Sequence[Chunk]:
        path = _checked_blob(stream["blob"], self.file, "$.response.stream.blob")
        size = path.stat().st_size
        splits = [(t_ms, count) for t_ms, count in stream.get("chunks", ())]
        if sum(count for _, count in splits) != size:
            splits = [(self.response.get("t", 0), size)]
        return LongBody(path, splits) if size > WINDOW else cut(path.read_bytes(), splits)


def _body(response: dict[str, Any], file: Path) -> tuple[bytes, str]:
    if "json" in response:
        return utf8(laid_out(response["json"], response.get("layout", "compact"))), "application/json"
    if "text" in response:
        return utf8(response["text"]), "text/plain;charset=UTF-8"
    if "blob" in response:
        return _read_blob(response["blob"], file, "$.response.blob"), response["blob"]["media_type"]
    return b"", ""


def parse_recording(cassette: str, file: Path, data: bytes) -> Recording:
    """The recording in `data`. Raises RecordingError E501 (broken), or E505 (another format version), with file and JSON path."""
    if len(data) > LARGEST:
        raise broken(file, "", f"{len(data)} bytes are too much for one recording", "move the body into blobs/, or record it again")
    doubled: list[_Doubled] = []

    def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            found = _Doubled(found)
            found.name = _doubled_name(pairs)
            doubled.append(found)
        return found

    ours = is_as_written(data)
    try:
        value = json.loads(data) if ours else json.loads(data.decode("utf-8-sig"), object_pairs_hook=object_of)
    except UnicodeDecodeError as error:
        raise broken(file, "", f"not UTF-8 (byte {error.start})", "save the file as UTF-8") from None
    except json.JSONDecodeError as error:
        cut_off = " (the file ends too early)" if error.pos >= len(error.doc.rstrip()) else ""
        raise broken(file, f":{error.lineno}:{error.colno}", f"not JSON: {error.msg}{cut_off}", "restore or correct the file") from None
    except (ValueError, RecursionError) as error:
        raise broken(file, "", f"not JSON that can be used: {error}", "restore or correct the file") from None
    if doubled:
        path, name = next(_doubles(value, ()))
        raise broken(file, f" {jsonpath.join(path)}", f"the name {name!r} is there twice", "keep one of the two")
    if isinstance(value, dict) and value.get("format", FORMAT) != FORMAT:
        raise foreign_format(file, value["format"])
    if not ours:
        check_shape(file, value)
    return _understood(cassette, file, value, hashlib.sha256(data).hexdigest())


def request_of(file: Path, value: dict[str, Any]) -> ModelRequest:
    """The request of a recording's document; `file` is where its blobs are looked for. Raises RecordingError E501."""
    asked = value["request"]
    body = asked.get("body")
    if "body_blob" in asked:
        body = _blob_body(asked["body_blob"], file)
    return ModelRequest(
        Kind(asked["kind"]),
        asked["target"],
        body,
        {name.lower(): text for name, text in asked.get("headers", {}).items()},
        asked.get("gateway"),
        asked.get("options"),
    )


def _blob_body(blob: dict[str, Any], file: Path) -> Any:
    """JSON as what it says, which is how a request that is too long for its recording is kept; else what kind of body it is."""
    data = _read_blob(blob, file, "$.request.body_blob")
    if blob["media_type"] == "application/json":
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            pass  # described like any other body
    return {"media_type": blob["media_type"], "bytes": blob.get("bytes", len(data)), "sha256": blob["sha256"]}


class _Doubled(dict[str, Any]):
    """An object in which a name is there twice."""

    name = ""


def _doubled_name(pairs: list[tuple[str, Any]]) -> str:
    names = [name for name, _ in pairs]
    return next(name for name in names if names.count(name) > 1)


def _doubles(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, _Doubled):
        yield (*path, value.name), value.name
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        if isinstance(member, dict | list):
            yield from _doubles(member, (*path, name))


def _understood(cassette: str, file: Path, value: dict[str, Any], digest: str) -> Recording:
    match, response = value.get("match", {}), value["response"]
    if "blob" in response:
        _checked_blob(response["blob"], file, "$.response.blob")
    stream = response.get("stream", {})
    if "blob" in stream:
        _checked_blob(stream["blob"], file, "$.response.stream.blob")
    for index, event in enumerate(stream.get("events", ())):
        if "b64" in event:
            _check_base64(file, index, event)
    return Recording(
        cassette=cassette,
        file=file,
        id=value["id"],
        manual=value["source"] == "manual" or (value["source"] == "imported" and "where" in match),
        request=request_of(file, value),
        rules=tuple(_rule(file, index, rule) for index, rule in enumerate(match.get("where", ()))),
        repeat=Repeat(match.get("repeat", "once")),
        response=response,
        usage=value.get("usage"),
        digest=digest,
        priority=match.get("priority", 0),
        recorded_at=_moment(file, "recorded.at", value.get("recorded", {}).get("at")),
        expires=_moment(file, "match.expires", match.get("expires")),
        match=match,
    )


def _moment(file: Path, place: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise broken(file, f" $.{place}", f"{text!r} is no date and time", "write it as 2026-11-22T11:02:03Z") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _check_base64(file: Path, index: int, event: dict[str, Any]) -> None:
    try:
        encode_event("bytes", event)
    except ValueError as error:
        raise broken(file, f" $.response.stream.events[{index}].b64", f"not base64: {error}", GUIDE) from None


def _rule(file: Path, index: int, rule: dict[str, Any]) -> Rule:
    try:
        re.compile(rule.get("regex", ""))
        return Rule(rule["path"], jsonpath.parse(rule["path"]), {name: value for name, value in rule.items() if name != "path"})
    except (jsonpath.PathError, re.error) as error:
        raise broken(file, f" $.match.where[{index}]", str(error), GUIDE) from None


def _read_blob(blob: dict[str, Any], file: Path, place: str) -> bytes:
    return _checked_blob(blob, file, place).read_bytes()


def _checked_blob(blob: dict[str, Any], file: Path, place: str) -> Path:
    """Where the blob is, once it is known to be the one that was recorded; it may be too long to hold."""
    folder = file.parent.resolve()
    path = (folder / blob["file"]).resolve()
    if not path.is_relative_to(folder):
        raise broken(file, f" {place}.file", f"{blob['file']!r} lies outside the cassette", "keep blobs in the cassette's blobs/ folder")
    try:
        with path.open("rb") as content:
            actual = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise broken(file, f" {place}.file", f"cannot read {blob['file']}: {error.strerror}", "restore the file, or record again") from None
    if actual != blob["sha256"]:
        raise broken(file, f" {place}.sha256", f"{blob['file']} has sha256 {actual}", "restore the blob, or write this hash here")
    return path
