"""HAR 1.2, as browsers, proxies and `agents-emu ai export --har` write it.

Bodies are whole; the pieces of a streamed answer are known only where our own `_chunks` stands (`[ms, bytes]`). Pages, images and other
loads of a browser come along: `--url` picks what is wanted.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from emulator.gateway.ai.curation.importing import Exchange, Found, Note, read_text, unreadable
from emulator.gateway.exchange import Headers


def read_har(file: Path) -> Found:
    """The entries of a HAR file. Raises RecordingError E534."""
    text = read_text(file)
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        cut = " (it ends too early)" if error.pos >= len(text.rstrip()) else ""
        raise unreadable(file, f":{error.lineno}:{error.colno}", f"it is not JSON: {error.msg}{cut}", "save it again") from None
    log = document.get("log") if isinstance(document, dict) else None
    entries = log.get("entries") if isinstance(log, dict) else None
    if not isinstance(entries, list):
        raise unreadable(file, " $.log.entries", "it is no HAR file", "a HAR file has a list there")
    found = Found()
    for index, entry in enumerate(entries):
        place = f"{file} $.log.entries[{index}]"
        try:
            found.items.append(_exchange(place, entry))
        except _LeftOut as reason:
            found.notes.append(Note(place, f"left out, {reason}"))
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
            found.notes.append(Note(place, f"left out, it is not readable: {what}"))
    return found


class _LeftOut(Exception):
    """Why an entry is no exchange that could be replayed."""


def _exchange(place: str, entry: Mapping[str, Any]) -> Exchange:
    request, response = entry["request"], entry["response"]
    url, status = str(request["url"]), int(response.get("status") or 0)
    if not url.startswith(("http://", "https://")):
        raise _LeftOut(f"it is no HTTP request: {url[:60]}")
    if status < 200:
        raise _LeftOut("it has no answer" if status == 0 else f"it became another protocol (status {status})")
    body = _answer(response.get("content") or {})
    wait_ms = max(0, round(float((entry.get("timings") or {}).get("wait") or 0)))
    chunks = _chunks(entry.get("_chunks"), body)
    return Exchange(
        place=place,
        method=str(request["method"]).upper(),
        url=url,
        request_headers=_headers(request.get("headers")),
        request_body=_question(request.get("postData")),
        status=status,
        response_headers=_headers(response.get("headers")),
        chunks=chunks or ((wait_ms, body),),
        at=str(entry["startedDateTime"]) if entry.get("startedDateTime") else None,
        timed=bool(chunks),
        first_byte_ms=wait_ms,
    )


def _headers(headers: Any) -> Headers:
    """The body in a HAR file is decoded already, whatever `content-encoding` says."""
    return [(str(header["name"]), str(header["value"])) for header in headers or () if str(header["name"]).lower() != "content-encoding"]


def _question(data: Any) -> bytes:
    if not isinstance(data, Mapping):
        return b""
    if isinstance(data.get("text"), str):
        return base64.b64decode(data["text"]) if data.get("encoding") == "base64" else data["text"].encode()
    return urlencode([(param.get("name", ""), param.get("value", "")) for param in data.get("params") or ()]).encode()


def _answer(content: Mapping[str, Any]) -> bytes:
    text = content.get("text")
    if not isinstance(text, str):
        if content.get("size"):
            raise _LeftOut("its body was not saved")
        return b""
    return base64.b64decode(text) if content.get("encoding") == "base64" else text.encode()


def _chunks(splits: Any, body: bytes) -> tuple[tuple[int, bytes], ...]:
    if not isinstance(splits, list) or sum(size for _, size in splits) != len(body):
        return ()
    chunks, at = [], 0
    for t_ms, size in splits:
        chunks.append((int(t_ms), body[at : at + size]))
        at += size
    return tuple(chunks)
