"""Cassettes of vcrpy, pytest-recording and pytest-vcr (YAML or JSON), and of Ruby's VCR.

Sources: vcrpy's serializers as version 9.4 writes them (`interactions`, `body.string`, header lists), its older httpx form (`content`,
`status_code`), the `parsed_body` that custom serializers write, and VCR's `http_interactions`. These tools keep no times, and whole
bodies instead of pieces.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from emulator.errors import RecordingError
from emulator.gateway.ai.curation.importing import Exchange, Found, Note, read_text, unreadable
from emulator.gateway.exchange import Headers


def read_vcr(file: Path) -> Found:
    """The interactions of a cassette. Raises RecordingError E534 (not a cassette) or E539 (no YAML library)."""
    document = _parsed(file, read_text(file))
    name = next((name for name in ("interactions", "http_interactions") if isinstance(document, dict) and name in document), None)
    if name is None:
        hint = "a cassette of vcrpy has `interactions`, one of Ruby's VCR `http_interactions`"
        raise unreadable(file, " $", "it is no VCR cassette", hint)
    interactions = document[name]
    if not isinstance(interactions, list):
        raise unreadable(file, f" $.{name}", "it must be a list", "is this the file that vcrpy wrote?")
    found = Found()
    for index, interaction in enumerate(interactions):
        place = f"{file} $.{name}[{index}]"
        try:
            found.items.append(_exchange(place, interaction))
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
            found.notes.append(Note(place, f"left out, it is not readable: {what}"))
    return found


def _parsed(file: Path, text: str) -> Any:
    if file.suffix == ".json" or text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise unreadable(file, f":{error.lineno}:{error.colno}", f"it is not JSON: {error.msg}", "restore the file") from None
    try:
        import yaml
    except ImportError:
        hint = "pip install 'agents-emu[import]'"
        raise RecordingError("E539", "reading a YAML cassette needs PyYAML", where=str(file), hint=hint) from None
    try:
        return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise unreadable(file, place, f"it is not YAML: {what}", "restore the file") from None


def _exchange(place: str, interaction: Mapping[str, Any]) -> Exchange:
    request, response = interaction["request"], interaction["response"]
    status = response.get("status", response.get("status_code"))
    at = interaction.get("recorded_at")
    return Exchange(
        place=place,
        method=str(request["method"]).upper(),
        url=str(request["uri"]),
        request_headers=_headers(request.get("headers")),
        request_body=_body(request),
        status=int(status["code"] if isinstance(status, Mapping) else status),
        response_headers=_headers(response.get("headers")),
        chunks=((0, _body(response)),),
        at=at if isinstance(at, str) else None,
    )


def _headers(headers: Any) -> Headers:
    return [(str(name), str(value)) for name, value in _pairs(headers)]


def _pairs(headers: Any) -> Iterator[tuple[Any, Any]]:
    for name, values in (headers or {}).items():
        for value in values if isinstance(values, list) else [values]:
            yield name, value


def _body(message: Mapping[str, Any]) -> bytes:
    """Text, bytes, `{string}` of either, `{base64_string}`, `content` (old httpx cassettes), or `parsed_body` (already JSON)."""
    if "parsed_body" in message:
        return b"" if message["parsed_body"] is None else json.dumps(message["parsed_body"], ensure_ascii=False).encode()
    body = message.get("body", message.get("content"))
    if isinstance(body, Mapping):
        encoded = body.get("base64_string")
        body = base64.b64decode(encoded) if isinstance(encoded, str) else body.get("string")
    if isinstance(body, str):
        return body.encode()
    if body is None or isinstance(body, bytes):
        return body or b""
    raise ValueError(f"a body of type {type(body).__name__}")
