"""Python to JavaScript and back: `to_js`, `to_py`, `create_proxy` and their relatives (python-workers-surface.md 3.2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from .buffers import ARRAY_OF_FORMAT, BufferLease, Uint8Array
from .containers import ConversionError, JsArray, JsMap, JsSet, object_from_entries
from .errors import js_error
from .values import JsConstructor, JsFunction, JsProxy, ToPy, ToPyConverter, js_number, jsnull

type ToJsConverter = Callable[[Any, Callable[[Any], Any], Callable[[Any, Any], None]], Any]


def to_py(value: Any, *, depth: int = -1, default_converter: ToPyConverter | None = None) -> Any:
    """`value.to_py(...)` for any value; Python values pass."""
    return ToPy(default_converter).convert(value, depth)


def to_js(
    value: Any,
    /,
    *,
    depth: int = -1,
    pyproxies: Any = None,
    create_pyproxies: bool = True,
    dict_converter: Callable[[JsArray], Any] | None = None,
    default_converter: ToJsConverter | None = None,
    eager_converter: ToJsConverter | None = None,
) -> Any:
    """The JavaScript form of a Python value.

    Raises ConversionError for an object without one when `create_pyproxies` is False; otherwise such an
    object becomes a PyProxy, which Python sees as the object itself inside containers and as a
    `JsDoubleProxy` at the top.
    """
    if value.__class__ in PRIMITIVES or isinstance(value, JsProxy):
        return js_number(value) if value.__class__ is float else value
    walk = ToJs(pyproxies, create_pyproxies, dict_converter, default_converter, eager_converter)
    result = walk.convert(value, depth)
    if isinstance(result, JsProxy | int | float | str) or result is None or result is jsnull:
        return result
    return create_proxy(result)


def to_js_object(value: Any) -> Any:
    """`to_js` with dicts as plain objects, as bindings return their results."""
    return to_js(value, dict_converter=object_from_entries)


class ToJs:
    """One `to_js` call: its options, and what was converted already (cycles keep their shape)."""

    __slots__ = ("_create", "_default", "_dicts", "_eager", "_proxies", "_seen")

    def __init__(
        self,
        proxies: Any,
        create: bool,
        dicts: Callable[[JsArray], Any] | None,
        default: ToJsConverter | None,
        eager: ToJsConverter | None,
    ) -> None:
        self._proxies = proxies
        self._create = create
        self._dicts = dicts
        self._default = default
        self._eager = eager
        self._seen: dict[int, tuple[Any, Any]] = {}

    def convert(self, value: Any, depth: int) -> Any:
        kind = value.__class__
        if kind in PRIMITIVES:
            return js_number(value) if kind is float else value
        if isinstance(value, JsProxy):
            return value
        known = self._seen.get(id(value))
        if known is not None:
            return known[1]
        if self._eager is not None:
            return self._eager(value, lambda inner: self._again(inner, value, depth), self.remember)
        return self._natively(value, depth)

    def remember(self, source: Any, result: Any) -> None:
        self._seen[id(source)] = (source, result)

    def _again(self, inner: Any, source: Any, depth: int) -> Any:
        return self._natively(inner, depth) if inner is source else self.convert(inner, depth - 1)

    def _natively(self, value: Any, depth: int) -> Any:
        if isinstance(value, bool | int | float | str):
            return js_number(value) if isinstance(value, float) else value
        if depth == 0:
            return self._leave(value)
        if isinstance(value, dict):
            return self._dict(value, depth)
        if isinstance(value, list | tuple):
            array = JsArray()
            self.remember(value, array)
            array.extend([self.convert(item, depth - 1) for item in value])
            return array
        if isinstance(value, set | frozenset):
            return JsSet([self.convert(item, depth - 1) for item in value])
        if isinstance(value, bytes | bytearray | memoryview):
            return buffer_to_js(value)
        return self._leave(value)

    def _dict(self, value: dict[Any, Any], depth: int) -> Any:
        if self._dicts is None:
            result = JsMap()
            self.remember(value, result)
            for key, item in value.items():
                result.set(self.convert(key, depth - 1), self.convert(item, depth - 1))
            return result
        pairs = JsArray([JsArray([self.convert(k, depth - 1), self.convert(v, depth - 1)]) for k, v in value.items()])
        converted = self._dicts(pairs)
        self.remember(value, converted)
        return converted

    def _leave(self, value: Any) -> Any:
        if self._default is not None:
            return self._default(value, lambda inner: self.convert(inner, -1), self.remember)
        if not self._create:
            raise ConversionError(f"No conversion known for {value!r}.")
        if self._proxies is not None:
            proxy = create_proxy(value)
            self._proxies.append(proxy)
            return proxy
        return value


PRIMITIVES = frozenset({type(None), bool, int, float, str, type(jsnull)})


def buffer_to_js(value: bytes | bytearray | memoryview) -> Any:
    """A copy of a Python buffer as the typed array of its element type; Uint8Array for bytes."""
    if isinstance(value, memoryview) and value.format not in ("B", "c"):
        array = ARRAY_OF_FORMAT.get(value.format)
        if array is None:
            raise ConversionError(f"No typed array has the buffer format {value.format!r}.")
        return array(value.tobytes())
    return Uint8Array(bytes(value))


class JsDoubleProxy(JsProxy):
    """`create_proxy(obj)`: a Python object as JavaScript holds it. Callable when the object is; gone after `destroy()`."""

    __slots__ = ("__weakref__", "_destroyed", "_once", "_target")
    _js_name = "PyProxy"
    _js_tag = "PyProxy"

    def __init__(self, target: Any, *, once: bool = False) -> None:
        self._target = target
        self._destroyed = False
        self._once = once

    def unwrap(self) -> Any:
        if self._destroyed:
            self._gone()
        return self._target

    def destroy(self) -> None:
        if self._destroyed:
            self._gone()
        self._destroyed = True
        self._target = None

    def getBuffer(self, _kind: Any = None) -> BufferLease:
        return BufferLease(self.unwrap())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        target = self.unwrap()
        if self._once:
            self.destroy()
        return target(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unwrap(), name)

    def __await__(self) -> Any:
        return self.unwrap().__await__()

    @property
    def typeof(self) -> str:
        return "function" if callable(self._target) else "object"

    def toString(self) -> str:
        return str(self.unwrap())

    def _gone(self) -> NoReturn:
        text = "This borrowed proxy was already destroyed" if not self._once else "The function can only be called once"
        raise js_error("Error", f"Object has already been destroyed\n{text}")

    def _js_to_py(self, walk: ToPy, depth: int) -> Any:
        return self.unwrap()


def create_proxy(value: Any, /, *, capture_this: bool = False, roundtrip: bool = True) -> JsDoubleProxy:
    """Keeps `value` callable from JavaScript until `destroy()`."""
    return JsDoubleProxy(value)


def create_once_callable(function: Callable[..., Any], /) -> JsDoubleProxy:
    """A proxy that destroys itself when it is called."""
    return JsDoubleProxy(function, once=True)


def destroy_proxies(proxies: Any, /) -> None:
    """Destroys all proxies of a `pyproxies` list."""
    for proxy in proxies:
        if isinstance(proxy, JsDoubleProxy):
            proxy.destroy()


def unwrap(value: Any) -> Any:
    """The Python object behind a PyProxy handed to a host function; any other value as it is."""
    return value.unwrap() if isinstance(value, JsDoubleProxy) else value


def is_function(value: Any) -> bool:
    """True for what JavaScript calls a function: Python callables, proxies of them, our functions."""
    if isinstance(value, JsDoubleProxy):
        return callable(value.unwrap())
    return isinstance(value, JsFunction | JsConstructor) or (callable(value) and not isinstance(value, JsProxy))


def is_awaitable(value: Any) -> bool:
    """True for promises, coroutines, futures and proxies of them."""
    return isinstance(unwrap(value), Awaitable)
