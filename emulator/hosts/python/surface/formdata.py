"""FormData and the two encodings it travels in: multipart/form-data and form-urlencoded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message
from typing import Any, Final

from .blob import Blob, File
from .containers import JsArray
from .errors import js_error
from .text import utf8, utf8_text
from .url import parse_form
from .values import JsIterator, JsProxy, is_nullish, js_string, jsnull

NEWLINE: Final = b"\r\n"
HEADER: Final = re.compile(rb"([A-Za-z0-9!#$%&'*+\-.^_`|~]+):[ \t]*(.*)")
PARAMETER: Final = re.compile(r';\s*(name|filename)="((?:\\"|[^"])*)"', re.IGNORECASE)


class FormData(JsProxy):
    """Ordered fields; a value is text or a File."""

    __slots__ = ("__weakref__", "_fields")
    _js_name = "FormData"

    def __init__(self, fields: list[tuple[str, Any]] | None = None) -> None:
        """Takes ownership of `fields`."""
        self._fields = [] if fields is None else fields

    @classmethod
    def _js_new(cls, *_args: Any) -> FormData:
        return cls()

    def append(self, name: Any, value: Any, filename: Any = None) -> None:
        self._fields.append((js_string(name), field_value(value, filename)))

    def set(self, name: Any, value: Any, filename: Any = None) -> None:
        key, new = js_string(name), field_value(value, filename)
        place = next((index for index, (held, _) in enumerate(self._fields) if held == key), len(self._fields))
        rest = [field for field in self._fields if field[0] != key]
        self._fields = [*rest[:place], (key, new), *rest[place:]]

    def delete(self, name: Any) -> None:
        key = js_string(name)
        self._fields = [field for field in self._fields if field[0] != key]

    def get(self, name: Any) -> Any:
        key = js_string(name)
        return next((value for held, value in self._fields if held == key), jsnull)

    def getAll(self, name: Any) -> JsArray:
        key = js_string(name)
        return JsArray([value for held, value in self._fields if held == key])

    def has(self, name: Any) -> bool:
        key = js_string(name)
        return any(held == key for held, _ in self._fields)

    def keys(self) -> JsIterator:
        return JsIterator(name for name, _ in self._fields)

    def values(self) -> JsIterator:
        return JsIterator(value for _, value in self._fields)

    def entries(self) -> JsIterator:
        return JsIterator(JsArray([name, value]) for name, value in self._fields)

    def forEach(self, function: Any) -> None:
        for name, value in list(self._fields):
            function(value, name, self)

    def __iter__(self) -> Iterator[Any]:
        return self.entries()

    def fields(self) -> list[tuple[str, Any]]:
        """The fields, for encoding."""
        return self._fields


def field_value(value: Any, filename: Any) -> Any:
    """What a field holds: text, or a File (a Blob becomes one)."""
    if not isinstance(value, Blob):
        if not is_nullish(filename):
            raise js_error("TypeError", "Only a Blob or File field takes a file name.")
        return js_string(value)
    if is_nullish(filename):
        return value if isinstance(value, File) else File(value.data(), "blob", value.type)
    return File(value.data(), js_string(filename), value.type, getattr(value, "lastModified", 0))


def encode_multipart(form: FormData, boundary: str) -> bytes:
    """The body of a form; the matching type is `multipart/form-data; boundary=...`."""
    mark = b"--" + boundary.encode()
    out = bytearray()
    for name, value in form.fields():
        out += mark + NEWLINE + b'Content-Disposition: form-data; name="' + quoted(name) + b'"'
        if isinstance(value, File):
            out += b'; filename="' + quoted(value.name) + b'"' + NEWLINE
            out += b"Content-Type: " + utf8(value.type or "application/octet-stream") + NEWLINE + NEWLINE + value.data() + NEWLINE
        else:
            out += NEWLINE + NEWLINE + utf8(re.sub("\r?\n|\r", "\r\n", value)) + NEWLINE
    return bytes(out + mark + b"--" + NEWLINE)


def quoted(text: str) -> bytes:
    """A parameter value as browsers escape it."""
    return utf8(text).replace(b"\r", b"%0D").replace(b"\n", b"%0A").replace(b'"', b"%22")


def decode_form(data: bytes, content_type: str) -> FormData:
    """The form in a body of `content_type`; TypeError when it is of another type or broken."""
    header = Message()
    header["content-type"] = content_type or "text/plain"
    kind = header.get_content_type()
    if kind == "application/x-www-form-urlencoded":
        return FormData(list(parse_form(utf8_text(data))))
    if kind != "multipart/form-data":
        raise js_error(
            "TypeError",
            "Unrecognized Content-Type header value. FormData can only parse the following MIME types: "
            "multipart/form-data, application/x-www-form-urlencoded",
        )
    boundary = header.get_boundary()
    if not boundary:
        raise js_error("TypeError", "No boundary string in Content-Type header. The multipart/form-data MIME type requires one.")
    return decode_multipart(data, boundary.encode())


def decode_multipart(data: bytes, boundary: bytes) -> FormData:
    """Fields of a multipart body; TypeError when a part or the end is missing."""
    pieces = (NEWLINE + data).split(NEWLINE + b"--" + boundary)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise js_error("TypeError", "No initial or final boundary string (or you have a truncated message).")
    form = FormData()
    for piece in pieces[1:-1]:
        head, gap, content = piece.removeprefix(NEWLINE).partition(NEWLINE + NEWLINE)
        if not gap:
            raise js_error("TypeError", "No end of headers in a part of the multipart message.")
        form._fields.append(decode_part(head, content))
    return form


def decode_part(head: bytes, content: bytes) -> tuple[str, Any]:
    """One part's name and value."""
    lines = {found[1].lower(): found[2].strip() for line in head.split(NEWLINE) if (found := HEADER.fullmatch(line))}
    disposition = utf8_text(lines.get(b"content-disposition", b""))
    given = {key.lower(): unescape(value) for key, value in PARAMETER.findall(disposition)}
    if not disposition.lower().startswith("form-data") or "name" not in given:
        raise js_error("TypeError", "No valid Content-Disposition header found in a part of the multipart message.")
    if "filename" not in given:
        return given["name"], utf8_text(content)
    return given["name"], File(content, given["filename"], utf8_text(lines.get(b"content-type", b"text/plain")))


def unescape(text: str) -> str:
    """The parameter value behind browsers' escapes, and behind curl's backslashes."""
    return text.replace('\\"', '"').replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
