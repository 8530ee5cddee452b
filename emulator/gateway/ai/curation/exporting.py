"""Recordings for other tools: JSON lines that `ai import jsonl` takes back byte for byte, and HAR 1.2."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from emulator import __version__
from emulator.gateway.ai.answers import Answer
from emulator.gateway.ai.canonical import Kind, ModelRequest, compact
from emulator.gateway.ai.cassettes.cassette_files import blob_files
from emulator.gateway.ai.cassettes.inventory import Entry
from emulator.gateway.ai.curation.importing import Note

BINDING = "https://workers-binding.ai"


def jsonl_lines(entries: Iterable[Entry]) -> Iterator[str]:
    """One line for each usable recording, blobs included. Raises OSError."""
    for entry in entries:
        if entry.recording is None or entry.document is None:
            continue
        folder = entry.path.parent
        blobs = {name: base64.b64encode((folder / name).read_bytes()).decode() for name in sorted(blob_files(entry.document))}
        line = {"cassette": entry.cassette, "recording": entry.document}
        yield json_text({**line, "blobs": blobs} if blobs else line)


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON as people read it; in ASCII when a lone surrogate leaves no other way."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent)
    return text


def har(entries: Iterable[Entry]) -> tuple[dict[str, Any], list[Note]]:
    """The HAR document, and what could not be part of it: patterns and requests that are not HTTP."""
    found, notes = [], []
    for entry in entries:
        if entry.recording is None:
            notes.append(Note(str(entry.path), "left out, it is broken"))
            continue
        asked = _http(entry.recording.request)
        if asked is None:
            what = "a pattern stands for many requests" if entry.recording.manual else f"{entry.recording.request.kind} is no plain request"
            notes.append(Note(str(entry.path), f"left out, {what}"))
            continue
        found.append(_entry(entry, asked, entry.recording.answer()))
    log = {"version": "1.2", "creator": {"name": "agents-emu", "version": __version__}, "entries": found}
    return {"log": log}, notes


def _http(asked: ModelRequest) -> tuple[str, str, dict[str, str], Any] | None:
    """Method, URL, headers and JSON body (or text) of a request."""
    if any(sign in asked.target for sign in "*"):
        return None
    if asked.kind is Kind.RUN:
        path = "ai-gateway/run" if asked.gateway else "run"
        options = {**(asked.options or {}), **({"gateway": dict(asked.gateway)} if asked.gateway else {})}
        headers = {"content-type": "application/json", "cf-consn-model-id": asked.target}
        return "POST", f"{BINDING}/{path}?version=3", headers, {"inputs": asked.body, "options": options}
    if asked.kind is Kind.UNIVERSAL:
        gateway = asked.target.removeprefix("universal/")
        return "POST", f"{BINDING}/ai-gateway/universal/run/{gateway}", {"content-type": "application/json"}, asked.body
    if asked.kind not in (Kind.HTTP, Kind.GATEWAY_HTTP):
        return None
    method, _, url = asked.target.partition(" ")
    return method, url, dict(asked.headers), asked.body


def _entry(entry: Entry, asked: tuple[str, str, dict[str, str], Any], answer: Answer) -> dict[str, Any]:
    method, url, headers, body = asked
    document = entry.document or {}
    started = (document.get("recorded") or {}).get("at") or datetime.fromtimestamp(entry.modified_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    data = b"".join(chunk.data for chunk in answer.chunks) if answer.chunks is not None else answer.body
    first_ms = answer.chunks[0].t_ms if answer.chunks else answer.first_byte_ms
    last_ms = answer.chunks[-1].t_ms if answer.chunks else answer.first_byte_ms
    request: dict[str, Any] = {
        "method": method,
        "url": url,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _pairs(headers.items()),
        "queryString": _pairs(parse_qsl(urlsplit(url).query, keep_blank_values=True)),
        "headersSize": -1,
        "bodySize": -1,
    }
    if body is not None:
        text = body if isinstance(body, str) else compact(body)
        request["postData"] = {"mimeType": headers.get("content-type", "application/json"), "text": text}
    media_type = next((value for name, value in answer.headers if name.lower() == "content-type"), "")
    shown: dict[str, Any] = {
        "startedDateTime": started,
        "time": last_ms,
        "request": request,
        "response": {
            "status": answer.status,
            "statusText": "",
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": _pairs(answer.headers),
            "content": {"size": len(data), "mimeType": media_type, **_content(data)},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": len(data),
        },
        "cache": {},
        "timings": {"send": 0, "wait": first_ms, "receive": last_ms - first_ms},
        "comment": entry.name,
    }
    if answer.chunks is not None:
        shown["_chunks"] = [[chunk.t_ms, len(chunk.data)] for chunk in answer.chunks]
    return shown


def _pairs(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs]


def _content(data: bytes) -> dict[str, str]:
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"text": base64.b64encode(data).decode(), "encoding": "base64"}
