"""TextEncoder, TextDecoder and base64 (`atob`, `btoa`)."""

from __future__ import annotations

import base64
import binascii
import codecs
from typing import Any

from .buffers import JsBuffer, Uint8Array
from .errors import js_error
from .values import JsObject, JsProxy, is_nullish, js_string, option


class TextEncoder(JsProxy):
    """Text to UTF-8 bytes; lone surrogates become U+FFFD."""

    __slots__ = ()
    _js_name = "TextEncoder"
    encoding = "utf-8"

    def encode(self, text: Any = "") -> Uint8Array:
        return Uint8Array(utf8("" if text is None else js_string(text)))

    def encodeInto(self, text: Any, target: Uint8Array) -> JsObject:
        data = utf8(js_string(text))
        fitting = data[: target.byteLength].decode("utf-8", "ignore")
        written = fitting.encode()
        target.buffer.writable()[target.byteOffset : target.byteOffset + len(written)] = written
        return JsObject({"read": len(fitting.encode("utf-16-le")) // 2, "written": len(written)})


class TextDecoder(JsProxy):
    """Bytes to text. With `{stream: true}` a cut character waits for the next call."""

    __slots__ = ("_decoder", "encoding", "fatal", "ignoreBOM")
    _js_name = "TextDecoder"

    def __init__(self, label: Any = "utf-8", options: Any = None) -> None:
        if isinstance(label, JsObject):
            label, options = "utf-8", label
        try:
            self.encoding = codecs.lookup("utf-8" if is_nullish(label) else js_string(label)).name
        except LookupError:
            raise js_error("RangeError", f"Invalid encoding: {js_string(label)}") from None
        self.fatal = bool(option(options, "fatal", False))
        self.ignoreBOM = bool(option(options, "ignoreBOM", False))
        self._decoder = self._fresh()

    def decode(self, source: Any = None, options: Any = None) -> str:
        data = b"" if is_nullish(source) else source.to_bytes() if isinstance(source, JsBuffer) else None
        if data is None:
            raise js_error("TypeError", "TextDecoder takes an ArrayBuffer or a view of one.")
        more = bool(option(options, "stream", False))
        try:
            text = self._decoder.decode(data, final=not more)
        except UnicodeDecodeError:
            self._decoder = self._fresh()
            raise js_error("TypeError", "Failed to decode input.") from None
        if not more:
            self._decoder = self._fresh()
        return text

    def _fresh(self) -> codecs.IncrementalDecoder:
        name = "utf-8-sig" if self.encoding == "utf-8" and not self.ignoreBOM else self.encoding
        return codecs.getincrementaldecoder(name)("strict" if self.fatal else "replace")


def utf8(text: str) -> bytes:
    """UTF-8 with lone surrogates replaced, as the platform encodes strings."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def utf8_text(data: bytes | bytearray | memoryview) -> str:
    """Bytes of a body as text: UTF-8, without a byte order mark, errors replaced."""
    return str(data, "utf-8", "replace").removeprefix("\ufeff")


def btoa(text: Any) -> str:
    try:
        return base64.b64encode(js_string(text).encode("latin-1")).decode()
    except UnicodeEncodeError:
        raise js_error("InvalidCharacterError", "btoa() can only operate on characters in the Latin1 (ISO/IEC 8859-1) range.") from None


def atob(text: Any) -> str:
    given = "".join(js_string(text).split())
    try:
        return base64.b64decode(given.rstrip("=") + "=" * (-len(given.rstrip("=")) % 4), validate=True).decode("latin-1")
    except binascii.Error:
        raise js_error("InvalidCharacterError", "atob() called with invalid base64-encoded data.") from None
