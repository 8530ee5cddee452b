"""Blob and File: immutable bytes with a type."""

from __future__ import annotations

from typing import Any

from .buffers import ArrayBuffer, JsBuffer, Uint8Array
from .promise import JsPromise
from .readable import ReadableStream
from .text import utf8, utf8_text
from .values import JsProxy, is_nullish, iterate, js_string, option, takes_options


class Blob(JsProxy):
    """Bytes in memory."""

    __slots__ = ("__weakref__", "_data", "type")
    _js_name = "Blob"
    _rpc_transferable = True  # immutable: the other side may have the same one

    def __init__(self, data: bytes, content_type: str = "") -> None:
        self._data = data
        self.type = content_type.lower() if content_type.isascii() and content_type.isprintable() else ""

    @classmethod
    def _js_new(cls, parts: Any = None, options: Any = None) -> Blob:
        return cls(join_parts(parts), option_text(options, "type"))

    @property
    def size(self) -> int:
        return len(self._data)

    def data(self) -> bytes:
        """The bytes, for the host."""
        return self._data

    def slice(self, start: Any = None, end: Any = None, content_type: Any = None) -> Blob:
        begin, stop = (None if is_nullish(bound) else int(bound) for bound in (start, end))
        return Blob(self._data[begin:stop], "" if is_nullish(content_type) else js_string(content_type))

    def text(self) -> JsPromise:
        return JsPromise.resolved(utf8_text(self._data))

    def arrayBuffer(self) -> JsPromise:
        return JsPromise.resolved(ArrayBuffer(self._data))

    def bytes(self) -> JsPromise:
        return JsPromise.resolved(Uint8Array(self._data))

    def stream(self) -> ReadableStream:
        return ReadableStream.from_bytes(self._data)


class File(Blob):
    """A Blob with a name and a date (milliseconds since 1970)."""

    __slots__ = ("lastModified", "name")
    _js_name = "File"

    def __init__(self, data: bytes, name: str, content_type: str = "", last_modified: float = 0) -> None:
        super().__init__(data, content_type)
        self.name = name
        self.lastModified = int(last_modified)

    @classmethod
    @takes_options
    def _js_new(cls, parts: Any = None, name: Any = "", options: Any = None) -> File:
        modified = option(options, "lastModified", 0)
        return cls(join_parts(parts), js_string(name), option_text(options, "type"), 0 if is_nullish(modified) else modified)


def join_parts(parts: Any) -> bytes:
    """The bytes of Blob parts: buffers and blobs as they are, anything else as text."""
    if is_nullish(parts):
        return b""
    pieces = [part_bytes(part) for part in iterate(parts)]
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def part_bytes(part: Any) -> bytes:
    if isinstance(part, Blob):
        return part._data
    return part.to_bytes() if isinstance(part, JsBuffer) else utf8(js_string(part))


def option_text(options: Any, name: str) -> str:
    value = option(options, name, "")
    return "" if is_nullish(value) else js_string(value)
