"""V8's serialization format to values: versions 13 to 15, also what Node's `v8.serialize` writes for views."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

from .boxed import JsBoolean, JsNumber, JsString
from .buffers import ArrayBuffer, JsBuffer, TypedArray
from .containers import JsArray, JsMap, JsSet
from .dates import JsDate
from .errors import JsException, js_error
from .regexp import JsRegExp
from .v8_tags import ERROR_OF_LETTER, NODE_VIEWS, PADDING, REGEXP_FLAGS, VERSION, VERSION_TAG, VIEW_OF_LETTER
from .values import JsBigInt, JsObject, js_number, jsnull, number_text

MAX_SPARSE_LENGTH: Final = 10_000_000  # a longer sparse array would not fit in memory here: holes are kept as undefined


class V8Reader:
    """One deserialization of `data`; every defect of it is a DataCloneError."""

    __slots__ = ("_at", "_data", "_objects", "_version")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._objects: list[Any] = []
        if len(data) < 2 or data[0] != VERSION_TAG:
            raise broken("it has no version header")
        self._at = 1
        self._version = self._varint()
        if not 13 <= self._version <= VERSION:
            raise broken(f"its version {self._version} is not known")

    def read(self) -> Any:
        """The next value."""
        value = self._value(self._tag())
        while isinstance(value, ArrayBuffer) and self._peek() == "V":  # a view follows the buffer it looks at
            self._tag()
            value = self._view(value)
        return value

    def _tag(self) -> str:
        data = self._data
        while self._at < len(data):
            byte = data[self._at]
            self._at += 1
            if byte != PADDING:
                return chr(byte)
        raise broken("it ends too early")

    def _peek(self) -> str:
        at = self._at
        while at < len(self._data) and self._data[at] == PADDING:
            at += 1
        return chr(self._data[at]) if at < len(self._data) else ""

    def _value(self, tag: str) -> Any:
        read = READERS.get(tag)
        if read is None:
            raise broken(f"it has the unknown tag {tag!r} at byte {self._at - 1}")
        return read(self)

    def _varint(self) -> int:
        value = shift = 0
        while True:
            if self._at >= len(self._data):
                raise broken("it ends too early")
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise broken("a number in it is too long")

    def _take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise broken("it ends too early")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def _remember[T](self, value: T) -> T:
        self._objects.append(value)
        return value

    def _integer(self) -> int:
        raw = self._varint()
        return (raw >> 1) ^ -(raw & 1)

    def _raw_double(self) -> float:
        (value,) = struct.unpack("<d", self._take(8))
        return float(value)

    def _double(self) -> Any:
        return js_number(self._raw_double())

    def _bigint(self) -> JsBigInt:
        bits = self._varint()
        magnitude = int.from_bytes(self._take(bits >> 1), "little")
        return JsBigInt(-magnitude if bits & 1 else magnitude)

    def _one_byte(self) -> str:
        return self._take(self._varint()).decode("latin-1")

    def _two_byte(self) -> str:
        return self._take(self._varint()).decode("utf-16-le", "surrogatepass")

    def _utf8(self) -> str:
        return self._take(self._varint()).decode("utf-8", "replace")

    def _text(self) -> str:
        value = self._value(self._tag())
        if not isinstance(value, str):
            raise broken("a text is missing")
        return value

    def _reference(self) -> Any:
        number = self._varint()
        if number >= len(self._objects):
            raise broken("it refers to an object that is not there")
        return self._objects[number]

    def _members(self, end: str) -> dict[str, Any]:
        own: dict[str, Any] = {}
        while self._peek() != end:
            key = self.read()
            if not isinstance(key, str | int | float):
                raise broken("a property name is missing")
            own[key if isinstance(key, str) else number_text(key)] = self.read()
        self._tag()
        if self._varint() != len(own):
            raise broken("its property count is wrong")
        return own

    def _plain(self) -> JsObject:
        own: dict[str, Any] = {}
        result = self._remember(JsObject(own))
        own.update(self._members("{"))
        return result

    def _dense(self) -> JsArray:
        length = self._varint()
        if length > len(self._data) - self._at:
            raise broken("it ends too early")
        result = self._remember(JsArray())
        for _ in range(length):
            result.push(self.read())
        self._members("$")
        if self._varint() != length:
            raise broken("an array length is wrong")
        return result

    def _sparse(self) -> JsArray:
        length = self._varint()
        if length > MAX_SPARSE_LENGTH:
            raise js_error("RangeError", f"A sparse array of length {length} does not fit in memory.")
        result = self._remember(JsArray([None] * length))
        for key, item in self._members("@").items():
            if key.isdigit() and int(key) < length:
                result[int(key)] = item
        if self._varint() != length:
            raise broken("an array length is wrong")
        return result

    def _map(self) -> JsMap:
        result = self._remember(JsMap())
        while self._peek() != ":":
            key = self.read()
            result.set(key, self.read())
        self._tag()
        self._varint()
        return result

    def _set(self) -> JsSet:
        result = self._remember(JsSet())
        while self._peek() != ",":
            result.add(self.read())
        self._tag()
        self._varint()
        return result

    def _regexp(self) -> JsRegExp:
        number = len(self._objects)
        self._objects.append(None)
        source = self._text()
        bits = self._varint()
        self._objects[number] = JsRegExp(source, "".join(flag for flag, bit in REGEXP_FLAGS.items() if bits & bit))
        return self._objects[number]

    def _buffer(self) -> ArrayBuffer:
        return self._remember(ArrayBuffer(self._take(self._varint())))

    def _resizable(self) -> ArrayBuffer:
        length = self._varint()
        self._varint()  # its maximum: buffers here do not grow
        return self._remember(ArrayBuffer(self._take(length)))

    def _view(self, buffer: ArrayBuffer) -> JsBuffer:
        cls = VIEW_OF_LETTER.get(self._tag())
        if cls is None:
            raise broken("a view of an unknown type is in it")
        offset, size = self._varint(), self._varint()
        if self._version >= 14:
            self._varint()
        return self._remember(make_view(cls, buffer, offset, size))

    def _host_object(self) -> JsBuffer:
        index, size = self._varint(), self._varint()
        if index >= len(NODE_VIEWS):
            raise broken("a host object of an unknown type is in it")
        return self._remember(make_view(NODE_VIEWS[index], ArrayBuffer(self._take(size)), 0, size))

    def _error(self) -> JsException:
        number = len(self._objects)
        self._objects.append(None)
        name, message, stack, cause = "Error", "", None, []
        while (tag := self._tag()) != ".":
            if tag in ERROR_OF_LETTER:
                name = ERROR_OF_LETTER[tag]
            elif tag == "m":
                message = self._text()
            elif tag == "s":
                stack = self._text()
            elif tag == "c":
                cause.append(self.read())
            else:
                raise broken("an error in it is malformed")
        error = js_error(name, message)
        if stack is not None:
            error.stack = stack
        if cause:
            error.cause = cause[0]
        self._objects[number] = error
        return error


def make_view(cls: type[JsBuffer], buffer: ArrayBuffer, offset: int, size: int) -> JsBuffer:
    """A typed array or DataView of `size` bytes at `offset`; DataCloneError when it does not fit."""
    unit = cls.BYTES_PER_ELEMENT if issubclass(cls, TypedArray) else 1
    if offset + size > buffer.byteLength or size % unit or offset % unit:
        raise broken("a view in it does not fit its buffer")
    return cls(buffer, offset, size // unit)  # type: ignore[call-arg]


def broken(why: str) -> JsException:
    """The platform's error for data that is no clone, with our reason."""
    return js_error("DataCloneError", f"Unable to deserialize cloned data: {why}.")


