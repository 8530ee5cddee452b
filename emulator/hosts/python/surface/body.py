"""What Request and Response share: a body that is nothing, known bytes, or a stream.

Known bytes stay bytes from the host through user code and back; a stream object is only made when somebody
asks for `.body`. The host takes the body out with `body_source()`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

from . import json as js_json
from .blob import Blob
from .buffers import ArrayBuffer, JsBuffer, Uint8Array
from .errors import js_error
from .formdata import FormData, decode_form, encode_multipart
from .headers import Headers
from .promise import JsPromise
from .readable import ByteSource, ReadableStream
from .text import utf8, utf8_text
from .url import URLSearchParams
from .values import JsProxy, js_string, jsnull

type Bytes = bytes  # inside the class, `bytes` is the method
type Extracted = tuple[bytes | None, ReadableStream | None, str | None]  # known bytes or a stream, and the content type


class Body(JsProxy):
    """Base of Request and Response. At most one of `_known`, `_source` and `_stream` is set, until `.body` is asked for."""

    __slots__ = ("__weakref__", "_headers", "_known", "_source", "_stream", "_used")
    _headers: Headers
    _known: bytes | None
    _source: ByteSource | None
    _stream: ReadableStream | None
    _used: bool

    def _receive(self, headers: list[tuple[str, str]], body: bytes | ByteSource | None) -> None:
        """Header lines and body as they came over the wire, kept and not copied."""
        self._headers = Headers.received(headers)
        if body is None or isinstance(body, bytes):
            self._known = body
            self._source = None
        else:
            self._known = None
            self._source = body
        self._stream = None
        self._used = False

    @property
    def headers(self) -> Headers:
        return self._headers

    @property
    def body(self) -> Any:
        """The ReadableStream; null without a body."""
        if self._stream is None:
            if self._known is not None:
                self._stream = ReadableStream.from_bytes(self._known)
                if self._used:
                    self._stream._lock_for_ever()
            elif self._source is not None:
                self._stream = ReadableStream.from_source(self._source)
            else:
                return jsnull
        return self._stream

    @property
    def bodyUsed(self) -> bool:
        return self._used or (self._stream is not None and self._stream.disturbed)

    def text(self) -> JsPromise:
        return self._consume(utf8_text)

    def json(self) -> JsPromise:
        return self._consume(lambda data: js_json.parse(utf8_text(data)))

    def arrayBuffer(self) -> JsPromise:
        return self._consume(ArrayBuffer)

    def bytes(self) -> JsPromise:
        return self._consume(Uint8Array)

    def blob(self) -> JsPromise:
        return self._consume(lambda data: Blob(data, self._content_type()))

    def formData(self) -> JsPromise:
        return self._consume(lambda data: decode_form(data, self._content_type()))

    def body_source(self) -> Bytes | AsyncIterator[Bytes] | None:
        """Takes the body out: None, all its bytes, or an iterator pulling the stream chunk by chunk.

        Closing the iterator (`aclose()`) cancels the stream. Raises TypeError when the body was used.
        """
        self._check_unused()
        if self._stream is None and self._known is None and self._source is None:
            return None
        known = self._take_known()
        if known is not None:
            return known
        self._used = True
        return self.body.chunks()

    @property
    def is_streamed(self) -> bool:
        """The body is a real stream: its bytes are not known yet."""
        return self._source is not None or (self._stream is not None and self._stream.whole is None)

    def _consume(self, form: Any) -> JsPromise:
        """The body through `form(bytes)`, at once when the bytes are known."""
        try:
            self._check_unused()
            known = b"" if self._stream is None and self._known is None and self._source is None else self._take_known()
            if known is not None:
                return JsPromise.resolved(form(known))
        except Exception as error:
            return JsPromise.rejected(error)
        self._used = True
        return JsPromise.from_awaitable(self._collect(form))

    async def _collect(self, form: Any) -> Any:
        parts: list[Bytes] = []
        if self._stream is None and self._source is not None:
            while (chunk := await self._source.read()) is not None:
                parts.append(chunk)
        else:
            async for part in self.body.chunks():
                parts.append(part)
        return form(parts[0] if len(parts) == 1 else b"".join(parts))

    def _take_known(self) -> Bytes | None:
        """All bytes when they are known, the body then being used; None for a real stream."""
        known = self._known if self._stream is None else self._stream.whole
        if known is not None:
            self._used = True
            if self._stream is not None:
                self._stream._lock_for_ever()
        return known

    def _check_unused(self) -> None:
        if self.bodyUsed or (self._stream is not None and self._stream.locked):
            raise js_error(
                "TypeError", "Body has already been used. It can only be used once. Use tee() first if you need to read it twice."
            )

    def _content_type(self) -> str:
        return self.headers.get("content-type") or ""

    def _give_to(self, copy: Body) -> None:
        """`clone()`: both have the body afterwards."""
        self._check_unused()
        copy._used = False
        copy._source = None
        copy._known = self._known
        copy._stream = None
        if self._stream is not None or self._source is not None:
            mine, theirs = self.body.tee()
            self._source = self._known = copy._known = None
            self._stream, copy._stream = mine, theirs

    def _move_to(self, heir: Body) -> None:
        """`new Request(request)`: the body goes over, this one is used."""
        self._check_unused()
        heir._known, heir._source, heir._stream, heir._used = self._known, self._source, self._stream, False
        if self._stream is not None and self._stream.whole is not None:
            heir._known, heir._stream = self._stream.whole, None
        self._used = self._known is not None or self._source is not None or self._stream is not None
        self._source = None
        if self._stream is not None:
            self._stream = ReadableStream.from_bytes(b"")
            self._stream._lock_for_ever()


def extract(value: Any) -> Extracted:
    """A BodyInit: its bytes or stream, and the content type it implies (python-workers-surface.md 12.7)."""
    if value is None or value is jsnull:
        return None, None, None
    if value.__class__ is str:
        return utf8(value), None, "text/plain;charset=UTF-8"
    if isinstance(value, JsBuffer):
        return value.to_bytes(), None, None
    if isinstance(value, ReadableStream):
        if value.locked or value.disturbed:
            raise js_error("TypeError", "This ReadableStream is disturbed (has already been read from), and cannot be used as a body.")
        if value.whole is not None:
            known = value.whole
            value._lock_for_ever()
            return known, None, None
        return None, value, None
    if isinstance(value, Blob):
        return value.data(), None, value.type or None
    if isinstance(value, FormData):
        boundary = os.urandom(16).hex()
        return encode_multipart(value, boundary), None, f"multipart/form-data; boundary={boundary}"
    if isinstance(value, URLSearchParams):
        return utf8(value.toString()), None, "application/x-www-form-urlencoded;charset=UTF-8"
    return utf8(js_string(value)), None, "text/plain;charset=UTF-8"
