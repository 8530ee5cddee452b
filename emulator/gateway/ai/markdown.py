"""`toMarkdown()`: documents that already are text become Markdown; every other format is refused in the service's own way. Pure."""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import io
import json
from typing import Any

_FORMATS = {
    ".md": "text/markdown",
    ".txt": "text/plain",
    ".csv": "text/csv",
    ".json": "application/json",
}


def supported() -> list[dict[str, str]]:
    """The formats that are converted here, fewer than the real service knows."""
    return [{"extension": extension, "mimeType": mime_type} for extension, mime_type in _FORMATS.items()]


def convert(file: dict[str, Any]) -> dict[str, Any]:
    """One result row for `{name, mimeType, data}` with base64 data: `format` is `markdown`, or `error` with a sentence."""
    name, mime_type = str(file.get("name", "")), str(file.get("mimeType", "")).split(";")[0].strip().lower()
    row = {"id": hashlib.sha256(f"{name}\0{file.get('data')}".encode()).hexdigest()[:32], "name": name, "mimeType": mime_type}
    extension = name[name.rfind(".") :].lower() if "." in name else ""
    kind = mime_type if mime_type in _FORMATS.values() else _FORMATS.get(extension)
    if kind is None:
        known = ", ".join(_FORMATS)
        return {**row, "format": "error", "error": f"{mime_type or extension or 'this format'} is not converted locally (only {known})"}
    try:
        text = base64.b64decode(str(file.get("data", "")), validate=True).decode("utf-8-sig")
        data = _markdown(kind, name, text)
    except (binascii.Error, ValueError, csv.Error) as error:
        return {**row, "format": "error", "error": f"cannot be read as {kind}: {error}"}
    return {**row, "format": "markdown", "tokens": max(1, len(data) // 4), "data": data}


def _markdown(kind: str, name: str, text: str) -> str:
    if kind == "text/csv":
        return f"# {name}\n\n{_table(list(csv.reader(io.StringIO(text))))}"
    if kind == "application/json":
        return f"```json\n{json.dumps(json.loads(text), indent=2, ensure_ascii=False)}\n```\n"
    return text


def _table(rows: list[list[str]]) -> str:
    if not rows:
        return ""
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    lines = [cells[0], ["---"] * len(cells[0]), *cells[1:]]
    return "".join(f"| {' | '.join(row)} |\n" for row in lines)
