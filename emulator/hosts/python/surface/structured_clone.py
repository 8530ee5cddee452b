"""Structured clone: to bytes for storage and attachments (V8's format), or from object to object for RPC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .boxed import Boxed
from .buffers import ArrayBuffer, DataView, TypedArray
from .containers import JsArray, JsMap, JsSet
from .dates import JsDate
from .errors import JsException, js_error
from .regexp import JsRegExp
from .v8_reader import V8Reader
from .v8_writer import V8Writer, refuse
from .values import JsNull, JsObject, JsProxy, js_number


def dumps(value: Any) -> bytes:
    """A value as V8 serializes it; DataCloneError (JsException) for functions, promises, Python objects, host objects."""
    writer = V8Writer()
    try:
        writer.write(value)
    except RecursionError:
        raise js_error("RangeError", "Maximum call stack size exceeded") from None
    return writer.finish()


def loads(data: bytes) -> Any:
    """The value behind V8's bytes; DataCloneError for anything else."""
    try:
        return V8Reader(data).read()
    except RecursionError:
        raise js_error("RangeError", "Maximum call stack size exceeded") from None


type SpecialClone = Callable[[Any], Any]
"""What `clone` asks for values outside structured clone (functions, stubs, streams, Request, Response, Python
objects): the value to use on the other side, or NotImplemented to refuse it."""


def clone(value: Any, special: SpecialClone | None = None, limit: int | None = None) -> Any:
    """A deep copy; shared references and cycles keep their shape. DataCloneError for what has no copy.

    `limit` is how many bytes of text and buffers may travel over RPC; everything else in a value is small beside them.
    """
    cloner = Cloner(special)
    try:
        copy = cloner.copy(value)
    except RecursionError:
        raise js_error("RangeError", "Maximum call stack size exceeded") from None
    if limit is not None and cloner.size > limit:
        whole = f"{limit // 1024 // 1024}MiB, but the size of this value was: {cloner.size} bytes."
        raise js_error("Error", f"Serialized RPC arguments or return values are limited to {whole}")
    return copy


PRIMITIVES: Final = frozenset({type(None), bool, int, JsNull})


class Cloner:
    """One deep copy."""

    __slots__ = ("_seen", "_special", "size")

    def __init__(self, special: SpecialClone | None) -> None:
        self._special = special
        self.size = 0
        self._seen: dict[int, tuple[Any, Any]] = {}  # id -> (the source, kept alive; its copy)

    def copy(self, value: Any) -> Any:
        if value.__class__ in PRIMITIVES:
            return value
        if value.__class__ is str:
            self.size += len(value) if value.isascii() else 2 * len(value)
            return value
        if isinstance(value, bool | int | float | str):
            return js_number(value) if isinstance(value, float) else value
        known = self._seen.get(id(value))
        if known is not None:
            return known[1]
        if isinstance(value, JsProxy):
            made = self._proxy(value)
            if made is not NotImplemented:
                return made
        result = NotImplemented if self._special is None else self._special(value)
        if result is NotImplemented:
            refuse(value)
        return self._keep(value, result)

    def _keep[T](self, source: Any, result: T) -> T:
        self._seen[id(source)] = (source, result)
        return result

    def _proxy(self, value: JsProxy) -> Any:
        match value:
            case JsArray():
                array = self._keep(value, JsArray())
                array.extend([self.copy(item) for item in value])
                return array
            case JsMap():
                mapping = self._keep(value, JsMap())
                for key, item in list(value.items()):
                    mapping.set(self.copy(key), self.copy(item))
                return mapping
            case JsSet():
                members = self._keep(value, JsSet())
                for member in value:
                    members.add(self.copy(member))
                return members
            case ArrayBuffer():
                self.size += value.byteLength
                return self._keep(value, ArrayBuffer(value.to_bytes()))
            case TypedArray():
                buffer = self.copy(value.buffer)
                return self._keep(value, type(value)(buffer, value.byteOffset, value.length))
            case DataView():
                return self._keep(value, DataView(self.copy(value.buffer), value.byteOffset, value.byteLength))
            case JsDate():
                return self._keep(value, JsDate(value._ms))
            case JsRegExp():
                return self._keep(value, JsRegExp(value.source, value.flags))
            case JsException():
                return self._error(value)
            case Boxed():
                return self._keep(value, type(value)(value.valueOf()))
            case JsObject() if value._js_name == "Object":
                own: dict[str, Any] = {}
                plain = self._keep(value, JsObject(own))
                own.update({key: self.copy(item) for key, item in value._js_own().items()})
                return plain
        return NotImplemented

    def _error(self, value: JsException) -> JsException:
        """Name, message, stack and own flags (`retryable`, `remote`, ...) travel."""
        error = self._keep(value, js_error(value.name, value.message))
        error.stack = value.stack
        for key, item in value._js_own().items():
            setattr(error, key, self.copy(item))
        return error
