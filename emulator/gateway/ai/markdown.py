"""`toMarkdown()`: documents become Markdown (ai-binding.md 1.1). Text is converted here, the rest by a library (documents.py)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import csv
import hashlib
import importlib.util
import io
import json
from collections.abc import Callable, Mapping
from typing import Any

FORMATS = {
    ".md": "text/markdown",
    ".txt": "text/plain",
    ".csv": "text/csv",
    ".json": "application/json",
    ".xml": "application/xml",
    ".html": "text/html",
    ".htm": "text/html",
    ".pdf": "application/pdf",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".xls": "application/vnd.ms-excel",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
}
"""By extension. Of what the platform takes, `.xlsm`, `.xlsb`, `.et`, `.numbers`, `.ods` and `.odt` are not here."""

_ALIASES = {"text/xml": "application/xml", "application/xhtml+xml": "text/html", "image/jpg": "image/jpeg"}
_LIBRARY = "markitdown"
_NOT_INSTALLED = "E643"


def supported() -> list[dict[str, str]]:
    """The formats that are converted, fewer than the real service knows."""
    return [{"extension": extension, "mimeType": mime_type} for extension, mime_type in FORMATS.items()]


async def convert(file: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """One result row for `{name, mimeType, data}` with base64 data: `format` is `markdown`, or `error` with a sentence. `options` are the
    call's `conversionOptions`. The library works in a thread."""
    name, mime_type = str(file.get("name", "")), str(file.get("mimeType", "")).split(";")[0].strip().lower()
    row = {"id": hashlib.sha256(f"{name}\0{file.get('data')}".encode()).hexdigest()[:32], "name": name, "mimeType": mime_type}
    extension = name[name.rfind(".") :].lower() if "." in name else ""
    known = _ALIASES.get(mime_type, mime_type)
    kind = known if known in FORMATS.values() else FORMATS.get(extension)
    if kind is None:
        formats = ", ".join(FORMATS)
        return {**row, "format": "error", "error": f"{mime_type or extension or 'this format'} is not converted locally (only {formats})"}
    try:
        data = base64.b64decode(str(file.get("data", "")), validate=True)
        if (of_text := _OF_TEXT.get(kind)) is not None:
            text = of_text(name, data.decode("utf-8-sig"))
        elif importlib.util.find_spec(_LIBRARY) is None:
            needs = f"{kind} needs a converter that is not installed ({_NOT_INSTALLED}): pip install 'agents-emu[markdown]'"
            return {**row, "format": "error", "error": needs}
        else:
            text = await asyncio.to_thread(_by_library, kind, name, data, options)
    except (binascii.Error, ValueError, csv.Error) as error:
        return {**row, "format": "error", "error": f"cannot be read as {kind}: {error}"}
    return {**row, "format": "markdown", "tokens": max(1, len(text) // 4), "data": text}


def _by_library(kind: str, name: str, data: bytes, options: Mapping[str, Any]) -> str:
    # A second of importing, in the thread.
    from emulator.gateway.ai.documents import document_markdown

    return document_markdown(kind, name, data, options)


def _csv(name: str, text: str) -> str:
    return f"# {name}\n\n{_table(list(csv.reader(io.StringIO(text))))}"


def _json(name: str, text: str) -> str:
    return f"```json\n{json.dumps(json.loads(text), indent=2, ensure_ascii=False)}\n```\n"


def _fenced(name: str, text: str) -> str:
    return f"```xml\n{text.strip()}\n```\n"


_OF_TEXT: dict[str, Callable[[str, str], str]] = {
    "text/markdown": lambda name, text: text,
    "text/plain": lambda name, text: text,
    "text/csv": _csv,
    "application/json": _json,
    "application/xml": _fenced,
    "image/svg+xml": _fenced,
}


def _table(rows: list[list[str]]) -> str:
    if not rows:
        return ""
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    lines = [cells[0], ["---"] * len(cells[0]), *cells[1:]]
    return "".join(f"| {' | '.join(row)} |\n" for row in lines)
