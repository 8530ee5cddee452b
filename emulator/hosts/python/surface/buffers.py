"""ArrayBuffer, typed arrays and DataView.

An ArrayBuffer made from `bytes` shares them until somebody writes, so bodies and socket messages pass
through without a copy; the first write makes a private `bytearray`.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Final

from .containers import JsArray
from .errors import js_error
from .values import JsBigInt, JsIterator, JsObject, JsProxy, ToPy, is_nullish, js_number, js_string


class JsBuffer(JsProxy):
    """What Pyodide calls a buffer: an ArrayBuffer or a view of one, copied out with `to_bytes()`."""

    __slots__ = ()
    byteLength: int

    def data(self) -> bytes | bytearray | memoryview:
        """The bytes without a copy; valid until the buffer is written."""
        raise NotImplementedError

    def to_bytes(self) -> bytes:
        return bytes(self.data())

    def to_memoryview(self) -> memoryview:
        return memoryview(bytearray(self.data()))

    def to_string(self, encoding: str = "utf-8") -> str:
        return str(self.data(), encoding)

    def to_file(self, file: Any) -> None:
        file.write(self.data())

    def _js_to_py(self, walk: ToPy, depth: int) -> Any:
        return self.to_memoryview()


class ArrayBuffer(JsBuffer):
    """Raw bytes. `bytes` given to it are shared and copied on the first write."""

    __slots__ = ("__weakref__", "_data")
    _js_name = "ArrayBuffer"
    _js_statics = ("isView",)

    def __init__(self, data: bytes | bytearray = b"") -> None:
        self._data = data

    @classmethod
    def _js_new(cls, length: Any = 0, _options: Any = None) -> ArrayBuffer:
        return cls(bytearray(to_index(length)))

    @staticmethod
    def isView(value: Any = None) -> bool:
        return isinstance(value, TypedArray | DataView)

    @property
    def byteLength(self) -> int:  # type: ignore[override]
        return len(self._data)

    def data(self) -> bytes | bytearray:
        return self._data

    def writable(self) -> bytearray:
        """The bytes for writing; from here on they are this buffer's own."""
        if not isinstance(self._data, bytearray):
            self._data = bytearray(self._data)
        return self._data

    def slice(self, start: int | None = None, end: int | None = None) -> ArrayBuffer:
        return ArrayBuffer(bytes(self._data[start:end]))

    def assign(self, data: Any) -> None:
        self.writable()[:] = memoryview(data).cast("B")


