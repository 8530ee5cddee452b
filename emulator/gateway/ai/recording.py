"""One file of a cassette, checked and understood (ai-binding.md 7.1 and 7.2; for people: fixtures/README.md)."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.errors import RecordingError
from emulator.gateway.ai import jsonpath
from emulator.gateway.ai.answers import Answer, StreamEnd
from emulator.gateway.ai.canonical import Kind, ModelRequest, compact
from emulator.gateway.ai.encoding import chunks_of, encode_event, is_edited

if TYPE_CHECKING:
    import jsonschema

FORMAT = 1
_BODIES = ("json", "text", "blob", "stream")
_GUIDE = "fixtures/README.md describes the format"


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
    (`@cf/*`), the others by the key of their request."""

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
    def specificity(self) -> tuple[int, int, int]:
        """More rules win, then an exact target over a pattern, then the longer pattern."""
        pattern = any(sign in self.request.target for sign in "*?[")
        return (len(self.rules), 0 if pattern else 1, len(self.request.target))

    def edited(self) -> bool:
        """Whether a person changed the stream after it was recorded; it is then played event by event."""
        return "stream" in self.response and is_edited(self.response["stream"])

    def answer(self) -> Answer:
        """The answer to play. Raises RecordingError E501 when a blob has gone or changed since loading."""
        response = self.response
        headers = [(name, value) for name, value in response.get("headers", {}).items()]
        given = {name.lower() for name, _ in headers}
        first_byte_ms = response.get("t", 0)
        if "stream" in response:
            stream = response["stream"]
            media_type = {"sse": "text/event-stream", "ndjson": "application/x-ndjson"}.get(stream["framing"], "application/octet-stream")
            if "content-type" not in given:
                headers.append(("content-type", media_type))
            end = StreamEnd(stream.get("end", "complete"))
            return Answer(response["status"], headers, b"", chunks_of(stream), first_byte_ms, end, self.usage)
        body, media_type = _body(response, self.file)
        if "json" in response and self.request.kind not in (Kind.HTTP, Kind.GATEWAY_HTTP, Kind.UNIVERSAL):
            headers = [(name, value) for name, value in headers if name.lower() != "content-type"]
            headers.append(("content-type", media_type))  # exactly: ai-binding.md 1.3 rule 4
        elif media_type and "content-type" not in given:
            headers.append(("content-type", media_type))
        return Answer(response["status"], headers, body, None, first_byte_ms, usage=self.usage)


def _body(response: dict[str, Any], file: Path) -> tuple[bytes, str]:
    if "json" in response:
        return compact(response["json"]).encode(), "application/json"
    if "text" in response:
        return response["text"].encode(), "text/plain;charset=UTF-8"
    if "blob" in response:
        return _read_blob(response["blob"], file, "$.response.blob"), response["blob"]["media_type"]
    return b"", ""


def parse_recording(cassette: str, file: Path, data: bytes) -> Recording:
    """The recording in `data`. Raises RecordingError E501 (broken), or E505 (another format version), with file and JSON path."""
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise broken(file, "", f"not UTF-8 (byte {error.start})", "save the file as UTF-8") from None
    except json.JSONDecodeError as error:
        cut = " (the file ends too early)" if error.pos >= len(error.doc.rstrip()) else ""
        raise broken(file, f":{error.lineno}:{error.colno}", f"not JSON: {error.msg}{cut}", "restore or correct the file") from None
    if isinstance(value, dict) and value.get("format", FORMAT) != FORMAT:
        raise RecordingError(
            "E505",
            f"recording has format {value['format']!r}; this version reads format {FORMAT}",
            where=f"{file} $.format",
            hint="update agents-emu, or record it again",
        )
    _check_shape(file, value)
    return _understood(cassette, file, value, hashlib.sha256(data).hexdigest())


def broken(file: Path, place: str, what: str, hint: str) -> RecordingError:
    """The error for an unusable file; `place` is `:line:column` or ` $.json.path`."""
    return RecordingError("E501", f"unusable recording: {what}", where=f"{file}{place}", hint=hint)


