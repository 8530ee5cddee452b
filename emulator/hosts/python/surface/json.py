"""`JSON.parse` and `JSON.stringify` on our values."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from .containers import JsArray
from .convert import is_function
from .errors import js_error
from .values import MAX_SAFE_INTEGER, JsBigInt, JsNull, JsObject, JsProxy, is_nullish, js_number, js_string, jsnull, number_text


def parse(text: Any, reviver: Callable[..., Any] | None = None) -> Any:
    """Text to plain objects and arrays; SyntaxError (JsException) when it is no JSON."""
    try:
        value = _DECODER.decode(text if text.__class__ is str else js_string(text))
    except json.JSONDecodeError as error:
        raise js_error("SyntaxError", f"{error.msg} in JSON at position {error.pos}") from None
    except RecursionError:
        raise js_error("RangeError", "Maximum call stack size exceeded") from None
    return from_json(value) if reviver is None else _revive(from_json(value), "", reviver)


def _refuse(name: str) -> Any:
    raise js_error("SyntaxError", f"Unexpected token {name} in JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_int=lambda digits: js_number(float(digits)))


def from_json(value: Any) -> Any:
    """What `JSON.parse` makes of data that Python's `json` has read."""
    kind = value.__class__
    if kind is dict:
        return JsObject({key: from_json(item) for key, item in value.items()})
    if kind is list:
        return JsArray([from_json(item) for item in value])
    if value is None:
        return jsnull
    return js_number(value) if kind is float else value


def _revive(value: Any, key: str, reviver: Callable[..., Any]) -> Any:
    if isinstance(value, JsArray):
        for index, item in enumerate(list(value)):
            value[index] = _revive(item, str(index), reviver)
    elif isinstance(value, JsObject):
        own = value._js_own()
        for name in list(own):
            own[name] = _revive(own[name], name, reviver)
            if own[name] is None:
                del own[name]
    return reviver(key, value)


def stringify(value: Any = None, replacer: Any = None, indent: Any = None) -> Any:
    """JSON text; `undefined` (None) for what JSON cannot say. TypeError for cycles and BigInts."""
    filter_keys = {js_string(key) for key in replacer} if isinstance(replacer, JsArray) else None
    prepared = Writer(replacer if is_function(replacer) else None, filter_keys).prepare("", value)
    if prepared is _ABSENT:
        return None
    gap: int | str | None = min(10, int(indent)) if isinstance(indent, int | float) else indent[:10] if isinstance(indent, str) else None
    separators = (",", ": ") if gap else (",", ":")
    return json.dumps(prepared, ensure_ascii=False, separators=separators, indent=gap or None)


class _Absent:
    """The marker of what `stringify` leaves out."""


_ABSENT = _Absent()


class _Number(float):
    """A number that prints as JavaScript prints it."""

    def __repr__(self) -> str:
        return number_text(float(self))


class Writer:
    """Turns our values into what the `json` module writes."""

    def __init__(self, replacer: Any, keys: set[str] | None) -> None:
        self._replacer = replacer
        self._keys = keys
        self._open: set[int] = set()

    def prepare(self, key: str, value: Any) -> Any:
        if isinstance(value, JsProxy):
            own_form: Any = getattr(value, "toJSON", None)
            if is_function(own_form):
                value = own_form()
        if self._replacer is not None:
            value = self._replacer(key, value)
        if value is None or is_function(value):
            return _ABSENT
        if isinstance(value, JsNull):
            return None
        if isinstance(value, str | bool):
            return value
        if isinstance(value, int | float):
            return self._number(value)
        if not isinstance(value, JsProxy):
            return {}  # a proxied Python object has no own enumerable properties
        if hasattr(value, "valueOf") and value._js_name in ("Number", "String", "Boolean"):
            return value.valueOf()
        return self._container(value)

    def _number(self, value: float) -> Any:
        if isinstance(value, JsBigInt) or (isinstance(value, int) and abs(value) > MAX_SAFE_INTEGER):
            raise js_error("TypeError", "Do not know how to serialize a BigInt")
        if not math.isfinite(value):
            return None
        value = js_number(value)
        return value if isinstance(value, int) else _Number(value)

    def _container(self, value: JsProxy) -> Any:
        if id(value) in self._open:
            raise js_error("TypeError", "Converting circular structure to JSON")
        self._open.add(id(value))
        try:
            if isinstance(value, JsArray):
                items = [self.prepare(str(index), item) for index, item in enumerate(value)]
                return [None if item is _ABSENT else item for item in items]
            own = value._js_own()
            members = {key: self.prepare(key, item) for key, item in own.items() if self._keys is None or key in self._keys}
            return {key: item for key, item in members.items() if item is not _ABSENT}
        finally:
            self._open.discard(id(value))


def plain_text(value: Any) -> str:
    """`JSON.stringify(value)` as text, for bodies; TypeError when there is none."""
    text = stringify(value)
    if is_nullish(text):
        raise js_error("TypeError", "Value is not JSON serializable")
    return str(text)
