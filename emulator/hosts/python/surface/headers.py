"""Headers: lower-case names, combined values, and no work until somebody looks.

The host makes them from the pairs it received (`Headers.received`) and reads them back with `pairs()`; a
request whose headers nobody touches never builds the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from .containers import JsArray, JsMap
from .errors import js_error
from .values import JsIterator, JsObject, JsProxy, is_nullish, iterate, js_string, jsnull

TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
FORBIDDEN_IN_VALUE: Final = re.compile(r"[\x00\r\n]")


class Headers(JsProxy):
    """A header list. Iterating gives `[name, value]` pairs sorted by name; `set-cookie` stays apart."""

    __slots__ = ("__weakref__", "_immutable", "_pairs", "_table")
    _js_name = "Headers"

    def __init__(self, init: Any = None) -> None:
        self._immutable = False
        self._pairs: list[tuple[str, str]] | None = None
        self._table: dict[str, list[str]] | None = {}
        if not is_nullish(init):
            self._fill(init)

    @classmethod
    def received(cls, pairs: list[tuple[str, str]], *, immutable: bool = True) -> Headers:
        """Headers as they came over the wire; the list is kept, not copied."""
        headers = cls.__new__(cls)
        headers._immutable = immutable
        headers._pairs = pairs
        headers._table = None
        return headers

    def pairs(self) -> list[tuple[str, str]]:
        """All lines in order, for the host to send."""
        if self._table is None:
            return self._pairs or []
        return [(name, value) for name, values in self._table.items() for value in values]

    def copy(self) -> Headers:
        """A mutable copy."""
        if self._table is None:
            return Headers.received(self._pairs or [], immutable=False)
        headers = Headers()
        headers._table = {name: list(values) for name, values in self._table.items()}
        return headers

    def get(self, name: Any) -> Any:
        values = self._read().get(header_name(name))
        return jsnull if values is None else ", ".join(values)

    def getAll(self, name: Any) -> JsArray:
        """Only for Set-Cookie, as on the platform."""
        if header_name(name) != "set-cookie":
            raise js_error("TypeError", 'getAll() can only be used with the header name "Set-Cookie".')
        return self.getSetCookie()

    def getSetCookie(self) -> JsArray:
        return JsArray(list(self._read().get("set-cookie", ())))

    def has(self, name: Any) -> bool:
        return header_name(name) in self._read()

    def set(self, name: Any, value: Any) -> None:
        self._write()[header_name(name)] = [header_value(value)]

    def append(self, name: Any, value: Any) -> None:
        self._write().setdefault(header_name(name), []).append(header_value(value))

    def delete(self, name: Any) -> None:
        self._write().pop(header_name(name), None)

    def entries(self) -> JsIterator:
        return JsIterator(JsArray([name, value]) for name, value in self.combined())

    def keys(self) -> JsIterator:
        return JsIterator(name for name, _ in self.combined())

    def values(self) -> JsIterator:
        return JsIterator(value for _, value in self.combined())

    def forEach(self, function: Any) -> None:
        for name, value in list(self.combined()):
            function(value, name, self)

    def __iter__(self) -> Iterator[Any]:
        # What the SDK does for every request whose headers are read: the same pairs as `entries()`, without an iterator object around.
        return iter([JsArray([name, value]) for name, value in self.combined()])

    # Pyodide gives every JavaScript object with get, has, set and delete the protocol of a Python mapping.

    def __getitem__(self, name: Any) -> Any:
        if not self.has(name):
            raise KeyError(name)
        return self.get(name)

    def __contains__(self, name: object) -> bool:
        return self.has(name)

    def __setitem__(self, name: Any, value: Any) -> None:
        self.set(name, value)

    def __delitem__(self, name: Any) -> None:
        if not self.has(name):
            raise KeyError(name)
        self.delete(name)

    def combined(self) -> Iterator[tuple[str, str]]:
        """Name and value as JavaScript iterates them."""
        for name, values in sorted(self._read().items()):
            if name == "set-cookie":
                yield from ((name, value) for value in values)
            else:
                yield name, ", ".join(values)

    def _read(self) -> dict[str, list[str]]:
        table = self._table
        if table is None:
            table = self._table = {}
            for name, value in self._pairs or ():
                table.setdefault(name.lower(), []).append(value)
        return table

    def _write(self) -> dict[str, list[str]]:
        if self._immutable:
            raise js_error("TypeError", "Can't modify immutable headers.")
        return self._read()

    def _fill(self, init: Any) -> None:
        if isinstance(init, Headers):
            copy = init.copy()
            self._pairs, self._table = copy._pairs, copy._table
        elif isinstance(init, JsObject):
            for name, value in init._js_own().items():
                self.append(name, value)
        elif hasattr(init, "__iter__") and not isinstance(init, str | dict):
            # A Map's own iterator gives pairs; seen from Python it gives keys. `to_js` of a dict is a Map.
            for pair in init.entries() if isinstance(init, JsMap) else init:
                line = pair if pair.__class__ is tuple else list(iterate(pair))
                if len(line) != 2:
                    raise js_error("TypeError", "Sequence initializer must only contain pairs.")
                self.append(*line)
        else:
            hint = " A Python dict is none: use a list of pairs." if isinstance(init, dict) else ""
            raise js_error("TypeError", f"Headers can only be made from an object, pairs or other Headers.{hint}")


def header_name(name: Any) -> str:
    """A valid header name in lower case; TypeError otherwise."""
    text = name if name.__class__ is str else js_string(name)
    if TOKEN.fullmatch(text) is None:
        raise js_error("TypeError", "Invalid header name.")
    return text.lower()


def header_value(value: Any) -> str:
    """A header value without surrounding space; TypeError for line breaks and NUL."""
    text = (value if value.__class__ is str else js_string(value)).strip(" \t\r\n")
    if FORBIDDEN_IN_VALUE.search(text) is not None:
        raise js_error("TypeError", "Invalid header value.")
    return text


def headers_from(init: Any) -> Headers:
    """The `headers` member of an init object as fresh, mutable Headers."""
    return init.copy() if isinstance(init, Headers) else Headers(init)


def pairs_of(lines: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Header lines as bytes (latin-1 on the wire) to pairs of text."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in lines]
