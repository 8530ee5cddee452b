"""Values to V8's serialization format: what `new v8.Serializer()` writes in Node, and storage holds on disk."""

from __future__ import annotations

import math
import re
import struct
from typing import Any, Final, NoReturn

from .boxed import Boxed
from .buffers import ArrayBuffer, DataView, TypedArray
from .containers import JsArray, JsMap, JsSet
from .convert import JsDoubleProxy, is_function
from .dates import JsDate
from .errors import JsException, js_error
from .regexp import JsRegExp
from .v8_tags import ERROR_LETTER, REGEXP_FLAGS, VERSION, VERSION_TAG, VIEW_LETTER
from .values import MAX_SAFE_INTEGER, JsBigInt, JsObject, JsProxy, class_tag, js_string, jsnull

MAX_INT32: Final = 2**31
MAX_INDEX: Final = 2**32 - 1
INDEX: Final = re.compile(r"0|[1-9][0-9]{0,9}")


class V8Writer:
    """One serialization; `seen` numbers objects in the order they are met."""

    __slots__ = ("_kept", "_out", "_seen")

    def __init__(self) -> None:
        self._out = bytearray((VERSION_TAG, VERSION))
        self._seen: dict[int, int] = {}
        self._kept: list[Any] = []  # objects made on the way stay alive, so that ids stay unique

    def finish(self) -> bytes:
        return bytes(self._out)

    def write(self, value: Any) -> None:
        """Appends one value; DataCloneError for what cannot be cloned."""
        out = self._out
        kind = value.__class__
        if kind is str:
            self._string(value)
        elif value is None:
            out += b"_"
        elif value is jsnull:
            out += b"0"
        elif value is True:
            out += b"T"
        elif value is False:
            out += b"F"
        elif isinstance(value, int):
            self._integer(value)
        elif isinstance(value, float):
            self._float(value)
        elif isinstance(value, str):
            self._string(str(value))
        elif isinstance(value, JsProxy):
            self._object(value)
        else:
            refuse(value)

    def _integer(self, value: int) -> None:
        if isinstance(value, JsBigInt) or abs(value) > MAX_SAFE_INTEGER:
            self._out += b"Z"
            self._bigint(value)
        elif -MAX_INT32 <= value < MAX_INT32:
            self._out += b"I"
            self._varint((value << 1) ^ (value >> 31))
        else:
            self._double(b"N", value)

    def _float(self, value: float) -> None:
        if value.is_integer() and -MAX_INT32 <= value < MAX_INT32 and not (value == 0 and math.copysign(1, value) < 0):
            self._integer(int(value))
        else:
            self._double(b"N", value)

    def _bigint(self, value: int) -> None:
        magnitude = abs(value)
        size = (magnitude.bit_length() + 63) // 64 * 8
        self._varint(size << 1 | (value < 0))
        self._out += magnitude.to_bytes(size, "little")

    def _double(self, tag: bytes, value: float) -> None:
        self._out += tag
        self._out += struct.pack("<d", value)

    def _varint(self, value: int) -> None:
        out = self._out
        value &= 0xFFFFFFFF
        while value > 0x7F:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        out.append(value)

    def _string(self, text: str) -> None:
        out = self._out
        try:
            data = text.encode("latin-1")
        except UnicodeEncodeError:
            data = text.encode("utf-16-le", "surrogatepass")
            if (len(out) + 1 + varint_size(len(data))) & 1:
                out.append(0)  # two-byte text begins at an even offset
            out += b"c"
        else:
            out += b'"'
        self._varint(len(data))
        out += data

    def _object(self, value: JsProxy) -> None:
        if isinstance(value, TypedArray | DataView) and id(value) not in self._seen:
            self._object(value.buffer)
        number = self._seen.get(id(value))
        if number is not None:
            self._out += b"^"
            self._varint(number)
            return
        self._seen[id(value)] = len(self._seen)
        self._kept.append(value)
        match value:
            case JsArray():
                self._array(value)
            case JsMap():
                self._out += b";"
                for key, item in value.items():
                    self.write(key)
                    self.write(item)
                self._end(b":", 2 * value.size)
            case JsSet():
                self._out += b"'"
                for member in value:
                    self.write(member)
                self._end(b",", value.size)
            case JsDate():
                self._double(b"D", value._ms)
            case ArrayBuffer():
                self._end(b"B", value.byteLength)
                self._out += value.data()
            case TypedArray() | DataView():
                self._view(value)
            case JsRegExp():
                self._out += b"R"
                self._string(value.source)
                self._varint(sum(REGEXP_FLAGS[flag] for flag in value.flags))
            case JsException():
                self._error(value)
            case Boxed():
                self._boxed(value)
            case JsObject() if value._js_name == "Object":
                self._plain(value)
            case _:
                refuse(value)

    def _end(self, tag: bytes, count: int) -> None:
        self._out += tag
        self._varint(count)

    def _array(self, value: JsArray) -> None:
        self._end(b"A", len(value))
        for item in value:
            self.write(item)
        self._end(b"$", 0)
        self._varint(len(value))

    def _plain(self, value: JsObject) -> None:
        self._out += b"o"
        own = value._js_own()
        indices = [key for key in own if INDEX.fullmatch(key) and int(key) < MAX_INDEX]
        for key in sorted(indices, key=int):  # JavaScript lists integer keys first, and V8 writes them as numbers
            self._float(float(key))
            self.write(own[key])
        for key, item in own.items():
            if not indices or key not in indices:
                self._string(key)
                self.write(item)
        self._end(b"{", len(own))

    def _view(self, value: TypedArray | DataView) -> None:
        self._out += b"V" + VIEW_LETTER[value._js_name].encode()
        self._varint(value.byteOffset)
        self._varint(value.byteLength)
        self._varint(0)  # neither length-tracking nor backed by a resizable buffer

    def _error(self, value: JsException) -> None:
        self._out += b"r" + ERROR_LETTER.get(value.name, "").encode()
        if value.message:
            self._out += b"m"
            self._string(value.message)
        self._out += b"s"
        self._string(value.stack)
        if "cause" in vars(value):
            self._out += b"c"
            self.write(value.cause)
        self._out += b"."

    def _boxed(self, value: Boxed) -> None:
        inner = value.valueOf()
        if isinstance(inner, bool):
            self._out += b"y" if inner else b"x"
        elif isinstance(inner, str):
            self._out += b"s"
            self._string(inner)
        else:
            self._double(b"n", inner)


def varint_size(value: int) -> int:
    """Bytes a varint takes."""
    return max(1, (value.bit_length() + 6) // 7)


def refuse(value: Any) -> NoReturn:
    """Raises the platform's DataCloneError for a value that cannot be cloned."""
    if is_function(value) and not isinstance(value, JsDoubleProxy) and isinstance(value, JsProxy):
        raise js_error("DataCloneError", f"{js_string(value)} could not be cloned.")
    if isinstance(value, JsProxy) and not isinstance(value, JsDoubleProxy):
        if value._js_name in ("Promise", "WeakMap", "WeakSet", "Function"):
            raise js_error("DataCloneError", f"#<{value._js_name}> could not be cloned.")
        name = value.constructor.name
        raise js_error("DataCloneError", f'Could not serialize object of type "{name}". This type does not support serialization.')
    python = type(value._target if isinstance(value, JsDoubleProxy) else value).__name__
    raise js_error("DataCloneError", f"{class_tag(JsObject())} could not be cloned. (A Python {python} has no JavaScript form; use to_js.)")