class TypedArray(JsBuffer):
    """A typed view of an ArrayBuffer; the element type is the subclass."""

    __slots__ = ("__weakref__", "_buffer", "_length", "_offset")
    _js_name = "TypedArray"
    _js_statics = ("BYTES_PER_ELEMENT", "from_", "of")
    _format: ClassVar[str] = "B"
    _coerce: ClassVar[Any]  # staticmethod: a JavaScript value to one element
    BYTES_PER_ELEMENT: ClassVar[int] = 1

    def __init__(self, buffer: ArrayBuffer | bytes | bytearray = b"", offset: int = 0, length: int | None = None) -> None:
        """`length` counts elements; None takes all from `offset` (bytes) on."""
        self._buffer = buffer if isinstance(buffer, ArrayBuffer) else ArrayBuffer(buffer)
        self._offset = offset
        self._length = (self._buffer.byteLength - offset) // self.BYTES_PER_ELEMENT if length is None else length

    @classmethod
    def _js_new(cls, source: Any = 0, offset: Any = 0, length: Any = None) -> TypedArray:
        size = cls.BYTES_PER_ELEMENT
        if isinstance(source, ArrayBuffer):
            start = to_index(offset)
            if start % size:
                raise js_error("RangeError", f"start offset of {cls._js_name} should be a multiple of {size}")
            rest = source.byteLength - start
            count = rest // size if is_nullish(length) else to_index(length)
            if rest < 0 or count * size > rest:
                raise js_error("RangeError", f"Invalid typed array length: {count}")
            if is_nullish(length) and rest % size:
                raise js_error("RangeError", f"byte length of {cls._js_name} should be a multiple of {size}")
            return cls(source, start, count)
        if is_nullish(source) or isinstance(source, int | float):
            return cls(bytearray(to_index(source) * size))
        return cls.from_(source)

    @classmethod
    def from_(cls, source: Any) -> TypedArray:
        """A new array of the elements of any iterable or buffer."""
        if cls._format == "B" and isinstance(source, bytes | bytearray | memoryview):
            return cls(bytes(source))
        items = list(source)
        result = cls(bytearray(len(items) * cls.BYTES_PER_ELEMENT))
        for index, item in enumerate(items):
            result[index] = item
        return result

    @classmethod
    def of(cls, *items: Any) -> TypedArray:
        return cls.from_(items)

    @property
    def buffer(self) -> ArrayBuffer:
        return self._buffer

    @property
    def byteOffset(self) -> int:
        return self._offset

    @property
    def byteLength(self) -> int:  # type: ignore[override]
        return self._length * self.BYTES_PER_ELEMENT

    @property
    def length(self) -> int:
        return self._length

    def data(self) -> bytes | bytearray | memoryview:
        whole = self._buffer._data
        if self._offset == 0 and self.byteLength == len(whole):
            return whole
        return memoryview(whole)[self._offset : self._offset + self.byteLength]

    def elements(self) -> memoryview:
        """The elements, readable; aligned or not."""
        view = memoryview(self._buffer._data)[self._offset : self._offset + self.byteLength]
        return view.cast("B").cast(self._format)  # type: ignore[call-overload]

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Any]:
        return (js_number(item) for item in self.elements())

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self.slice(*index.indices(self._length)[:2])
        return js_number(self.elements()[index])

    def __setitem__(self, index: Any, value: Any) -> None:
        self._buffer.writable()
        self.elements()[index] = type(self)._coerce(value)

    def __contains__(self, value: object) -> bool:
        return value in self.elements()

    def subarray(self, start: int = 0, end: int | None = None) -> TypedArray:
        """A view of the same bytes."""
        begin, stop, _ = slice(start, end).indices(self._length)
        return type(self)(self._buffer, self._offset + begin * self.BYTES_PER_ELEMENT, max(0, stop - begin))

    def slice(self, start: int = 0, end: int | None = None) -> TypedArray:
        """A copy of the elements from `start` to `end`."""
        return type(self)(bytes(self.subarray(start, end).data()))

    def set(self, source: Any, offset: int = 0) -> None:
        items = list(source)
        if offset + len(items) > self._length:
            raise js_error("RangeError", "offset is out of bounds")
        for index, item in enumerate(items, offset):
            self[index] = item

    def fill(self, value: Any, start: int = 0, end: int | None = None) -> TypedArray:
        for index in range(*slice(start, end).indices(self._length)):
            self[index] = value
        return self

    def assign(self, data: Any) -> None:
        self._buffer.writable()[self._offset : self._offset + self.byteLength] = memoryview(data).cast("B")

    def assign_to(self, target: Any) -> None:
        memoryview(target).cast("B")[:] = self.data()

    def at(self, index: int) -> Any:
        return self[index] if -self._length <= index < self._length else None

    def join(self, separator: str = ",") -> str:
        return separator.join(js_string(item) for item in self)

    def keys(self) -> JsIterator:
        return JsIterator(range(self._length))

    def values(self) -> JsIterator:
        return JsIterator(self)

    def entries(self) -> JsIterator:
        return JsIterator(JsArray([index, item]) for index, item in enumerate(self))

    def toString(self) -> str:
        return self.join()

    def _js_own(self) -> dict[str, Any]:
        return {str(index): item for index, item in enumerate(self)}

    def _js_to_py(self, walk: ToPy, depth: int) -> Any:
        copy = memoryview(bytearray(self.data()))
        return copy if self._format == "B" else copy.cast(self._format)  # type: ignore[call-overload]


def to_index(value: Any) -> int:
    """A length or offset argument: missing is 0; RangeError when negative or beyond 2**53 - 1."""
    if is_nullish(value):
        return 0
    index = int(value)
    if not 0 <= index < 2**53:
        raise js_error("RangeError", "Invalid array buffer length")
    return index


def wrap_integer(bits: int, signed: bool) -> Callable[[Any], int]:
    """JavaScript's modular conversion to an integer of `bits`."""

    def coerce(value: Any) -> int:
        if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
            return 0
        number = int(value or 0) & ((1 << bits) - 1)
        return number - (1 << bits) if signed and number >> (bits - 1) else number

    return coerce


def clamp_byte(value: Any) -> int:
    """Uint8ClampedArray's conversion: nearest integer in 0..255."""
    return 0 if value != value else max(0, min(255, round(value)))


def typed_array(name: str, code: str, coerce: Callable[[Any], Any]) -> type[TypedArray]:
    """One element type; `code` is its `struct` format."""
    members = {"_js_name": name, "_format": code, "BYTES_PER_ELEMENT": struct.calcsize(code), "_coerce": staticmethod(coerce)}
    return type(name, (TypedArray,), {"__slots__": (), **members})


class Uint8Array(TypedArray):
    """Bytes: what streams carry and `to_js(bytes)` gives."""

    __slots__ = ()
    _js_name = "Uint8Array"
    _coerce = staticmethod(wrap_integer(8, False))


