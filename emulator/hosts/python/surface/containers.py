"""Array, Map and Set, with Python's protocols where Pyodide's proxies have them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .errors import js_error
from .values import JsIterator, JsObject, JsProxy, ToPy, is_nullish, iterate, js_number, js_string, jsnull


class JsArray(JsProxy):
    """A JavaScript array; holes are `undefined`."""

    __slots__ = ("__weakref__", "_items")
    _js_name = "Array"
    _js_statics = ("from_", "isArray", "of")

    def __init__(self, items: list[Any] | None = None) -> None:
        """Takes ownership of `items`."""
        self._items = [] if items is None else items

    @classmethod
    def _js_new(cls, *args: Any) -> JsArray:
        if len(args) == 1 and isinstance(args[0], int | float) and not isinstance(args[0], bool):
            length = args[0]
            if length < 0 or length != math.floor(length) or length >= 2**32:
                raise js_error("RangeError", "Invalid array length")
            return cls([None] * int(length))
        return cls(list(args))

    @classmethod
    def _js_call(cls, *args: Any) -> JsArray:
        return cls._js_new(*args)

    @classmethod
    def of(cls, *items: Any) -> JsArray:
        return cls(list(items))

    @classmethod
    def from_(cls, source: Any, mapper: Callable[[Any, int], Any] | None = None) -> JsArray:
        """`Array.from`: an iterable, or an object with `length` and indices."""
        if hasattr(source, "__iter__"):
            items = list(source)
        else:
            own = source._js_own() if isinstance(source, JsProxy) else {}
            items = [own.get(str(index)) for index in range(int(own.get("length", 0)))]
        return cls(items if mapper is None else [mapper(item, index) for index, item in enumerate(items)])

    @staticmethod
    def isArray(value: Any = None) -> bool:
        return isinstance(value, JsArray)

    @property
    def length(self) -> int:
        return len(self._items)

    @length.setter
    def length(self, length: int) -> None:
        del self._items[length:]
        self._items.extend([None] * (length - len(self._items)))

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def __reversed__(self) -> Iterator[Any]:
        return reversed(self._items)

    def __contains__(self, value: object) -> bool:
        return value in self._items

    def __getitem__(self, index: Any) -> Any:
        return JsArray(self._items[index]) if isinstance(index, slice) else self._items[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._items[index] = value

    def __delitem__(self, index: Any) -> None:
        del self._items[index]

    def append(self, value: Any) -> None:
        self._items.append(value)

    def extend(self, values: Iterable[Any]) -> None:
        self._items.extend(values)

    def insert(self, index: int, value: Any) -> None:
        self._items.insert(index, value)

    def index(self, value: Any, *bounds: int) -> int:
        return self._items.index(value, *bounds)

    def count(self, value: Any) -> int:
        return self._items.count(value)

    def push(self, *values: Any) -> int:
        self._items.extend(values)
        return len(self._items)

    def pop(self, index: int = -1) -> Any:
        return self._items.pop(index) if self._items else None

    def shift(self) -> Any:
        return self._items.pop(0) if self._items else None

    def unshift(self, *values: Any) -> int:
        self._items[:0] = values
        return len(self._items)

    def at(self, index: int) -> Any:
        return self._items[index] if -len(self._items) <= index < len(self._items) else None

    def includes(self, value: Any) -> bool:
        return any(same_value_zero(item, value) for item in self._items)

    def indexOf(self, value: Any) -> int:
        return next((i for i, item in enumerate(self._items) if same_value_zero(item, value)), -1)

    def slice(self, start: int | None = None, end: int | None = None) -> JsArray:
        return JsArray(self._items[start:end])

    def splice(self, start: int, count: int | None = None, *values: Any) -> JsArray:
        begin = range(len(self._items) + 1)[slice(start, None)].start
        stop = len(self._items) if count is None else begin + max(0, count)
        removed = self._items[begin:stop]
        self._items[begin:stop] = values
        return JsArray(removed)

    def concat(self, *others: Any) -> JsArray:
        items = list(self._items)
        for other in others:
            items.extend(other) if isinstance(other, JsArray) else items.append(other)
        return JsArray(items)

    def join(self, separator: str = ",") -> str:
        return separator.join("" if is_nullish(item) else js_string(item) for item in self._items)

    def map(self, function: Callable[..., Any]) -> JsArray:
        return JsArray([function(item, index, self) for index, item in enumerate(list(self._items))])

    def filter(self, function: Callable[..., Any]) -> JsArray:
        return JsArray([item for index, item in enumerate(list(self._items)) if function(item, index, self)])

    def forEach(self, function: Callable[..., Any]) -> None:
        for index, item in enumerate(list(self._items)):
            function(item, index, self)

    def find(self, function: Callable[..., Any]) -> Any:
        return next((item for index, item in enumerate(self._items) if function(item, index, self)), None)

    def some(self, function: Callable[..., Any]) -> bool:
        return any(function(item, index, self) for index, item in enumerate(self._items))

    def every(self, function: Callable[..., Any]) -> bool:
        return all(function(item, index, self) for index, item in enumerate(self._items))

    def reverse(self) -> JsArray:
        self._items.reverse()
        return self

    def sort(self, compare: Callable[[Any, Any], float] | None = None) -> JsArray:
        self._items.sort(key=js_string if compare is None else functools.cmp_to_key(compare))  # type: ignore[arg-type]
        return self

    def keys(self) -> JsIterator:
        return JsIterator(range(len(self._items)))

    def values(self) -> JsIterator:
        return JsIterator(self._items)

    def entries(self) -> JsIterator:
        return JsIterator(JsArray([index, item]) for index, item in enumerate(self._items))

    def toString(self) -> str:
        return self.join()

    def _js_own(self) -> dict[str, Any]:
        return {str(index): item for index, item in enumerate(self._items)}

    def _js_to_py(self, walk: ToPy, depth: int) -> Any:
        result: list[Any] = []
        walk.remember(self, result)
        result.extend(walk.convert(item, depth - 1) for item in self._items)
        return result


def same_value_zero(left: Any, right: Any) -> bool:
    """JavaScript's SameValueZero: objects by identity, NaN equal to NaN, 1 is not True."""
    return collection_key(left) == collection_key(right)


