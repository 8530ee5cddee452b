"""From what was noted of an exchange to the document of a recording: redacted, checked for secrets, byte-exact (ai-binding.md 7.1, 7.5).

The order matters: redact the bytes, move the transport splits along, make events of them, look at the texts that events add up to, and
refuse to go on when a secret is left.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from emulator import __version__
from emulator.errors import RecordingError
from emulator.gateway.ai.answers import StreamEnd
from emulator.gateway.ai.canonical import ModelRequest, canonical, key_of
from emulator.gateway.ai.cassettes.cassette_files import SMALL
from emulator.gateway.ai.cassettes.decoding import events_of, framing_of, json_value, layout_of, parsed_event
from emulator.gateway.ai.cassettes.encoding import encode_event, laid_out
from emulator.gateway.ai.cassettes.manifest import rules_label
from emulator.gateway.ai.cassettes.problems import FORMAT
from emulator.gateway.ai.recorder.byte_edits import Edit, Split, apply_edits, edited_windows, move_splits
from emulator.gateway.ai.recorder.joined_texts import joined_findings, long_findings, mend
from emulator.gateway.ai.recorder.redaction import Finding, Redaction
from emulator.gateway.ai.recorder.spool import Spool
from emulator.gateway.exchange import Headers, header

KeepBlob = Callable[[Iterable[bytes], str], dict[str, Any]]
"""Stores a body (in pieces) of a media type beside the recording and describes it: `{file, sha256, media_type, bytes}`."""

_MOST_FINDINGS = 5


@dataclass(slots=True)
class Noted:
    """One exchange as it was. `asked` is what `Redaction.stored` gave; `request_body` its raw bytes when they are neither JSON nor text;
    `live` says that the answer came in pieces, so that their times are worth keeping."""

    asked: ModelRequest
    request_body: bytes | None
    status: int
    headers: Headers
    body: Spool
    live: bool
    first_byte_ms: int
    end: StreamEnd = StreamEnd.COMPLETE
    backend: str | None = None
    backend_model: str | None = None
    usage: Mapping[str, Any] | None = None
    cost_usd: float | None = None
    test: str | None = None


@dataclass(frozen=True, slots=True)
class Interaction:
    """A recording without its id, which depends on its neighbours."""

    request: ModelRequest
    key: str
    document: dict[str, Any]


def interaction(noted: Noted, redaction: Redaction, normalise: tuple[str, ...], at: datetime, keep_blob: KeepBlob) -> Interaction:
    """The recording of `noted`. Raises RecordingError E507 naming the JSON paths of secrets that nothing replaces, OSError when a blob
    cannot be written."""
    key = key_of(canonical(noted.asked, normalise))
    response = _response(noted, redaction, keep_blob)
    request = _request(noted, redaction, keep_blob)
    findings = [*redaction.findings(request, ("request",)), *_in_response(response, redaction)]
    if findings:
        raise blocked(noted.asked, findings)
    recorded = {"at": _written(at), "tool": __version__}
    about = {"backend": noted.backend, "backend_model": noted.backend_model, "test": noted.test}
    recorded |= {name: value for name, value in about.items() if value is not None}
    document: dict[str, Any] = {
        "format": FORMAT,
        "source": "recorded",
        "recorded": recorded,
        "request": request,
        "match": {"key": key, "rules": rules_label(normalise)},
        "response": response,
    }
    if noted.usage:
        document["usage"] = dict(noted.usage)
    if noted.cost_usd is not None:
        document["cost_usd"] = noted.cost_usd
    return Interaction(noted.asked, key, document)


def _written(at: datetime) -> str:
    """To the millisecond: the order of recordings that become one request by a change of rules (rekey.py)."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def blocked(asked: ModelRequest, findings: list[Finding]) -> RecordingError:
    """The error for an answer that would carry a secret into a file."""
    shown = [f"{finding.path}: {finding.what}" for finding in findings[:_MOST_FINDINGS]]
    more = [f"and {len(findings) - _MOST_FINDINGS} more"] if len(findings) > _MOST_FINDINGS else []
    return RecordingError(
        "E507",
        f"not recorded, it holds what looks like a secret: {asked.kind} {asked.target}",
        where="\n".join([*shown, *more]),
        hint="put the secret into .dev.vars (its name is written instead), or add an [[ai.redact]] rule to agents-emu.toml",
    )