@cache
def validator() -> jsonschema.Draft202012Validator:
    """What checks the shape of a recording. Importing it takes as long as all of aiohttp: a server makes it while its host starts."""
    import jsonschema

    schema = files("emulator.gateway.ai").joinpath("interaction.schema.json").read_text("utf-8")
    return jsonschema.Draft202012Validator(json.loads(schema))


def _check_shape(file: Path, value: Any) -> None:
    check = validator()
    from jsonschema.exceptions import best_match

    error = best_match(check.iter_errors(_without_plain_events(value)))
    if error is not None:
        message = error.message if len(error.message) <= 160 else f"{error.message[:60]} ... {error.message[-90:]}"
        raise broken(file, f" {jsonpath.join(error.absolute_path)}", message, _GUIDE)
    response = value["response"]
    bodies = [name for name in _BODIES if name in response]
    if len(bodies) > 1 or (not bodies and response["status"] not in (204, 304)):
        found = " and ".join(bodies) or "none of them"
        raise broken(file, " $.response", f"one of {', '.join(_BODIES)} is needed, found {found}", f"keep exactly one; {_GUIDE}")


def _without_plain_events(value: Any) -> Any:
    """The same document without its events when every one is of the commonest form, `{t, json}` or `{t, text}`: long streams are most
    of a cassette, and the schema takes a hundred times as long to say so."""
    try:
        events = value["response"]["stream"]["events"]
        plain = all(
            len(event) == 2 and type(event["t"]) is int and event["t"] >= 0 and ("json" in event or type(event["text"]) is str)
            for event in events
        )
    except (KeyError, TypeError):
        return value
    if not plain:
        return value
    return {**value, "response": {**value["response"], "stream": {**value["response"]["stream"], "events": []}}}


def _understood(cassette: str, file: Path, value: dict[str, Any], digest: str) -> Recording:
    asked, match = value["request"], value.get("match", {})
    body = asked.get("body")
    if "body_blob" in asked:
        blob = asked["body_blob"]
        _read_blob(blob, file, "$.request.body_blob")
        body = {"media_type": blob["media_type"], "bytes": blob.get("bytes", 0), "sha256": blob["sha256"]}
    if "blob" in value["response"]:
        _read_blob(value["response"]["blob"], file, "$.response.blob")
    for index, event in enumerate(value["response"].get("stream", {}).get("events", ())):
        if "b64" in event:
            _check_base64(file, index, event)
    return Recording(
        cassette=cassette,
        file=file,
        id=value["id"],
        manual=value["source"] == "manual",
        request=ModelRequest(
            Kind(asked["kind"]),
            asked["target"],
            body,
            {name.lower(): text for name, text in asked.get("headers", {}).items()},
            asked.get("gateway"),
            asked.get("options"),
        ),
        rules=tuple(_rule(file, index, rule) for index, rule in enumerate(match.get("where", ()))),
        repeat=Repeat(match.get("repeat", "once")),
        response=value["response"],
        usage=value.get("usage"),
        digest=digest,
    )


def _check_base64(file: Path, index: int, event: dict[str, Any]) -> None:
    try:
        encode_event("bytes", event)
    except ValueError as error:
        raise broken(file, f" $.response.stream.events[{index}].b64", f"not base64: {error}", _GUIDE) from None


def _rule(file: Path, index: int, rule: dict[str, Any]) -> Rule:
    try:
        re.compile(rule.get("regex", ""))
        return Rule(rule["path"], jsonpath.parse(rule["path"]), {name: value for name, value in rule.items() if name != "path"})
    except (jsonpath.PathError, re.error) as error:
        raise broken(file, f" $.match.where[{index}]", str(error), _GUIDE) from None


def _read_blob(blob: dict[str, Any], file: Path, place: str) -> bytes:
    folder = file.parent.resolve()
    path = (folder / blob["file"]).resolve()
    if not path.is_relative_to(folder):
        raise broken(file, f" {place}.file", f"{blob['file']!r} lies outside the cassette", "keep blobs in the cassette's blobs/ folder")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise broken(file, f" {place}.file", f"cannot read {blob['file']}: {error.strerror}", "restore the file, or record again") from None
    actual = hashlib.sha256(data).hexdigest()
    if actual != blob["sha256"]:
        raise broken(file, f" {place}.sha256", f"{blob['file']} has sha256 {actual}", "restore the blob, or write this hash here")
    return data