def collection_key(value: Any) -> Any:
    """A hashable stand-in for a Map key or Set member under SameValueZero."""
    if isinstance(value, bool):
        return (bool, value)
    if isinstance(value, str) or value is None or value is jsnull:
        return value
    if isinstance(value, int | float):
        return (float, "nan") if value != value else value
    return (object, id(value))


class JsMap(JsProxy):
    """A JavaScript Map: insertion order, keys of any type. Iterating gives keys, as Pyodide's mapping does."""

    __slots__ = ("__weakref__", "_entries")
    _js_name = "Map"
    _js_statics = ("groupBy",)

    def __init__(self, pairs: Iterable[Any] | None = None) -> None:
        self._entries: dict[Any, tuple[Any, Any]] = {}
        if not is_nullish(pairs):
            for key, value in iterate(pairs):
                self.set(key, value)

    @classmethod
    def groupBy(cls, items: Any, function: Callable[[Any, int], Any]) -> JsMap:
        groups = cls()
        for index, item in enumerate(iterate(items)):
            key = function(item, index)
            if not groups.has(key):
                groups.set(key, JsArray())
            groups.get(key).push(item)
        return groups

    @property
    def size(self) -> int:
        return len(self._entries)

    def get(self, key: Any, default: Any = None) -> Any:
        entry = self._entries.get(collection_key(key))
        return default if entry is None else entry[1]

    def set(self, key: Any, value: Any = None) -> JsMap:
        slot = collection_key(key)
        known = self._entries.get(slot)
        self._entries[slot] = (key if known is None else known[0], value)
        return self

    def has(self, key: Any) -> bool:
        return collection_key(key) in self._entries

    def delete(self, key: Any) -> bool:
        return self._entries.pop(collection_key(key), None) is not None

    def clear(self) -> None:
        self._entries.clear()

    def keys(self) -> JsIterator:
        return JsIterator(key for key, _ in self._entries.values())

    def values(self) -> JsIterator:
        return JsIterator(value for _, value in self._entries.values())

    def entries(self) -> JsIterator:
        return JsIterator(JsArray([key, value]) for key, value in self._entries.values())

    def items(self) -> JsIterator:
        return JsIterator(iter(self._entries.values()))

    def forEach(self, function: Callable[[Any, Any, Any], Any]) -> None:
        for key, value in list(self._entries.values()):
            function(value, key, self)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Any]:
        return (key for key, _ in self._entries.values())

    def __contains__(self, key: object) -> bool:
        return self.has(key)

    def __getitem__(self, key: Any) -> Any:
        entry = self._entries.get(collection_key(key))
        if entry is None:
            raise KeyError(key)
        return entry[1]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.set(key, value)

    def __delitem__(self, key: Any) -> None:
        if not self.delete(key):
            raise KeyError(key)

    def _js_to_py(self, walk: ToPy, depth: int) -> Any:
        result: dict[Any, Any] = {}
        walk.remember(self, result)
        for key, value in self._entries.values():
            result[hashable(walk.convert(key, depth - 1), "key for a Python dict")] = walk.convert(value, depth - 1)
        return result