# -- the request


def _request(noted: Noted, redaction: Redaction, keep_blob: KeepBlob) -> dict[str, Any]:
    asked = noted.asked
    request: dict[str, Any] = {"kind": str(asked.kind), "target": asked.target}
    for name, value in (("headers", asked.headers), ("gateway", asked.gateway), ("options", asked.options)):
        if value:
            request[name] = dict(value)
    body, raw = asked.body, noted.request_body
    if isinstance(body, dict) and raw is not None and body.get("sha256") == hashlib.sha256(raw).hexdigest():
        _refuse_secrets(asked, redaction.findings_in_bytes([raw], "$.request.body_blob"))
        request["body_blob"] = keep_blob([raw], str(body.get("media_type") or "application/octet-stream"))
    elif body is not None and len(written := json.dumps(body, ensure_ascii=False, indent=2, sort_keys=True)) > SMALL:
        _refuse_secrets(asked, redaction.findings(body, ("request", "body_blob")))
        request["body_blob"] = keep_blob([written.encode("utf-8", "backslashreplace") + b"\n"], "application/json")
    elif body is not None:
        request["body"] = body
    return request


def _refuse_secrets(asked: ModelRequest, findings: Iterable[Finding]) -> None:
    if found := list(findings):
        raise blocked(asked, found)


# -- the response


def _response(noted: Noted, redaction: Redaction, keep_blob: KeepBlob) -> dict[str, Any]:
    response: dict[str, Any] = {"status": noted.status, "headers": redaction.response_headers(noted.headers)}
    if noted.first_byte_ms:
        response["t"] = noted.first_byte_ms
    media_type = header(noted.headers, "content-type") or ""
    framing = framing_of(media_type)
    splits = noted.body.splits
    if framing is None and noted.live and len(splits) > 1 and not _is_json(media_type):
        framing = "bytes"
    if framing is not None:
        response["stream"] = _stream(framing, noted, media_type, redaction, keep_blob)
    elif noted.body.size or noted.status not in (204, 304):
        response |= _whole(noted, media_type, redaction, keep_blob)
    redaction.by_path({"response": response})
    return response


def _whole(noted: Noted, media_type: str, redaction: Redaction, keep_blob: KeepBlob) -> dict[str, Any]:
    if noted.body.long and not redaction.needs_whole_bodies:
        edits = redaction.known_edits(noted.body.windows())
        return {"blob": _checked_blob(lambda: edited_windows(noted.body.windows(), edits), media_type, noted, redaction, keep_blob)}
    data = redaction.data(noted.body.read())
    text = _text(data)
    if text is not None and redaction.has_paths:
        text = _by_path(text, redaction)
        data = text.encode()
    if text is None or len(data) > SMALL:
        return {"blob": _checked_blob(lambda: [data], media_type, noted, redaction, keep_blob)}
    if _is_json(media_type):
        value = json_value(text)
        layout = layout_of(value, text)
        if layout is not None:
            return {"json": value} if layout == "compact" else {"json": value, "layout": layout}
    return {"text": text}


def _by_path(text: str, redaction: Redaction) -> str:
    """Rules by JSONPath see a body as `$.response.json` wherever it is JSON, in whatever form it will be kept."""
    value = json_value(text)
    layout = layout_of(value, text) or "compact"
    return laid_out(value, layout) if redaction.by_path({"response": {"json": value}}) else text