READERS: Final[dict[str, Callable[[V8Reader], Any]]] = {
    "_": lambda reader: None,
    "-": lambda reader: None,  # a hole
    "0": lambda reader: jsnull,
    "T": lambda reader: True,
    "F": lambda reader: False,
    "I": V8Reader._integer,
    "U": V8Reader._varint,
    "N": V8Reader._double,
    "Z": V8Reader._bigint,
    '"': V8Reader._one_byte,
    "c": V8Reader._two_byte,
    "S": V8Reader._utf8,
    "^": V8Reader._reference,
    "o": V8Reader._plain,
    "A": V8Reader._dense,
    "a": V8Reader._sparse,
    ";": V8Reader._map,
    "'": V8Reader._set,
    "D": lambda reader: reader._remember(JsDate(reader._raw_double())),
    "R": V8Reader._regexp,
    "B": V8Reader._buffer,
    "~": V8Reader._resizable,
    "\\": V8Reader._host_object,
    "r": V8Reader._error,
    "y": lambda reader: reader._remember(JsBoolean(True)),
    "x": lambda reader: reader._remember(JsBoolean(False)),
    "n": lambda reader: reader._remember(JsNumber(reader._double())),
    "z": lambda reader: reader._remember(JsNumber(reader._bigint())),
    "s": lambda reader: reader._remember(JsString(reader._text())),
}