class JsSet(JsProxy):
    """A JavaScript Set: insertion order, members of any type."""

    __slots__ = ("__weakref__", "_members")
    _js_name = "Set"

    def __init__(self, members: Iterable[Any] | None = None) -> None:
        self._members: dict[Any, Any] = {}
        if not is_nullish(members):
            for member in iterate(members):
                self.add(member)

    @property
    def size(self) -> int:
        return len(self._members)

    def add(self, member: Any) -> JsSet:
        self._members.setdefault(collection_key(member), member)
        return self

    def has(self, member: Any) -> bool:
        return collection_key(member) in self._members

    def delete(self, member: Any) -> bool:
        slot = collection_key(member)
        present = slot in self._members
        self._members.pop(slot, None)
        return present

    def clear(self) -> None:
        self._members.clear()

    def values(self) -> JsIterator:
        return JsIterator(self._members.values())

    keys = values

    def entries(self) -> JsIterator:
        return JsIterator(JsArray([member, member]) for member in self._members.values())

    def forEach(self, function: Callable[[Any, Any, Any], Any]) -> None:
        for member in list(self._members.values()):
            function(member, member, self)

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._members.values()))

    def __contains__(self, member: object) -> bool:
        return self.has(member)

    def _js_to_py(self, walk: ToPy, depth: int) -> Any:
        result: set[Any] = set()
        walk.remember(self, result)
        result.update(hashable(walk.convert(member, depth - 1), "member of a Python set") for member in self._members.values())
        return result


class ConversionError(Exception):
    """A value has no form on the other side of the boundary (`pyodide.ffi.ConversionError`)."""


def hashable(value: Any, use: str) -> Any:
    """`value` if Python can hash it; ConversionError otherwise, as Pyodide does."""
    try:
        hash(value)
    except TypeError as error:
        raise ConversionError(f"Cannot use {js_string(value)} as a {use}") from error
    return value


def object_from_entries(entries: Any) -> JsObject:
    """`Object.fromEntries`: keys become strings (python-workers-surface.md 12.8)."""
    pairs = entries.entries() if isinstance(entries, JsMap) else iterate(entries)
    result: dict[str, Any] = {}
    for pair in pairs:
        key, value = pair
        result[key if key.__class__ is str else js_string(key)] = js_number(value) if value.__class__ is float else value
    return JsObject(result)