def _stream(framing: str, noted: Noted, media_type: str, redaction: Redaction, keep_blob: KeepBlob) -> dict[str, Any]:
    splits = noted.body.splits
    stream: dict[str, Any] = {"framing": framing, "end": str(noted.end)}
    if noted.body.long and not redaction.needs_whole_bodies:
        edits = redaction.known_edits(noted.body.windows())
        if framing != "bytes":
            _refuse_secrets(noted.asked, long_findings(framing, edited_windows(noted.body.windows(), edits), redaction))
        blob = _checked_blob(lambda: edited_windows(noted.body.windows(), edits), media_type, noted, redaction, keep_blob)
        return stream | {"blob": blob, "chunks": _pairs(move_splits(splits, edits))}
    original = noted.body.read()
    edits = redaction.edits(original)
    data, splits = apply_edits(original, edits), move_splits(splits, edits)
    if framing == "bytes" and (_text(data) is None or len(data) > SMALL):
        return stream | {"blob": _checked_blob(lambda: [data], media_type, noted, redaction, keep_blob), "chunks": _pairs(splits)}
    events = events_of(framing, data, splits)
    mended = _events_by_path(framing, mend(framing, events, redaction), redaction)
    inside = _with_events(framing, events, mended, splits)
    if noted.body.long:
        _refuse_secrets(noted.asked, joined_findings(framing, mended, redaction))

        def pieces() -> Iterator[bytes]:
            return (encode_event(framing, event) for event in mended)

        return stream | {"blob": _checked_blob(pieces, media_type, noted, redaction, keep_blob), "chunks": inside["chunks"]}
    return stream | inside


def _with_events(framing: str, before: list[dict[str, Any]], after: list[dict[str, Any]], splits: list[Split]) -> dict[str, Any]:
    """`events`, `chunks` and `sha256` when some of the events that came in `splits` were changed."""
    edits, offset, pieces = [], 0, []
    for old, new in zip(before, after, strict=True):
        was, now = encode_event(framing, old), encode_event(framing, new)
        if was != now:
            edits.append(Edit(offset, offset + len(was), now))
        offset += len(was)
        pieces.append(now)
    digest = hashlib.sha256(b"".join(pieces)).hexdigest()
    return {"events": after, "chunks": _pairs(move_splits(splits, edits)), "sha256": digest}


def _pairs(splits: Iterable[Split]) -> list[list[int]]:
    return [list(split) for split in splits]


def _events_by_path(framing: str, events: list[dict[str, Any]], redaction: Redaction) -> list[dict[str, Any]]:
    """The same for events: `$.response.stream.events[*].json`."""
    if not redaction.has_paths:
        return events
    plain = [event if (value := parsed_event(framing, event)) is None else _as_json(event, value) for event in events]
    view = copy.deepcopy(plain)
    redaction.by_path({"response": {"stream": {"events": view}}})
    return [event if new == old else new for event, old, new in zip(events, plain, view, strict=True)]


def _as_json(event: dict[str, Any], value: Any) -> dict[str, Any]:
    kept: dict[str, Any] = {name: event[name] for name in ("t", "event", "id") if name in event}
    return {**kept, "json": value}


def _checked_blob(
    windows: Callable[[], Iterable[bytes]], media_type: str, noted: Noted, redaction: Redaction, keep_blob: KeepBlob
) -> dict[str, Any]:
    """Looked through first, and stored only then: no file may hold a secret, not even one that is on its way. `windows` gives the body
    from its beginning, as often as it is called; it may be too long to hold."""
    watch = redaction.watch("$.response.blob")
    _refuse_secrets(noted.asked, (found for window in windows() for found in watch(window)))
    return keep_blob(windows(), media_type or "application/octet-stream")


# -- what must not be written


def _in_response(response: dict[str, Any], redaction: Redaction) -> Iterator[Finding]:
    yield from redaction.findings(response["headers"], ("response", "headers"))
    for name in ("json", "text"):
        if name in response:
            yield from redaction.findings(response[name], ("response", name))
    stream = response.get("stream", {})
    framing, events = stream.get("framing", ""), stream.get("events", ())
    for index, event in enumerate(events):
        path: tuple[str | int, ...] = ("response", "stream", "events", index)
        yield from redaction.findings({name: value for name, value in event.items() if name not in ("t", "b64")}, path)
        if "b64" in event:
            yield from redaction.findings_in_bytes([encode_event(framing, event)], f"$.response.stream.events[{index}].b64")
    if framing == "bytes":
        yield from redaction.findings_in_bytes((encode_event(framing, event) for event in events), "$.response.stream")
    yield from joined_findings(framing, events, redaction)


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _is_json(media_type: str) -> bool:
    return media_type.split(";")[0].strip().lower().endswith("json")
