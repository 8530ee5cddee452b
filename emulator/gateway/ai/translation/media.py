"""Pictures and sound inside `run` inputs: base64 text, arrays of bytes, data URLs (ai-binding.md 2.1, 4.1). Pure."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from emulator.gateway.ai.upstream_errors import untranslatable

_SIGNATURES = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"\x1aE\xdf\xa3", "audio/webm"),
)
_EXTENSIONS = {"audio/mpeg": "mp3", "audio/wav": "wav", "audio/ogg": "ogg", "audio/flac": "flac", "audio/webm": "webm", "audio/mp4": "m4a"}


def media_type(data: bytes, fallback: str) -> str:
    """What the first bytes say."""
    if data[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(data[8:12], fallback)
    if data[4:8] == b"ftyp":
        return "audio/mp4"
    return next((kind for start, kind in _SIGNATURES if data.startswith(start)), fallback)


def file_name(kind: str) -> str:
    """A name by whose end servers recognise the format."""
    return f"audio.{_EXTENSIONS.get(kind.split(';')[0].strip(), 'wav')}"


def bytes_of(value: Any, name: str) -> bytes:
    """The bytes of input `name`: base64 text or data URL, an array of bytes, a `Uint8Array` as JSON writes it (`{"0": 1}`), or
    `{body: <base64>, contentType}`. Raises Refused 5004 or 5006."""
    if isinstance(value, dict) and "body" in value:
        value = value["body"]
    elif isinstance(value, dict) and value and all(key.isdigit() for key in value):
        value = [value[key] for key in sorted(value, key=int)]
    if isinstance(value, str):
        text = value.partition(";base64,")[2] if value.startswith("data:") else value
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise untranslatable(f"input {name!r} is not base64", code=5004) from None
    if isinstance(value, list) and all(isinstance(item, int) and 0 <= item <= 255 for item in value):
        return bytes(value)
    raise untranslatable(f"input {name!r} must be base64 text or an array of bytes, and is {type(value).__name__}")


def data_url(value: Any, name: str) -> str:
    """A picture as a `data:` URL; addresses (`https:`, `data:`) stay as they are."""
    if isinstance(value, str) and value.startswith(("data:", "https:", "http:")):
        return value
    data = bytes_of(value, name)
    return f"data:{media_type(data, 'image/png')};base64,{base64.b64encode(data).decode()}"