Int8Array = typed_array("Int8Array", "b", wrap_integer(8, True))
Uint8ClampedArray = typed_array("Uint8ClampedArray", "B", clamp_byte)
Int16Array = typed_array("Int16Array", "h", wrap_integer(16, True))
Uint16Array = typed_array("Uint16Array", "H", wrap_integer(16, False))
Int32Array = typed_array("Int32Array", "i", wrap_integer(32, True))
Uint32Array = typed_array("Uint32Array", "I", wrap_integer(32, False))
Float32Array = typed_array("Float32Array", "f", float)
Float64Array = typed_array("Float64Array", "d", float)
BigInt64Array = typed_array("BigInt64Array", "q", wrap_integer(64, True))
BigUint64Array = typed_array("BigUint64Array", "Q", wrap_integer(64, False))

TYPED_ARRAYS: Final[tuple[type[TypedArray], ...]] = (
    Uint8Array,
    Int8Array,
    Uint8ClampedArray,
    Int16Array,
    Uint16Array,
    Int32Array,
    Uint32Array,
    Float32Array,
    Float64Array,
    BigInt64Array,
    BigUint64Array,
)
# Python buffer formats and the array `to_js` makes of them.
ARRAY_OF_FORMAT: Final = {cls._format: cls for cls in reversed(TYPED_ARRAYS) if cls is not Uint8ClampedArray}

_NUMBER_FORMATS: Final = {
    "Int8": "b",
    "Uint8": "B",
    "Int16": "h",
    "Uint16": "H",
    "Int32": "i",
    "Uint32": "I",
    "Float32": "f",
    "Float64": "d",
    "BigInt64": "q",
    "BigUint64": "Q",
}


class DataView(JsBuffer):
    """Reads and writes numbers of any type at any offset: `getUint16(offset, littleEndian)` and so on."""

    __slots__ = ("__weakref__", "_buffer", "_length", "_offset")
    _js_name = "DataView"

    def __init__(self, buffer: ArrayBuffer, offset: int = 0, length: int | None = None) -> None:
        if not isinstance(buffer, ArrayBuffer):
            raise js_error("TypeError", "First argument to DataView constructor must be an ArrayBuffer")
        self._buffer = buffer
        self._offset = to_index(offset)
        self._length = buffer.byteLength - self._offset if is_nullish(length) else to_index(length)
        if self._length < 0 or self._offset + self._length > buffer.byteLength:
            raise js_error("RangeError", f"Invalid DataView length {self._length}")

    @property
    def buffer(self) -> ArrayBuffer:
        return self._buffer

    @property
    def byteOffset(self) -> int:
        return self._offset

    @property
    def byteLength(self) -> int:  # type: ignore[override]
        return self._length

    def data(self) -> memoryview:
        return memoryview(self._buffer._data)[self._offset : self._offset + self._length]

    def __getattr__(self, name: str) -> Any:
        kind = _NUMBER_FORMATS.get(name[3:])
        if kind is None or name[:3] not in ("get", "set"):
            raise AttributeError(name)
        size = struct.calcsize("<" + kind)

        def place(offset: int) -> int:
            if not 0 <= offset <= self._length - size:
                raise js_error("RangeError", "Offset is outside the bounds of the DataView")
            return self._offset + offset

        def read(offset: int, little: bool = False) -> Any:
            (value,) = struct.unpack_from(("<" if little else ">") + kind, self._buffer._data, place(offset))
            return JsBigInt(value) if name.startswith("getBig") else js_number(value)

        def write(offset: int, value: Any, little: bool = False) -> None:
            number = float(value) if kind in "fd" else wrap_integer(size * 8, kind.islower())(value)
            struct.pack_into(("<" if little else ">") + kind, self._buffer.writable(), place(offset), number)

        return read if name[:3] == "get" else write


class BufferLease(JsObject):
    """What `getBuffer()` of a proxied Python buffer gives: `.data` (a typed array sharing the bytes) and `.release()`."""

    __slots__ = ()
    _js_name = "PyBufferView"

    def __init__(self, source: Any) -> None:
        if isinstance(source, bytes):
            array: TypedArray = Uint8Array(source)
        else:
            view = memoryview(source)
            array = ARRAY_OF_FORMAT.get(view.format, Uint8Array)(view.tobytes())
        super().__init__({"data": array, "release": _released, "nbytes": array.byteLength, "readonly": True})


def _released() -> None:
    """Nothing to give back: the bytes are kept alive by whoever holds the array."""


assert sys.byteorder == "little", "typed arrays assume a little-endian machine, as every platform Pyodide runs on is"
